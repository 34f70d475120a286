//! Limits and usage (getrlimit(2), getrusage(2), times(2)).

use rumpkin_spine::{
    Call, Errno, Kernel,
    abi::{ResourceLimit, Timeval, linux::general},
    fd::MAX_DESCRIPTORS,
    io, system_calls,
};
use rumpuser::{clock, memory::PAGE_SIZE};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Nanoseconds of a clock tick (`sysconf(_SC_CLK_TCK)` is 100).
const TICK: u64 = 10_000_000;

pub fn register(kernel: &mut Kernel) {
    kernel.add_calls(system_calls! {
        getrlimit => getrlimit;
        setrlimit => setrlimit, "RLIMIT_NOFILE; others are kept, not enforced";
        prlimit64 => prlimit, "of the caller; as setrlimit";
        getrusage => getrusage, "the CPU time is all user time";
        times => times, "as getrusage";
    });
}

fn limit(call: &Call<'_>, resource: u32) -> Result<ResourceLimit, Errno> {
    call.process().limits.lock().get(resource as usize).copied().ok_or(Errno::EINVAL)
}

fn set_limit(call: &Call<'_>, resource: u32, new: ResourceLimit) -> Result<(), Errno> {
    if new.current > new.maximum {
        return Err(Errno::EINVAL);
    }
    if resource == general::RLIMIT_NOFILE && new.maximum > MAX_DESCRIPTORS as u64 {
        return Err(Errno::EPERM);
    }
    let mut limits = call.process().limits.lock();
    *limits.get_mut(resource as usize).ok_or(Errno::EINVAL)? = new;
    if resource == general::RLIMIT_NOFILE {
        call.process().descriptors.set_limit(usize::try_from(new.current).unwrap_or(usize::MAX));
    }
    Ok(())
}

fn getrlimit(call: &mut Call<'_>) -> Result<usize, Errno> {
    let limit = limit(call, call.uint(0))?;
    io::write_value(call.argument(1), &limit)?;
    Ok(0)
}

fn setrlimit(call: &mut Call<'_>) -> Result<usize, Errno> {
    let new = io::read_value(call.argument(1))?;
    set_limit(call, call.uint(0), new)?;
    Ok(0)
}

fn prlimit(call: &mut Call<'_>) -> Result<usize, Errno> {
    let (id, resource, new, old) = (call.uint(0), call.uint(1), call.argument(2), call.argument(3));
    if id != 0 && id != call.process().id && call.process().thread(id).is_none() {
        return Err(Errno::ESRCH);
    }
    let before = limit(call, resource)?;
    if new != 0 {
        set_limit(call, resource, io::read_value(new)?)?;
    }
    if old != 0 {
        io::write_value(old, &before)?;
    }
    Ok(0)
}

/// `struct rusage`, its 14 counters as one array.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Usage {
    user_time: Timeval,
    system_time: Timeval,
    /// In KiB.
    most_resident: i64,
    others: [i64; 13],
}

fn getrusage(call: &mut Call<'_>) -> Result<usize, Errno> {
    let process = call.process();
    let whom = call.int(0);
    let usage = if whom == general::RUSAGE_SELF as i32 || whom == general::RUSAGE_THREAD as i32 {
        let of_thread = whom == general::RUSAGE_THREAD as i32;
        let cpu_time = if of_thread { call.thread.cpu_time() } else { process.cpu_time() };
        let resident = process.memory.resident_pages().saturating_mul(PAGE_SIZE / 1024);
        Usage {
            user_time: Timeval::from_nanoseconds(cpu_time),
            most_resident: i64::try_from(resident).unwrap_or(i64::MAX),
            ..Usage::default()
        }
    } else if whom == general::RUSAGE_CHILDREN {
        Usage::default()
    } else {
        return Err(Errno::EINVAL);
    };
    io::write_value(call.argument(1), &usage)?;
    Ok(0)
}

fn times(call: &mut Call<'_>) -> Result<usize, Errno> {
    if call.argument(0) != 0 {
        io::write_value(call.argument(0), &[call.process().cpu_time() / TICK, 0, 0, 0])?;
    }
    Ok((clock::monotonic() / TICK) as usize)
}
