//! Reading clocks (clock_gettime(2), gettimeofday(2), time(2)).

use rumpkin_abi::{Errno, NANOSECONDS_PER_SECOND, Timespec, Timeval};
use rumpkin_spine::{Call, clock::Clock, io::write_value};
use rumpuser::clock;

pub fn clock_gettime(call: &mut Call<'_>) -> Result<usize, Errno> {
    let now = Clock::of(call.int(0), call.thread)?.now();
    write_value(call.argument(1), &Timespec::from_nanoseconds(now))?;
    Ok(0)
}

pub fn clock_getres(call: &mut Call<'_>) -> Result<usize, Errno> {
    Clock::of(call.int(0), call.thread)?;
    if call.argument(1) != 0 {
        write_value(call.argument(1), &Timespec::from_nanoseconds(1))?;
    }
    Ok(0)
}

pub fn gettimeofday(call: &mut Call<'_>) -> Result<usize, Errno> {
    if call.argument(0) != 0 {
        write_value(call.argument(0), &Timeval::from_nanoseconds(clock::realtime()))?;
    }
    if call.argument(1) != 0 {
        // struct timezone: minutes west of Greenwich, and a field that means nothing.
        write_value(call.argument(1), &[0i32; 2])?;
    }
    Ok(0)
}

pub fn time(call: &mut Call<'_>) -> Result<usize, Errno> {
    let seconds = clock::realtime() / NANOSECONDS_PER_SECOND;
    if call.argument(0) != 0 {
        write_value(call.argument(0), &seconds)?;
    }
    Ok(seconds as usize)
}

pub fn not_permitted(_call: &mut Call<'_>) -> Result<usize, Errno> {
    Err(Errno::EPERM)
}
