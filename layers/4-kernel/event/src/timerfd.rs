//! Timers that can be waited for (timerfd_create(2)).

use crate::{CREATION_FLAGS, anonymous_stat};
use alloc::sync::{Arc, Weak};
use rumpkin_collections::{try_arc, try_arc_cyclic};
use rumpkin_spine::{
    Call, Errno, Kernel, UserPointer,
    abi::{IntervalTimer, Stat, Timespec, linux::general},
    clock::Clock,
    file::{File, OpenFile},
    io::Sink,
    schedule::Schedule,
    timer::Timeout,
    wait::{Events, WaitQueue},
};
use rumpuser::sync::Mutex;

const ABSOLUTE: u32 = 1;
const CANCEL_ON_SET: u32 = 2;

struct TimerFile {
    kernel: Weak<Kernel>,
    setting: Mutex<Setting>,
    queue: WaitQueue,
    /// For its alarms.
    this: Weak<TimerFile>,
}

struct Setting {
    schedule: Schedule,
    /// Expirations that have not been read.
    expired: u64,
}

/// What the kernel's timers own: not the file, which is to end when it is closed, armed or not.
struct Alarm(Weak<TimerFile>);

impl Timeout for Alarm {
    fn expired(self: Arc<Self>, _now: u64) {
        if let Some(timer) = self.0.upgrade() {
            timer.expire(self);
        }
    }
}

impl TimerFile {
    fn expire(&self, alarm: Arc<Alarm>) {
        let Some(kernel) = self.kernel.upgrade() else { return };
        {
            let mut setting = self.setting.lock();
            let expirations = setting.schedule.expire(&kernel.timers, alarm);
            if expirations == 0 {
                return;
            }
            setting.expired = setting.expired.saturating_add(expirations);
        }
        self.queue.notify(Events::READ);
    }
}

impl Drop for TimerFile {
    fn drop(&mut self) {
        if let Some(kernel) = self.kernel.upgrade() {
            self.setting.lock().schedule.cancel(&kernel.timers);
        }
    }
}

impl File for TimerFile {
    fn read(&self, _position: u64, destination: &mut dyn Sink) -> Result<usize, Errno> {
        if destination.room() < size_of::<u64>() {
            return Err(Errno::EINVAL);
        }
        let expired = core::mem::take(&mut self.setting.lock().expired);
        match expired {
            0 => Err(Errno::EAGAIN),
            expired => destination.put(&expired.to_ne_bytes()),
        }
    }

    fn stat(&self) -> Result<Stat, Errno> {
        anonymous_stat(0)
    }

    fn poll(&self) -> Events {
        match self.setting.lock().expired {
            0 => Events::empty(),
            _ => Events::READ | Events::READ_NORMAL,
        }
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }
}

impl Setting {
    fn remaining(&self) -> IntervalTimer {
        let (value, interval) = self.schedule.remaining();
        IntervalTimer { interval: Timespec::from_nanoseconds(interval), value: Timespec::from_nanoseconds(value) }
    }
}

pub fn timerfd_create(call: &mut Call<'_>, clock: u32, flags: u32) -> Result<usize, Errno> {
    let clock = match clock {
        general::CLOCK_REALTIME | general::CLOCK_REALTIME_ALARM => Clock::Realtime,
        general::CLOCK_MONOTONIC | general::CLOCK_BOOTTIME | general::CLOCK_BOOTTIME_ALARM => Clock::Monotonic,
        _ => return Err(Errno::EINVAL),
    };
    if flags & !CREATION_FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let timer = try_arc_cyclic(|this: &Weak<TimerFile>| TimerFile {
        kernel: Arc::downgrade(call.kernel()),
        setting: Mutex::new(Setting { schedule: Schedule::new(clock), expired: 0 }),
        queue: WaitQueue::new(),
        this: this.clone(),
    })?;
    let file = OpenFile::new(timer, general::O_RDWR | flags & general::O_NONBLOCK)?;
    let descriptor = call.process().descriptors.insert(file, flags & general::O_CLOEXEC != 0, 0)?;
    Ok(descriptor as usize)
}

pub fn timerfd_settime(
    call: &mut Call<'_>,
    descriptor: i32,
    flags: u32,
    new: UserPointer<IntervalTimer>,
    old_at: Option<UserPointer<IntervalTimer>>,
) -> Result<usize, Errno> {
    if flags & !(ABSOLUTE | CANCEL_ON_SET) != 0 {
        return Err(Errno::EINVAL);
    }
    let file = call.process().descriptors.get(descriptor)?;
    let timer: &TimerFile = file.downcast().ok_or(Errno::EINVAL)?;
    let new = new.read()?;
    let (value, interval) = (new.value.to_nanoseconds()?, new.interval.to_nanoseconds()?);
    let timers = &call.kernel().timers;
    let old = {
        let mut setting = timer.setting.lock();
        let old = setting.remaining();
        setting.expired = 0;
        match value {
            0 => setting.schedule.cancel(timers),
            value => {
                let (absolute, alarm) = (flags & ABSOLUTE != 0, try_arc(Alarm(timer.this.clone()))?);
                setting.schedule.set(timers, value, absolute, interval, alarm)?;
            }
        }
        old
    };
    if let Some(old_at) = old_at {
        old_at.write(&old)?;
    }
    Ok(0)
}

pub fn timerfd_gettime(
    call: &mut Call<'_>,
    descriptor: i32,
    value: UserPointer<IntervalTimer>,
) -> Result<usize, Errno> {
    let file = call.process().descriptors.get(descriptor)?;
    let timer: &TimerFile = file.downcast().ok_or(Errno::EINVAL)?;
    let left = timer.setting.lock().remaining();
    value.write(&left)?;
    Ok(0)
}
