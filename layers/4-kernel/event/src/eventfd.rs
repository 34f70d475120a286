//! A counter that can be waited for (eventfd(2)).

use crate::{CREATION_FLAGS, anonymous_stat};
use rumpkin_collections::try_arc;
use rumpkin_spine::{
    Call, Errno,
    abi::{Stat, linux::general},
    file::{File, OpenFile},
    io::{Sink, Source},
    wait::{Events, WaitQueue},
};
use rumpuser::sync::Mutex;

/// Reads take one at a time.
const SEMAPHORE: u32 = 1;
/// The largest value that the counter can have.
const MAXIMUM: u64 = u64::MAX - 1;

struct EventCounter {
    count: Mutex<u64>,
    semaphore: bool,
    queue: WaitQueue,
}

impl File for EventCounter {
    fn read(&self, _position: u64, destination: &mut dyn Sink) -> Result<usize, Errno> {
        if destination.room() < size_of::<u64>() {
            return Err(Errno::EINVAL);
        }
        let taken = {
            let mut count = self.count.lock();
            let taken = match *count {
                0 => return Err(Errno::EAGAIN),
                _ if self.semaphore => 1,
                all => all,
            };
            *count = count.saturating_sub(taken);
            taken
        };
        self.queue.notify(Events::WRITE);
        destination.put(&taken.to_ne_bytes())
    }

    fn write(&self, _position: u64, source: &mut dyn Source) -> Result<usize, Errno> {
        if source.left() < size_of::<u64>() {
            return Err(Errno::EINVAL);
        }
        let mut bytes = [0; size_of::<u64>()];
        // Not taken before it has been added: until there is room for it, the write is tried again.
        if source.peek(&mut bytes)? < bytes.len() {
            return Err(Errno::EFAULT);
        }
        let added = u64::from_ne_bytes(bytes);
        if added == u64::MAX {
            return Err(Errno::EINVAL);
        }
        self.add(added)?;
        source.take(&mut bytes)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        anonymous_stat(0)
    }

    fn poll(&self) -> Events {
        let count = *self.count.lock();
        let mut events = Events::empty();
        events.set(Events::READ | Events::READ_NORMAL, count > 0);
        events.set(Events::WRITE | Events::WRITE_NORMAL, count < MAXIMUM);
        events
    }

    fn wait_queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }
}

impl EventCounter {
    fn add(&self, added: u64) -> Result<(), Errno> {
        {
            let mut count = self.count.lock();
            *count = count.checked_add(added).filter(|sum| *sum <= MAXIMUM).ok_or(Errno::EAGAIN)?;
        }
        self.queue.notify(Events::READ);
        Ok(())
    }
}

pub fn eventfd(call: &mut Call<'_>, count: u32) -> Result<usize, Errno> {
    create(call, count, 0)
}

pub fn eventfd2(call: &mut Call<'_>, count: u32, flags: u32) -> Result<usize, Errno> {
    create(call, count, flags)
}

fn create(call: &mut Call<'_>, count: u32, flags: u32) -> Result<usize, Errno> {
    if flags & !(SEMAPHORE | CREATION_FLAGS) != 0 {
        return Err(Errno::EINVAL);
    }
    let count = Mutex::new(u64::from(count));
    let counter = EventCounter { count, semaphore: flags & SEMAPHORE != 0, queue: WaitQueue::new() };
    let file = OpenFile::new(try_arc(counter)?, general::O_RDWR | flags & general::O_NONBLOCK)?;
    let descriptor = call.process().descriptors.insert(file, flags & general::O_CLOEXEC != 0, 0)?;
    Ok(descriptor as usize)
}
