//! Descriptors: dup(2), fcntl(2), ioctl(2).

use super::record_locks;
use alloc::sync::Arc;
use rumpkin_abi::{
    Errno,
    linux::{general, ioctl as requests},
};
use rumpkin_kernel::{Call, SystemCall, file::OpenFile, io, system_calls};

pub const CALLS: &[SystemCall] = system_calls! {
    dup => dup;
    dup2 => dup2;
    dup3 => dup3;
    fcntl => fcntl, "F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW (deadlocks are not looked for), F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_GETOWN, F_GETPIPE_SZ, F_SETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS";
    ioctl => ioctl, "FIONBIO, FIOCLEX, FIONCLEX, FIONREAD; terminals: TCGETS, TCSETS*, TIOCGWINSZ, TIOCSWINSZ; disks: BLK*";
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
        // Nobody is told by SIGIO.
        general::F_GETOWN => Ok(0),
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
        requests::FIONREAD if open.file().stat()?.mode & general::S_IFMT == general::S_IFREG => {
            let left = (open.file().stat()?.size as u64).saturating_sub(*open.position().lock());
            io::write_value(argument, &(left as i32))?;
        }
        _ => return open.file().ioctl(call, command, argument),
    }
    Ok(0)
}
