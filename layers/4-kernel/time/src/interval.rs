//! The interval timer that sends SIGALRM (alarm(2), setitimer(2)).

use alloc::sync::{Arc, Weak};
use rumpkin_abi::{Errno, NANOSECONDS_PER_SECOND, Timeval};
use rumpkin_kernel::{
    Call,
    io::{read_value, write_value},
    process::Process,
    signal,
    timer::{Key, Timeout, next_deadline},
};
use rumpuser::{clock, sync::Mutex};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `ITIMER_REAL`, `ITIMER_VIRTUAL`, `ITIMER_PROF`.
const REAL: i32 = 0;
const PROFILING: i32 = 2;

/// `struct itimerval`.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct IntervalValue {
    interval: Timeval,
    value: Timeval,
}

/// The real-time interval timer of a process.
#[derive(Default)]
pub struct RealTimer(Mutex<Setting>);

#[derive(Default)]
struct Setting {
    /// Monotonic nanoseconds; 0 when the timer is off.
    deadline: u64,
    /// Nanoseconds; 0 for a timer that expires once.
    interval: u64,
    key: Option<Key>,
}

/// What the kernel's timers call.
struct Alarm(Weak<Process>);

impl Timeout for Alarm {
    fn expired(self: Arc<Self>, now: u64) {
        let Some(process) = self.0.upgrade() else { return };
        let Some(timer) = process.parts.get::<RealTimer>() else { return };
        {
            let mut setting = timer.0.lock();
            // Set anew, or switched off, while this was on its way.
            if setting.deadline == 0 || setting.deadline > now {
                return;
            }
            setting.key = None;
            setting.deadline = next_deadline(setting.deadline, setting.interval, now).0;
            if setting.deadline != 0 {
                setting.key = process.kernel.timers.arm(setting.deadline, self).ok();
            }
        }
        process.send_signal(signal::SIGALRM, signal::Info::from_kernel(signal::SIGALRM));
    }
}

/// Sets the timer to expire in `value` nanoseconds (0: never) and then each `interval`; what was set before comes back.
fn set(call: &Call<'_>, value: u64, interval: u64) -> Result<(u64, u64), Errno> {
    let process = call.process();
    let timer = process.parts.get::<RealTimer>().ok_or(Errno::EINVAL)?;
    let mut setting = timer.0.lock();
    let old = remaining(&setting);
    if let Some(key) = setting.key.take() {
        call.kernel().timers.cancel(key);
    }
    *setting = Setting::default();
    if value != 0 {
        let deadline = clock::monotonic().saturating_add(value);
        let key = call.kernel().timers.arm(deadline, Arc::new(Alarm(Arc::downgrade(process))))?;
        *setting = Setting { deadline, interval, key: Some(key) };
    }
    Ok(old)
}

fn remaining(setting: &Setting) -> (u64, u64) {
    match setting.deadline {
        0 => (0, setting.interval),
        deadline => (deadline.saturating_sub(clock::monotonic()).max(1), setting.interval),
    }
}

fn check_kind(kind: i32) -> Result<(), Errno> {
    match kind {
        REAL => Ok(()),
        // The CPU time of a program is not counted.
        1..=PROFILING => Err(Errno::EOPNOTSUPP),
        _ => Err(Errno::EINVAL),
    }
}

fn value_of((value, interval): (u64, u64)) -> IntervalValue {
    IntervalValue { interval: Timeval::from_nanoseconds(interval), value: Timeval::from_nanoseconds(value) }
}

pub fn alarm(call: &mut Call<'_>) -> Result<usize, Errno> {
    let value = u64::from(call.uint(0)).saturating_mul(NANOSECONDS_PER_SECOND);
    let (left, _) = set(call, value, 0)?;
    // Rounded to the nearest second, but never to 0 (alarm(2)).
    let seconds = left.saturating_add(NANOSECONDS_PER_SECOND / 2) / NANOSECONDS_PER_SECOND;
    Ok(if left == 0 { 0 } else { seconds.max(1) as usize })
}

pub fn getitimer(call: &mut Call<'_>) -> Result<usize, Errno> {
    check_kind(call.int(0))?;
    let timer = call.process().parts.get::<RealTimer>().ok_or(Errno::EINVAL)?;
    let left = remaining(&timer.0.lock());
    write_value(call.argument(1), &value_of(left))?;
    Ok(0)
}

pub fn setitimer(call: &mut Call<'_>) -> Result<usize, Errno> {
    check_kind(call.int(0))?;
    let new: IntervalValue = match call.argument(1) {
        0 => IntervalValue::default(),
        address => read_value(address)?,
    };
    let old = set(call, new.value.to_nanoseconds()?, new.interval.to_nanoseconds()?)?;
    if call.argument(2) != 0 {
        write_value(call.argument(2), &value_of(old))?;
    }
    Ok(0)
}
