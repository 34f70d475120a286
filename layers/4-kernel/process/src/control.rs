//! How a process and a thread are set up: personality, prctl, arch_prctl.

use crate::state;
use core::sync::atomic::Ordering;
use rumpkin_spine::{Call, Errno, Kernel, UserPointer, abi::linux::prctl, system_calls};
use rumpuser::memory::USER_END;

pub fn register(kernel: &mut Kernel) {
    kernel.add_calls(system_calls! {
        personality => personality, "PER_LINUX only";
        prctl => prctl, "PR_SET_NAME, GET_NAME, SET/GET_DUMPABLE, SET/GET_NO_NEW_PRIVS, GET_PDEATHSIG, CAPBSET_READ, SET/GET_TIMERSLACK of 50 µs";
        arch_prctl => arch_prctl, "ARCH_SET_FS, GET_FS, GET_GS; ARCH_SET_GS says EPERM, since GS is the kernel's";
    });
}

fn personality(_: &mut Call<'_>, persona: u32) -> Result<usize, Errno> {
    /// Asks, and changes nothing.
    const QUERY: u32 = u32::MAX;
    match persona {
        0 | QUERY => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

fn prctl(
    call: &mut Call<'_>,
    option: u32,
    argument: usize,
    second: usize,
    third: usize,
    fourth: usize,
) -> Result<usize, Errno> {
    let rest_is_zero = [second, third, fourth] == [0; 3];
    let state = state(call.process()).ok_or(Errno::EINVAL)?;
    match option {
        prctl::PR_SET_NAME => set_name(call, UserPointer::new(argument)),
        prctl::PR_GET_NAME => {
            let name = *call.thread.name.lock();
            UserPointer::new(argument).write(&name)?;
            Ok(0)
        }
        prctl::PR_GET_DUMPABLE => Ok(usize::from(!state.not_dumpable.load(Ordering::Relaxed))),
        prctl::PR_SET_DUMPABLE if argument <= 1 => {
            state.not_dumpable.store(argument == 0, Ordering::Relaxed);
            Ok(0)
        }
        prctl::PR_SET_NO_NEW_PRIVS if argument == 1 && rest_is_zero => {
            state.no_new_privileges.store(true, Ordering::Relaxed);
            Ok(0)
        }
        prctl::PR_GET_NO_NEW_PRIVS if argument == 0 && rest_is_zero => {
            Ok(usize::from(state.no_new_privileges.load(Ordering::Relaxed)))
        }
        // The parent is outside and cannot die first.
        prctl::PR_GET_PDEATHSIG => {
            UserPointer::new(argument).write(&0u32)?;
            Ok(0)
        }
        prctl::PR_CAPBSET_READ if argument <= 40 => Ok(1),
        prctl::PR_GET_TIMERSLACK => Ok(TIMER_SLACK),
        // 0 sets the default.
        prctl::PR_SET_TIMERSLACK if argument == 0 || argument == TIMER_SLACK => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

/// Nanoseconds by which Linux may be late by default.
const TIMER_SLACK: usize = 50_000;

fn set_name(call: &Call<'_>, text: UserPointer<u8>) -> Result<usize, Errno> {
    let mut name = [0; 16];
    // Byte by byte: what lies behind the terminating zero need not be there.
    for (index, byte) in name.iter_mut().take(15).enumerate() {
        *byte = text.at(index).read()?;
        if *byte == 0 {
            break;
        }
    }
    *call.thread.name.lock() = name;
    Ok(0)
}

fn arch_prctl(call: &mut Call<'_>, option: u32, address: usize) -> Result<usize, Errno> {
    const SET_GS: u32 = 0x1001;
    const SET_FS: u32 = 0x1002;
    const GET_FS: u32 = 0x1003;
    const GET_GS: u32 = 0x1004;
    match option {
        SET_FS if address < USER_END => call.registers.fs_base = address as u64,
        SET_FS | SET_GS => return Err(Errno::EPERM),
        GET_FS => UserPointer::new(address).write(&call.registers.fs_base)?,
        GET_GS => UserPointer::new(address).write(&0u64)?,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}
