//! The interval timers: SIGALRM after real time, SIGVTALRM and SIGPROF after CPU time (alarm(2), setitimer(2)).

use alloc::sync::{Arc, Weak};
use rumpkin_abi::{
    Errno, NANOSECONDS_PER_SECOND, SignalInfo, Timeval,
    signal::{SIGALRM, SIGPROF, SIGVTALRM},
};
use rumpkin_collections::try_arc;
use rumpkin_spine::{Call, UserPointer, clock::Clock, process::Process, schedule::Schedule, timer::Timeout};
use rumpuser::sync::Mutex;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `ITIMER_REAL`. The others are `ITIMER_VIRTUAL` and `ITIMER_PROF`.
const REAL: usize = 0;

/// `struct itimerval`.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct IntervalValue {
    interval: Timeval,
    value: Timeval,
}

/// The interval timers of a process, by `ITIMER_*`; `None` until one is set first.
#[derive(Default)]
pub struct IntervalTimers([Mutex<Option<Schedule>>; 3]);

/// What each sends.
const SIGNALS: [u8; 3] = [SIGALRM, SIGVTALRM, SIGPROF];

/// What the kernel's timers call: of whom, and which timer.
struct Alarm(Weak<Process>, usize);

impl Timeout for Alarm {
    fn expired(self: Arc<Self>, _now: u64) {
        let kind = self.1;
        let Some(process) = self.0.upgrade() else { return };
        let Ok(timer) = timer(&process, kind) else { return };
        let expirations =
            timer.lock().as_mut().map_or(0, |schedule| schedule.expire(&process.kernel.timers, self.clone()));
        if let Some(&signal) = SIGNALS.get(kind).filter(|_| expirations > 0) {
            process.send_signal(SignalInfo::from_kernel(signal));
        }
    }
}

fn timer(process: &Process, kind: usize) -> Result<&Mutex<Option<Schedule>>, Errno> {
    process.parts.get::<IntervalTimers>().and_then(|timers| timers.0.get(kind)).ok_or(Errno::EINVAL)
}

/// Sets a timer to expire in `value` nanoseconds (0: never) and then each `interval`; what was set before comes back.
fn set(call: &Call<'_>, kind: usize, value: u64, interval: u64) -> Result<(u64, u64), Errno> {
    let process = call.process();
    let mut timer = timer(process, kind)?.lock();
    let schedule = timer.get_or_insert_with(|| {
        // All of a program's CPU time counts as its own: what the kernel took of it is not told apart.
        Schedule::new(if kind == REAL { Clock::Monotonic } else { Clock::Process(Arc::downgrade(process)) })
    });
    let (old, timers) = (schedule.remaining(), &call.kernel().timers);
    match value {
        0 => schedule.cancel(timers),
        value => schedule.set(timers, value, false, interval, try_arc(Alarm(Arc::downgrade(process), kind))?)?,
    }
    Ok(old)
}

fn value_of((value, interval): (u64, u64)) -> IntervalValue {
    // A timer that is on has a microsecond left at least: none would say that it is off.
    let value = if value == 0 { 0 } else { value.max(1000) };
    IntervalValue { interval: Timeval::from_nanoseconds(interval), value: Timeval::from_nanoseconds(value) }
}

pub fn alarm(call: &mut Call<'_>, seconds: u32) -> Result<usize, Errno> {
    let value = u64::from(seconds).saturating_mul(NANOSECONDS_PER_SECOND);
    let (left, _) = set(call, REAL, value, 0)?;
    // Rounded to the nearest second, but never to 0 (alarm(2)).
    let seconds = left.saturating_add(NANOSECONDS_PER_SECOND / 2) / NANOSECONDS_PER_SECOND;
    Ok(if left == 0 { 0 } else { seconds.max(1) as usize })
}

pub fn getitimer(call: &mut Call<'_>, kind: u32, value: UserPointer<IntervalValue>) -> Result<usize, Errno> {
    let timer = timer(call.process(), kind as usize)?;
    let left = timer.lock().as_ref().map_or((0, 0), Schedule::remaining);
    value.write(&value_of(left))?;
    Ok(0)
}

pub fn setitimer(
    call: &mut Call<'_>,
    kind: u32,
    new: Option<UserPointer<IntervalValue>>,
    old_at: Option<UserPointer<IntervalValue>>,
) -> Result<usize, Errno> {
    let new = match new {
        None => IntervalValue::default(),
        Some(new) => new.read()?,
    };
    let old = set(call, kind as usize, new.value.to_nanoseconds()?, new.interval.to_nanoseconds()?)?;
    if let Some(old_at) = old_at {
        old_at.write(&value_of(old))?;
    }
    Ok(0)
}
