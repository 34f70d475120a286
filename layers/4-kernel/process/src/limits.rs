//! Limits and usage (getrlimit(2), getrusage(2), times(2)).

use rumpkin_spine::{
    Call, Errno, Kernel, UserPointer,
    abi::{ResourceLimit, Timeval, linux::general},
    fd::MAX_DESCRIPTORS,
    system_calls,
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

fn getrlimit(call: &mut Call<'_>, resource: u32, limit_at: UserPointer<ResourceLimit>) -> Result<usize, Errno> {
    limit_at.write(&limit(call, resource)?)?;
    Ok(0)
}

fn setrlimit(call: &mut Call<'_>, resource: u32, new: UserPointer<ResourceLimit>) -> Result<usize, Errno> {
    set_limit(call, resource, new.read()?)?;
    Ok(0)
}

fn prlimit(
    call: &mut Call<'_>,
    id: u32,
    resource: u32,
    new: Option<UserPointer<ResourceLimit>>,
    old: Option<UserPointer<ResourceLimit>>,
) -> Result<usize, Errno> {
    if id != 0 && id != call.process().id && call.process().thread(id).is_none() {
        return Err(Errno::ESRCH);
    }
    let before = limit(call, resource)?;
    if let Some(new) = new {
        set_limit(call, resource, new.read()?)?;
    }
    if let Some(old) = old {
        old.write(&before)?;
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

fn getrusage(call: &mut Call<'_>, whom: i32, usage_at: UserPointer<Usage>) -> Result<usize, Errno> {
    let process = call.process();
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
    usage_at.write(&usage)?;
    Ok(0)
}

fn times(call: &mut Call<'_>, times: Option<UserPointer<[u64; 4]>>) -> Result<usize, Errno> {
    if let Some(times) = times {
        times.write(&[call.process().cpu_time() / TICK, 0, 0, 0])?;
    }
    Ok((clock::monotonic() / TICK) as usize)
}
