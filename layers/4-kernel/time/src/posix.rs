//! POSIX timers that send signals (timer_create(2)).

use alloc::{
    sync::{Arc, Weak},
    vec::Vec,
};
use rumpkin_abi::{Errno, IntervalTimer, SignalInfo, Timespec, linux::general, signal::SIGALRM};
use rumpkin_collections::{TryVec, try_arc};
use rumpkin_spine::{Call, UserPointer, clock::Clock, process::Process, schedule::Schedule, timer::Timeout};
use rumpuser::sync::Mutex;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Most timers of a process.
const MAX_TIMERS: usize = 1024;
/// `si_code` of a signal from a timer.
const SI_TIMER: i32 = -2;

/// `struct sigevent`; 64 bytes.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SignalEvent {
    value: u64,
    signal: i32,
    notify: i32,
    thread: i32,
    padding: [u32; 11],
}

/// The timers of a process; a timer's number is its place.
#[derive(Default)]
pub struct PosixTimers(Mutex<Vec<Option<Arc<Timer>>>>);

/// One timer.
struct Timer {
    number: i32,
    /// The signal, and the thread that gets it (`None`: the process). `None` for `SIGEV_NONE`.
    signal: Option<(u8, Option<u32>)>,
    value: u64,
    process: Weak<Process>,
    setting: Mutex<Setting>,
}

struct Setting {
    schedule: Schedule,
    /// Expirations that were missed before the last signal.
    overrun: u64,
}

impl Timeout for Timer {
    fn expired(self: Arc<Self>, _now: u64) {
        let Some(process) = self.process.upgrade() else { return };
        let overrun = {
            let mut setting = self.setting.lock();
            let expirations = setting.schedule.expire(&process.kernel.timers, self.clone());
            let Some(missed) = expirations.checked_sub(1) else { return };
            setting.overrun = missed;
            missed
        };
        let Some((number, thread)) = self.signal else { return };
        let info = self.info(number, overrun);
        match thread {
            None => process.send_signal(info),
            Some(thread) => {
                if let Some(thread) = process.thread(thread) {
                    thread.send_signal(info);
                }
            }
        }
    }
}

impl Timer {
    /// `si_timerid` and `si_overrun` share the first field, `si_value` is the second.
    fn info(&self, number: u8, overrun: u64) -> SignalInfo {
        let mut info = SignalInfo { number: i32::from(number), code: SI_TIMER, ..SignalInfo::default() };
        let overrun = overrun.min(i32::MAX as u64);
        let fields = [u64::from(self.number as u32) | overrun << 32, self.value];
        for (slot, field) in info.fields.iter_mut().zip(fields) {
            *slot = field;
        }
        info
    }
}

impl Setting {
    fn remaining(&self) -> IntervalTimer {
        let (value, interval) = self.schedule.remaining();
        IntervalTimer { interval: Timespec::from_nanoseconds(interval), value: Timespec::from_nanoseconds(value) }
    }
}

fn place(number: i32) -> Result<usize, Errno> {
    usize::try_from(number).map_err(|_| Errno::EINVAL)
}

fn timer(call: &Call<'_>, number: i32) -> Result<Arc<Timer>, Errno> {
    let timers = call.process().parts.get::<PosixTimers>().ok_or(Errno::EINVAL)?;
    timers.0.lock().get(place(number)?).cloned().flatten().ok_or(Errno::EINVAL)
}

pub fn timer_create(
    call: &mut Call<'_>,
    clock: i32,
    event: Option<UserPointer<SignalEvent>>,
    number_at: UserPointer<i32>,
) -> Result<usize, Errno> {
    let clock = Clock::to_wait_for(clock, call.thread)?;
    let event = event.map(UserPointer::read).transpose()?;
    let signal = |number: i32| match u8::try_from(number) {
        Ok(number @ 1..=64) => Ok(number),
        _ => Err(Errno::EINVAL),
    };
    let target = match &event {
        None => Some((SIGALRM, None)),
        Some(event) => match event.notify as u32 {
            general::SIGEV_NONE => None,
            general::SIGEV_SIGNAL => Some((signal(event.signal)?, None)),
            general::SIGEV_THREAD_ID => {
                let thread = u32::try_from(event.thread).map_err(|_| Errno::EINVAL)?;
                call.process().thread(thread).ok_or(Errno::EINVAL)?;
                Some((signal(event.signal)?, Some(thread)))
            }
            _ => return Err(Errno::EINVAL),
        },
    };
    let process = call.process();
    let timers = process.parts.get::<PosixTimers>().ok_or(Errno::EINVAL)?;
    let mut timers = timers.0.lock();
    let place = timers.iter().position(Option::is_none).unwrap_or(timers.len());
    let number = i32::try_from(place).map_err(|_| Errno::EAGAIN)?;
    if place >= MAX_TIMERS {
        return Err(Errno::EAGAIN);
    }
    let value = event.map_or(number as u64, |event| event.value);
    let process = Arc::downgrade(process);
    let setting = Mutex::new(Setting { schedule: Schedule::new(clock), overrun: 0 });
    let timer = Some(try_arc(Timer { number, signal: target, value, process, setting })?);
    match timers.get_mut(place) {
        Some(slot) => *slot = timer,
        None => timers.try_push(timer)?,
    }
    drop(timers);
    number_at.write(&number)?;
    Ok(0)
}

pub fn timer_settime(
    call: &mut Call<'_>,
    number: i32,
    flags: u32,
    new: UserPointer<IntervalTimer>,
    old_at: Option<UserPointer<IntervalTimer>>,
) -> Result<usize, Errno> {
    let timer = timer(call, number)?;
    let absolute = flags & general::TIMER_ABSTIME != 0;
    let new = new.read()?;
    let (value, interval) = (new.value.to_nanoseconds()?, new.interval.to_nanoseconds()?);
    let timers = &call.kernel().timers;
    let old = {
        let mut setting = timer.setting.lock();
        let old = setting.remaining();
        setting.overrun = 0;
        match value {
            0 => setting.schedule.cancel(timers),
            value => setting.schedule.set(timers, value, absolute, interval, timer.clone())?,
        }
        old
    };
    if let Some(old_at) = old_at {
        old_at.write(&old)?;
    }
    Ok(0)
}

pub fn timer_gettime(call: &mut Call<'_>, number: i32, value: UserPointer<IntervalTimer>) -> Result<usize, Errno> {
    let timer = timer(call, number)?;
    let left = timer.setting.lock().remaining();
    value.write(&left)?;
    Ok(0)
}

pub fn timer_getoverrun(call: &mut Call<'_>, number: i32) -> Result<usize, Errno> {
    let timer = timer(call, number)?;
    let overrun = timer.setting.lock().overrun;
    Ok(overrun.min(i32::MAX as u64) as usize)
}

pub fn timer_delete(call: &mut Call<'_>, number: i32) -> Result<usize, Errno> {
    let timers = call.process().parts.get::<PosixTimers>().ok_or(Errno::EINVAL)?;
    let timer = timers.0.lock().get_mut(place(number)?).and_then(Option::take).ok_or(Errno::EINVAL)?;
    timer.setting.lock().schedule.cancel(&call.kernel().timers);
    Ok(0)
}
