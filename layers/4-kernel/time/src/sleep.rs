//! Sleeping (nanosleep(2), clock_nanosleep(2)).

use rumpkin_abi::{Errno, Timespec, linux::general};
use rumpkin_spine::{
    Call, UserPointer,
    clock::{Clock, Idle},
    wait::sleep_until,
};

pub fn nanosleep(
    call: &mut Call<'_>,
    time: UserPointer<Timespec>,
    remainder: Option<UserPointer<Timespec>>,
) -> Result<usize, Errno> {
    sleep(call, &Clock::Monotonic, false, time, remainder)
}

pub fn clock_nanosleep(
    call: &mut Call<'_>,
    number: i32,
    flags: u32,
    time: UserPointer<Timespec>,
    remainder: Option<UserPointer<Timespec>>,
) -> Result<usize, Errno> {
    let clock = Clock::to_wait_for(number, call.thread)?;
    match &clock {
        // The caller's own stands still while it sleeps: POSIX has no such sleep, nor has Linux.
        Clock::Thread(_) if number == general::CLOCK_THREAD_CPUTIME_ID as i32 => return Err(Errno::EOPNOTSUPP),
        Clock::Thread(thread) if thread.as_ptr() == alloc::sync::Arc::as_ptr(call.thread) => return Err(Errno::EINVAL),
        _ => {}
    }
    let absolute = flags & general::TIMER_ABSTIME != 0;
    sleep(call, &clock, absolute, time, remainder)
}

/// Sleeps until the clock shows a time, or for so long, and then tells what is left if a handler interrupts it.
fn sleep(
    call: &Call<'_>,
    clock: &Clock,
    absolute: bool,
    time: UserPointer<Timespec>,
    remainder: Option<UserPointer<Timespec>>,
) -> Result<usize, Errno> {
    let time = time.read()?.to_nanoseconds()?;
    let deadline = if absolute { clock.deadline(time) } else { clock.counted().saturating_add(time) };
    let mut idle = Idle::default();
    while clock.counted() < deadline
        && let Some(at) = clock.next_look(deadline, &mut idle)
    {
        if let Err(error) = sleep_until(call.thread, at) {
            if let Some(remainder) = remainder.filter(|_| !absolute) {
                let left = deadline.saturating_sub(clock.counted());
                remainder.write(&Timespec::from_nanoseconds(left))?;
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
