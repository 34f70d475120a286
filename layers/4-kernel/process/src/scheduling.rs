//! Scheduling calls (sched(7)): one policy, one priority, CPUs that a thread cannot be tied to.

use core::sync::atomic::{Ordering, fence};
use rumpkin_spine::{
    Call, Errno, Kernel, UserPointer,
    abi::linux::general::{SCHED_BATCH, SCHED_FIFO, SCHED_IDLE, SCHED_NORMAL, SCHED_RESET_ON_FORK, SCHED_RR},
    system_calls,
};
use rumpuser::thread;

pub fn register(kernel: &mut Kernel) {
    kernel.add_calls(system_calls! {
        sched_yield => sched_yield;
        sched_getaffinity => sched_getaffinity, "all CPUs";
        sched_setaffinity => sched_setaffinity, "accepted if it allows all CPUs, else EINVAL";
        sched_get_priority_max => sched_get_priority_max;
        sched_get_priority_min => sched_get_priority_min;
        sched_getparam => sched_getparam;
        sched_setparam => sched_setparam, "priority 0";
        sched_getscheduler => sched_getscheduler;
        sched_setscheduler => sched_setscheduler, "SCHED_OTHER; EPERM for others";
        getpriority => getpriority;
        setpriority => setpriority, "0 only";
        getcpu => getcpu;
        rseq => rseq, "ENOSYS: C libraries ask at each start, and do without";
        membarrier => membarrier, "QUERY, GLOBAL, PRIVATE_EXPEDITED";
    });
}

fn sched_yield(_: &mut Call<'_>) -> Result<usize, Errno> {
    thread::yield_now();
    Ok(0)
}

/// Checks that a number is that of a thread of the caller's process, or 0.
fn check_thread(call: &Call<'_>, id: i32) -> Result<(), Errno> {
    let id = u32::try_from(id).map_err(|_| Errno::EINVAL)?;
    if id == 0 || call.process().thread(id).is_some() { Ok(()) } else { Err(Errno::ESRCH) }
}

/// One bit per CPU.
fn all_cpus() -> u64 {
    u64::MAX.checked_shr(u64::BITS.saturating_sub(thread::cpus() as u32)).unwrap_or(1)
}

fn sched_getaffinity(call: &mut Call<'_>, id: i32, size: usize, mask: UserPointer<u64>) -> Result<usize, Errno> {
    check_thread(call, id)?;
    if size < size_of::<u64>() || !size.is_multiple_of(size_of::<u64>()) {
        return Err(Errno::EINVAL);
    }
    mask.write(&all_cpus())?;
    Ok(size_of::<u64>())
}

fn sched_setaffinity(call: &mut Call<'_>, id: i32, size: usize, mask_at: UserPointer<u8>) -> Result<usize, Errno> {
    check_thread(call, id)?;
    let mut mask = [0; 8];
    mask_at.slice(size).read(&mut mask)?;
    let all = all_cpus();
    if u64::from_le_bytes(mask) & all == all { Ok(0) } else { Err(Errno::EINVAL) }
}

fn priority_range(policy: u32) -> Result<(usize, usize), Errno> {
    match policy {
        SCHED_NORMAL | SCHED_BATCH | SCHED_IDLE => Ok((0, 0)),
        SCHED_FIFO | SCHED_RR => Ok((1, 99)),
        _ => Err(Errno::EINVAL),
    }
}

fn sched_get_priority_max(_: &mut Call<'_>, policy: u32) -> Result<usize, Errno> {
    priority_range(policy).map(|(_, most)| most)
}

fn sched_get_priority_min(_: &mut Call<'_>, policy: u32) -> Result<usize, Errno> {
    priority_range(policy).map(|(least, _)| least)
}

fn sched_getparam(call: &mut Call<'_>, id: i32, priority: UserPointer<i32>) -> Result<usize, Errno> {
    check_thread(call, id)?;
    priority.write(&0)?;
    Ok(0)
}

