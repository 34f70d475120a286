//! Sleeping (nanosleep(2), clock_nanosleep(2)).

use rumpkin_abi::{Errno, Timespec, linux::general};
use rumpkin_kernel::{
    Call,
    clock::Clock,
    io::{read_value, write_value},
    wait::sleep_until,
};
use rumpuser::clock;

pub fn nanosleep(call: &mut Call<'_>) -> Result<usize, Errno> {
    let (time, remainder) = (call.argument(0), call.argument(1));
    sleep_for(call, time, remainder)
}

pub fn clock_nanosleep(call: &mut Call<'_>) -> Result<usize, Errno> {
    let clock = Clock::of(call.int(0))?;
    let absolute = call.uint(1) & general::TIMER_ABSTIME != 0;
    let (time, remainder) = (call.argument(2), call.argument(3));
    if clock == Clock::Cpu {
        return Err(Errno::EOPNOTSUPP);
    }
    if !absolute {
        return sleep_for(call, time, remainder);
    }
    let time: Timespec = read_value(time)?;
    let deadline = clock.to_monotonic(time.to_nanoseconds()?)?;
    sleep_until(call.thread, deadline).map_err(interrupted)?;
    Ok(0)
}

fn sleep_for(call: &mut Call<'_>, time: usize, remainder: usize) -> Result<usize, Errno> {
    let time: Timespec = read_value(time)?;
    let deadline = clock::monotonic().saturating_add(time.to_nanoseconds()?);
    if let Err(error) = sleep_until(call.thread, deadline) {
        if remainder != 0 {
            let left = deadline.saturating_sub(clock::monotonic());
            write_value(remainder, &Timespec::from_nanoseconds(left))?;
        }
        return Err(interrupted(error));
    }
    Ok(0)
}

/// A sleep that a handler interrupted is not taken up again.
fn interrupted(error: Errno) -> Errno {
    match error {
        Errno::ERESTARTSYS => Errno::ERESTARTNOHAND,
        other => other,
    }
}
