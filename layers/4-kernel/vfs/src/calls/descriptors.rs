//! Descriptors: dup(2), fcntl(2), ioctl(2).

use super::record_locks;
use alloc::sync::Arc;
use rumpkin_abi::{
    Errno,
    linux::{general, ioctl as requests},
};
use rumpkin_spine::{Call, SystemCall, file::OpenFile, io, notice::Owner, system_calls};

pub const CALLS: &[SystemCall] = system_calls! {
    dup => dup;
    dup2 => dup2;
    dup3 => dup3;
    fcntl => fcntl, "F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW (deadlocks are not looked for), F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_SETOWN, F_GETOWN, F_SETOWN_EX, F_GETOWN_EX, F_SETSIG, F_GETSIG, F_GETPIPE_SZ, F_SETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS";
    ioctl => ioctl, "FIONBIO, FIOASYNC, FIOCLEX, FIONCLEX, FIONREAD; terminals: TCGETS, TCSETS*, TIOCGWINSZ, TIOCSWINSZ; disks: BLK*";
};

fn dup(call: &mut Call<'_>) -> Result<usize, Errno> {
    let descriptors = &call.process().descriptors;
    let open = descriptors.get(call.int(0))?;
    Ok(descriptors.insert(open, false, 0)? as usize)
}

fn dup2(call: &mut Call<'_>) -> Result<usize, Errno> {
    let (old, new) = (call.int(0), call.int(1));
    let descriptors = &call.process().descriptors;
    let open = descriptors.get(old)?;
    if old != new {
        replaced(call, descriptors.replace(new, open, false)?);
    }
    Ok(new as usize)
}

/// A descriptor that pointed at something was closed thereby.
fn replaced(call: &Call<'_>, old: Option<Arc<OpenFile>>) {
    if let Some(old) = old {
        record_locks::closed(call.process(), &old);
    }
}

fn dup3(call: &mut Call<'_>) -> Result<usize, Errno> {
    let (old, new, flags) = (call.int(0), call.int(1), call.uint(2));
    if flags & !general::O_CLOEXEC != 0 || old == new {
        return Err(Errno::EINVAL);
    }
    let descriptors = &call.process().descriptors;
    let open = descriptors.get(old)?;
    replaced(call, descriptors.replace(new, open, flags != 0)?);
    Ok(new as usize)
}

fn fcntl(call: &mut Call<'_>) -> Result<usize, Errno> {
    let (descriptor, command, argument) = (call.int(0), call.uint(1), call.argument(2));
    let descriptors = &call.process().descriptors;
    let open = descriptors.get(descriptor)?;
    let of_path = [general::F_DUPFD, general::F_DUPFD_CLOEXEC, general::F_GETFD, general::F_SETFD, general::F_GETFL];
    if open.flags() & general::O_PATH != 0 && !of_path.contains(&command) {
        return Err(Errno::EBADF);
    }
    match command {
        general::F_DUPFD | general::F_DUPFD_CLOEXEC => {
            let least = usize::try_from(argument as i32).map_err(|_| Errno::EINVAL)?;
            Ok(descriptors.insert(open, command == general::F_DUPFD_CLOEXEC, least)? as usize)
        }
        general::F_GETFD => Ok(usize::from(descriptors.close_on_exec(descriptor)?)),
        general::F_SETFD => {
            descriptors.set_close_on_exec(descriptor, argument & general::FD_CLOEXEC as usize != 0)?;
            Ok(0)
        }
        general::F_GETFL => Ok(open.flags() as usize),
        general::F_SETFL => {
            let tell = argument as u32 & general::FASYNC != 0;
            if (open.flags() & general::FASYNC != 0) != tell {
                // For a file that is always ready there is nothing to tell, and that is no error (fcntl(2)).
                match open.tell_of_readiness(descriptor, tell) {
                    Ok(()) | Err(Errno::ENOTTY) => {}
                    Err(error) => return Err(error),
                }
            }
            open.set_flags(argument as u32);
            Ok(0)
        }
        general::F_GETLK
        | general::F_SETLK
        | general::F_SETLKW
        | general::F_OFD_GETLK
        | general::F_OFD_SETLK
        | general::F_OFD_SETLKW => record_locks::control(call, &open, command, argument),
        // Whatever the file says to them, and for ever: whoever may only read must not bind whoever may write.
        general::F_ADD_SEALS if !open.writable() => Err(Errno::EPERM),
        general::F_SETOWN => {
            let owner = match argument as i32 {
                0 => Owner::Nobody,
                id @ 1.. => Owner::Process(id.unsigned_abs()),
                i32::MIN => return Err(Errno::EINVAL),
                group => Owner::Group(group.unsigned_abs()),
            };
            open.set_owner(owner, call.kernel().recipient(owner)?).map(|()| 0)
        }
        general::F_GETOWN => Ok(match open.owner() {
            Owner::Nobody => 0,
            Owner::Process(id) | Owner::Thread(id) => id as usize,
            Owner::Group(id) => (id as usize).wrapping_neg(),
        }),
        general::F_SETOWN_EX => {
            let [kind, id]: [u32; 2] = io::read_value(argument)?;
            let owner = match kind {
                general::F_OWNER_TID..=general::F_OWNER_PGRP if id == 0 => Owner::Nobody,
                general::F_OWNER_TID => Owner::Thread(id),
                general::F_OWNER_PID => Owner::Process(id),
                general::F_OWNER_PGRP => Owner::Group(id),
                _ => return Err(Errno::EINVAL),
            };
            open.set_owner(owner, call.kernel().recipient(owner)?).map(|()| 0)
        }
        general::F_GETOWN_EX => {
            let owner = match open.owner() {
                Owner::Nobody => [general::F_OWNER_PID, 0],
                Owner::Thread(id) => [general::F_OWNER_TID, id],
                Owner::Process(id) => [general::F_OWNER_PID, id],
                Owner::Group(id) => [general::F_OWNER_PGRP, id],
            };
            io::write_value(argument, &owner).map(|()| 0)
        }
        general::F_SETSIG => open.set_owner_signal(argument).map(|()| 0),
        general::F_GETSIG => Ok(open.owner_signal().into()),
        _ => open.file().control(command, argument),
    }
}

fn ioctl(call: &mut Call<'_>) -> Result<usize, Errno> {
    let (descriptor, command, argument) = (call.int(0), call.uint(1), call.argument(2));
    let process = call.process().clone();
    let open = process.descriptors.get(descriptor)?;
    if open.flags() & general::O_PATH != 0 {
        return Err(Errno::EBADF);
    }
    match command {
        requests::FIOCLEX => process.descriptors.set_close_on_exec(descriptor, true)?,
        requests::FIONCLEX => process.descriptors.set_close_on_exec(descriptor, false)?,
        requests::FIONBIO => {
            let on = io::read_value::<i32>(argument)? != 0;
            let flags = open.flags() & !general::O_NONBLOCK;
            open.set_flags(if on { flags | general::O_NONBLOCK } else { flags });
        }
        requests::FIOASYNC => {
            let tell = io::read_value::<i32>(argument)? != 0;
            open.tell_of_readiness(descriptor, tell)?;
        }
        requests::FIONREAD if open.file().stat()?.mode & general::S_IFMT == general::S_IFREG => {
            let left = (open.file().stat()?.size as u64).saturating_sub(*open.position().lock());
            io::write_value(argument, &(left as i32))?;
        }
        _ => return open.file().ioctl(call.thread, command, argument),
    }
    Ok(0)
}
