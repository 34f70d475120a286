//! Timers that can be waited for (timerfd_create(2)).

use crate::{CREATION_FLAGS, anonymous_stat};
use alloc::sync::{Arc, Weak};
use rumpkin_kernel::{
    Call, Errno, Kernel,
    abi::{IntervalTimer, Stat, Timespec, linux::general},
    clock::Clock,
    file::{File, OpenFile},
    io::{Sink, read_value, write_value},
    timer::{Key, Timeout, next_deadline},
    wait::{Events, WaitQueue},
};
use rumpuser::{clock, sync::Mutex};

const ABSOLUTE: u32 = 1;
const CANCEL_ON_SET: u32 = 2;

struct TimerFile {
    clock: Clock,
    kernel: Weak<Kernel>,
    setting: Mutex<Setting>,
    queue: WaitQueue,
    /// For its alarms.
    this: Weak<TimerFile>,
}

#[derive(Default)]
struct Setting {
    /// Monotonic nanoseconds; 0 when the timer is off.
    deadline: u64,
    interval: u64,
    /// Expirations that have not been read.
    expired: u64,
    key: Option<Key>,
}

/// What the kernel's timers own: not the file, which is to end when it is closed, armed or not.
struct Alarm(Weak<TimerFile>);

impl Timeout for Alarm {
    fn expired(self: Arc<Self>, now: u64) {
        if let Some(timer) = self.0.upgrade() {
            timer.expire(now, self);
        }
    }
}

impl TimerFile {
    fn expire(&self, now: u64, alarm: Arc<Alarm>) {
        {
            let mut setting = self.setting.lock();
            // Set anew, or switched off, while this was on its way.
            if setting.deadline == 0 || setting.deadline > now {
                return;
            }
            let (next, missed) = next_deadline(setting.deadline, setting.interval, now);
            setting.expired = setting.expired.saturating_add(1).saturating_add(missed);
            setting.deadline = next;
            setting.key = match (next, self.kernel.upgrade()) {
                (1.., Some(kernel)) => kernel.timers.arm(next, alarm).ok(),
                _ => None,
            };
        }
        self.queue.notify(Events::READ);
    }
}

impl Drop for TimerFile {
    fn drop(&mut self) {
        if let (Some(key), Some(kernel)) = (self.setting.lock().key.take(), self.kernel.upgrade()) {
            kernel.timers.cancel(key);
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

impl TimerFile {
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

    fn set(&self, kernel: &Kernel, deadline: u64, interval: u64) -> Result<IntervalTimer, Errno> {
        let mut setting = self.setting.lock();
        let old = self.remaining(&setting);
        if let Some(key) = setting.key.take() {
            kernel.timers.cancel(key);
        }
        *setting = Setting { interval, ..Setting::default() };
        if deadline != 0 {
            setting.key = Some(kernel.timers.arm(deadline, Arc::new(Alarm(self.this.clone())))?);
            setting.deadline = deadline;
        }
        Ok(old)
    }
}

pub fn timerfd_create(call: &mut Call<'_>) -> Result<usize, Errno> {
    let flags = call.uint(1);
    let clock = match call.uint(0) {
        general::CLOCK_REALTIME | general::CLOCK_REALTIME_ALARM => Clock::Realtime,
        general::CLOCK_MONOTONIC | general::CLOCK_BOOTTIME | general::CLOCK_BOOTTIME_ALARM => Clock::Monotonic,
        _ => return Err(Errno::EINVAL),
    };
    if flags & !CREATION_FLAGS != 0 {
        return Err(Errno::EINVAL);
    }
    let timer = Arc::new_cyclic(|this: &Weak<TimerFile>| TimerFile {
        clock,
        kernel: Arc::downgrade(call.kernel()),
        setting: Mutex::new(Setting::default()),
        queue: WaitQueue::new(),
        this: this.clone(),
    });
    let file = OpenFile::new(timer, general::O_RDWR | flags & general::O_NONBLOCK);
    let descriptor = call.process().descriptors.insert(file, flags & general::O_CLOEXEC != 0, 0)?;
    Ok(descriptor as usize)
}

pub fn timerfd_settime(call: &mut Call<'_>) -> Result<usize, Errno> {
    let flags = call.uint(1);
    if flags & !(ABSOLUTE | CANCEL_ON_SET) != 0 {
        return Err(Errno::EINVAL);
    }
    let file = call.process().descriptors.get(call.int(0))?;
    let timer: &TimerFile = file.downcast().ok_or(Errno::EINVAL)?;
    let new: IntervalTimer = read_value(call.argument(2))?;
    let (value, interval) = (new.value.to_nanoseconds()?, new.interval.to_nanoseconds()?);
    let deadline = match value {
        0 => 0,
        value if flags & ABSOLUTE != 0 => timer.clock.to_monotonic(value)?.max(1),
        value => clock::monotonic().saturating_add(value),
    };
    let old = timer.set(call.kernel(), deadline, interval)?;
    if call.argument(3) != 0 {
        write_value(call.argument(3), &old)?;
    }
    Ok(0)
}

pub fn timerfd_gettime(call: &mut Call<'_>) -> Result<usize, Errno> {
    let file = call.process().descriptors.get(call.int(0))?;
    let timer: &TimerFile = file.downcast().ok_or(Errno::EINVAL)?;
    let left = timer.remaining(&timer.setting.lock());
    write_value(call.argument(1), &left)?;
    Ok(0)
}