fn sched_setparam(call: &mut Call<'_>, id: i32, priority: UserPointer<i32>) -> Result<usize, Errno> {
    check_thread(call, id)?;
    if priority.read()? == 0 { Ok(0) } else { Err(Errno::EINVAL) }
}

fn sched_getscheduler(call: &mut Call<'_>, id: i32) -> Result<usize, Errno> {
    check_thread(call, id)?;
    Ok(SCHED_NORMAL as usize)
}

fn sched_setscheduler(call: &mut Call<'_>, id: i32, policy: u32, priority: UserPointer<i32>) -> Result<usize, Errno> {
    check_thread(call, id)?;
    let policy = policy & !SCHED_RESET_ON_FORK;
    let (least, most) = priority_range(policy)?;
    let priority = priority.read()?;
    if !usize::try_from(priority).is_ok_and(|priority| (least..=most).contains(&priority)) {
        return Err(Errno::EINVAL);
    }
    if policy == SCHED_NORMAL { Ok(0) } else { Err(Errno::EPERM) }
}

/// What getpriority(2) returns for a nice value of 0: 20 less the value.
const NICE_ZERO: usize = 20;

/// Checks `which` and `who`: the caller's process, its group, or the user root.
fn check_priority(call: &Call<'_>, which: u32, who: u32) -> Result<(), Errno> {
    const PRIO_PROCESS: u32 = 0;
    const PRIO_PGRP: u32 = 1;
    const PRIO_USER: u32 = 2;
    let known = match which {
        PRIO_PROCESS => who == 0 || call.process().thread(who).is_some(),
        PRIO_PGRP => who == 0 || who == call.process().id,
        PRIO_USER => who == 0,
        _ => return Err(Errno::EINVAL),
    };
    if known { Ok(()) } else { Err(Errno::ESRCH) }
}

fn getpriority(call: &mut Call<'_>, which: u32, who: u32) -> Result<usize, Errno> {
    check_priority(call, which, who).map(|()| NICE_ZERO)
}

fn setpriority(call: &mut Call<'_>, which: u32, who: u32, value: i32) -> Result<usize, Errno> {
    check_priority(call, which, who)?;
    if value == 0 { Ok(0) } else { Err(Errno::EACCES) }
}

fn getcpu(_: &mut Call<'_>, cpu: Option<UserPointer<u32>>, node: Option<UserPointer<u32>>) -> Result<usize, Errno> {
    if let Some(cpu) = cpu {
        cpu.write(&(thread::cpu() as u32))?;
    }
    if let Some(node) = node {
        node.write(&0)?;
    }
    Ok(0)
}

/// Restartable sequences need to know of every preemption, which happens below this layer. The call is answered here, and not by
/// its absence, because its absence would be logged for every program.
fn rseq(_: &mut Call<'_>) -> Result<usize, Errno> {
    Err(Errno::ENOSYS)
}

fn membarrier(_: &mut Call<'_>, command: u32, flags: u32) -> Result<usize, Errno> {
    const QUERY: u32 = 0;
    const GLOBAL: u32 = 1;
    const PRIVATE_EXPEDITED: u32 = 8;
    const REGISTER_PRIVATE_EXPEDITED: u32 = 16;
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    // With one CPU, whatever thread runs next has been through a switch, which is a barrier. With more there is no way yet to
    // have the others pass one, so the call is not there.
    if thread::cpus() > 1 {
        return Err(Errno::ENOSYS);
    }
    match command {
        QUERY => Ok((GLOBAL | PRIVATE_EXPEDITED | REGISTER_PRIVATE_EXPEDITED) as usize),
        GLOBAL | PRIVATE_EXPEDITED | REGISTER_PRIVATE_EXPEDITED => {
            fence(Ordering::SeqCst);
            Ok(0)
        }
        _ => Err(Errno::EINVAL),
    }
}
