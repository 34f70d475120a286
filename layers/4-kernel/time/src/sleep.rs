//! Sleeping (nanosleep(2), clock_nanosleep(2)).

use rumpkin_abi::{Errno, Timespec, linux::general};
use rumpkin_spine::{
    Call,
    clock::{Clock, Idle},
    io::{read_value, write_value},
    wait::sleep_until,
};

pub fn nanosleep(call: &mut Call<'_>) -> Result<usize, Errno> {
    let (time, remainder) = (call.argument(0), call.argument(1));
    sleep(call, &Clock::Monotonic, false, time, remainder)
}

pub fn clock_nanosleep(call: &mut Call<'_>) -> Result<usize, Errno> {
    let clock = Clock::to_wait_for(call.int(0), call.thread)?;
    match &clock {
        // The caller's own stands still while it sleeps: POSIX has no such sleep, nor has Linux.
        Clock::Thread(_) if call.int(0) == general::CLOCK_THREAD_CPUTIME_ID as i32 => return Err(Errno::EOPNOTSUPP),
        Clock::Thread(thread) if thread.as_ptr() == alloc::sync::Arc::as_ptr(call.thread) => return Err(Errno::EINVAL),
        _ => {}
    }
    let absolute = call.uint(1) & general::TIMER_ABSTIME != 0;
    let (time, remainder) = (call.argument(2), call.argument(3));
    sleep(call, &clock, absolute, time, remainder)
}

/// Sleeps until the clock shows a time, or for so long, and then tells what is left if a handler interrupts it.
fn sleep(call: &Call<'_>, clock: &Clock, absolute: bool, time: usize, remainder: usize) -> Result<usize, Errno> {
    let time = read_value::<Timespec>(time)?.to_nanoseconds()?;
    let deadline = if absolute { clock.deadline(time) } else { clock.counted().saturating_add(time) };
    let mut idle = Idle::default();
    while clock.counted() < deadline
        && let Some(at) = clock.next_look(deadline, &mut idle)
    {
        if let Err(error) = sleep_until(call.thread, at) {
            if remainder != 0 && !absolute {
                let left = deadline.saturating_sub(clock.counted());
                write_value(remainder, &Timespec::from_nanoseconds(left))?;
            }
            return Err(interrupted(error));
        }
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
