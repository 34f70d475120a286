//! POSIX timers that send signals (timer_create(2)).

use alloc::{
    sync::{Arc, Weak},
    vec::Vec,
};
use rumpkin_abi::{Errno, IntervalTimer, SignalInfo, Timespec, linux::general};
use rumpkin_kernel::{
    Call,
    clock::Clock,
    io::{read_value, write_value},
    process::Process,
    signal::{self, Info},
    timer::{Key, Timeout, next_deadline},
};
use rumpuser::{clock, sync::Mutex};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Most timers of a process.
const MAX_TIMERS: usize = 1024;
/// `si_code` of a signal from a timer.
const SI_TIMER: i32 = -2;

/// `struct sigevent`; 64 bytes.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct SignalEvent {
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
    clock: Clock,
    /// The signal, and the thread that gets it (`None`: the process). `None` for `SIGEV_NONE`.
    signal: Option<(u8, Option<u32>)>,
    value: u64,
    process: Weak<Process>,
    setting: Mutex<Setting>,
}

#[derive(Default)]
struct Setting {
    /// Monotonic nanoseconds; 0 when the timer is off.
    deadline: u64,
    interval: u64,
    overrun: u64,
    key: Option<Key>,
}

impl Timeout for Timer {
    fn expired(self: Arc<Self>, now: u64) {
        let Some(process) = self.process.upgrade() else { return };
        let overrun = {
            let mut setting = self.setting.lock();
            // Set anew, or switched off, while this was on its way.
            if setting.deadline == 0 || setting.deadline > now {
                return;
            }
            let (next, missed) = next_deadline(setting.deadline, setting.interval, now);
            setting.deadline = next;
            setting.overrun = missed;
            setting.key = match next {
                0 => None,
                next => process.kernel.timers.arm(next, self.clone()).ok(),
            };
            missed
        };
        let Some((number, thread)) = self.signal else { return };
        let info = self.info(number, overrun);
        match thread {
            None => process.send_signal(number, info),
            Some(thread) => {
                if let Some(thread) = process.thread(thread) {
                    thread.send_signal(number, info);
                }
            }
        }
    }
}

impl Timer {
    /// `si_timerid` and `si_overrun` share the first field, `si_value` is the second.
    fn info(&self, number: u8, overrun: u64) -> Info {
        let mut info = SignalInfo { number: i32::from(number), code: SI_TIMER, ..SignalInfo::default() };
        let overrun = overrun.min(i32::MAX as u64);
        let fields = [u64::from(self.number as u32) | overrun << 32, self.value];
        for (slot, field) in info.fields.iter_mut().zip(fields) {
            *slot = field;
        }
        Info(info)
    }

    fn remaining(&self, setting: &Setting) -> IntervalTimer {
        let value = match setting.deadline {
            0 => 0,
            deadline => deadline.saturating_sub(clock::monotonic()).max(1),
        };
        IntervalTimer {
            interval: Timespec::from_nanoseconds(setting.interval),
            value: Timespec::from_nanoseconds(value),
        }
    }
}

fn place(call: &Call<'_>) -> Result<usize, Errno> {
    usize::try_from(call.int(0)).map_err(|_| Errno::EINVAL)
}

fn timer(call: &Call<'_>) -> Result<Arc<Timer>, Errno> {
    let timers = call.process().parts.get::<PosixTimers>().ok_or(Errno::EINVAL)?;
    timers.0.lock().get(place(call)?).cloned().flatten().ok_or(Errno::EINVAL)
}

pub fn timer_create(call: &mut Call<'_>) -> Result<usize, Errno> {
    let clock = Clock::of(call.int(0))?;
    if clock == Clock::Cpu {
        return Err(Errno::EOPNOTSUPP);
    }
    let event = match call.argument(1) {
        0 => None,
        address => Some(read_value::<SignalEvent>(address)?),
    };
    let signal = |number: i32| match u8::try_from(number) {
        Ok(number @ 1..=64) => Ok(number),
        _ => Err(Errno::EINVAL),
    };
    let target = match &event {
        None => Some((signal::SIGALRM, None)),
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
    if place == timers.len() {
        timers.push(None);
    }
    let value = event.map_or(number as u64, |event| event.value);
    let process = Arc::downgrade(process);
    let timer = Timer { number, clock, signal: target, value, process, setting: Mutex::new(Setting::default()) };
    if let Some(slot) = timers.get_mut(place) {
        *slot = Some(Arc::new(timer));
    }
    drop(timers);
    write_value(call.argument(2), &number)?;
    Ok(0)
}

pub fn timer_settime(call: &mut Call<'_>) -> Result<usize, Errno> {
    let timer = timer(call)?;
    let absolute = call.uint(1) & general::TIMER_ABSTIME != 0;
    let new: IntervalTimer = read_value(call.argument(2))?;
    let (value, interval) = (new.value.to_nanoseconds()?, new.interval.to_nanoseconds()?);
    let deadline = match value {
        0 => 0,
        value if absolute => timer.clock.to_monotonic(value)?.max(1),
        value => clock::monotonic().saturating_add(value),
    };
    let old = {
        let mut setting = timer.setting.lock();
        let old = timer.remaining(&setting);
        if let Some(key) = setting.key.take() {
            call.kernel().timers.cancel(key);
        }
        let key = match deadline {
            0 => None,
            deadline => Some(call.kernel().timers.arm(deadline, timer.clone())?),
        };
        *setting = Setting { deadline, interval, overrun: 0, key };
        old
    };
    if call.argument(3) != 0 {
        write_value(call.argument(3), &old)?;
    }
    Ok(0)
}

pub fn timer_gettime(call: &mut Call<'_>) -> Result<usize, Errno> {
    let timer = timer(call)?;
    let left = timer.remaining(&timer.setting.lock());
    write_value(call.argument(1), &left)?;
    Ok(0)
}

pub fn timer_getoverrun(call: &mut Call<'_>) -> Result<usize, Errno> {
    let timer = timer(call)?;
    let overrun = timer.setting.lock().overrun;
    Ok(overrun.min(i32::MAX as u64) as usize)
}

pub fn timer_delete(call: &mut Call<'_>) -> Result<usize, Errno> {
    let timers = call.process().parts.get::<PosixTimers>().ok_or(Errno::EINVAL)?;
    let timer = timers.0.lock().get_mut(place(call)?).and_then(Option::take).ok_or(Errno::EINVAL)?;
    let mut setting = timer.setting.lock();
    if let Some(key) = setting.key.take() {
        call.kernel().timers.cancel(key);
    }
    setting.deadline = 0;
    Ok(0)
}
