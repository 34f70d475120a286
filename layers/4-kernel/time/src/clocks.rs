//! Reading clocks (clock_gettime(2), gettimeofday(2), time(2)).

use rumpkin_abi::{Errno, NANOSECONDS_PER_SECOND, Timespec, Timeval};
use rumpkin_spine::{Call, UserPointer, clock::Clock};
use rumpuser::clock;

pub fn clock_gettime(call: &mut Call<'_>, number: i32, time: UserPointer<Timespec>) -> Result<usize, Errno> {
    let now = Clock::of(number, call.thread)?.now();
    time.write(&Timespec::from_nanoseconds(now))?;
    Ok(0)
}

pub fn clock_getres(
    call: &mut Call<'_>,
    number: i32,
    resolution: Option<UserPointer<Timespec>>,
) -> Result<usize, Errno> {
    Clock::of(number, call.thread)?;
    if let Some(resolution) = resolution {
        resolution.write(&Timespec::from_nanoseconds(1))?;
    }
    Ok(0)
}

pub fn gettimeofday(
    _call: &mut Call<'_>,
    time: Option<UserPointer<Timeval>>,
    zone: Option<UserPointer<[i32; 2]>>,
) -> Result<usize, Errno> {
    if let Some(time) = time {
        time.write(&Timeval::from_nanoseconds(clock::realtime()))?;
    }
    if let Some(zone) = zone {
        // struct timezone: minutes west of Greenwich, and a field that means nothing.
        zone.write(&[0; 2])?;
    }
    Ok(0)
}

pub fn time(_call: &mut Call<'_>, time: Option<UserPointer<u64>>) -> Result<usize, Errno> {
    let seconds = clock::realtime() / NANOSECONDS_PER_SECOND;
    if let Some(time) = time {
        time.write(&seconds)?;
    }
    Ok(seconds as usize)
}

pub fn not_permitted(_call: &mut Call<'_>) -> Result<usize, Errno> {
    Err(Errno::EPERM)
}
