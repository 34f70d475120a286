//! Futexes: threads that wait for a word of user memory to change, found by the word (futex(7)).
//!
//! ```text
//!   hash of (memory, address) or (frame, offset) ──▶ bucket: lock, waiters in order of arrival
//! ```
//!
//! A thread's `wait_slot` says which bucket it is in (number + 1); it changes only under that bucket's lock, and 0 means that
//! somebody has woken it. The word is looked at under the lock too, so no wake-up falls between looking and waiting.

use alloc::{boxed::Box, collections::VecDeque, sync::Arc};
use core::sync::atomic::Ordering;
use rumpkin_collections::TryDeque;
use rumpkin_mm::FaultError;
use rumpkin_spine::{Errno, Kernel, UserPointer, process::Thread, wait::Waiter as _};
use rumpuser::{
    clock,
    memory::{PAGE_SIZE, USER_END},
    sync::{Mutex, MutexGuard},
};

/// Buckets; a power of two.
const BUCKETS: usize = 256;

/// Which word: of a process's private memory, or of a frame that several mappings show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The memory's address in the kernel, or 0 for a frame.
    owner: usize,
    /// The user address, or the frame's number times the page size plus the offset.
    place: u64,
}

struct Waiter {
    key: Key,
    bits: u32,
    thread: Arc<Thread>,
}

type Bucket = VecDeque<Waiter>;

/// Every thread that waits for a futex.
pub struct Futexes(Box<[Mutex<Bucket>]>);

#[expect(clippy::disallowed_methods, reason = "once, at boot")]
pub fn register(kernel: &mut Kernel) {
    let buckets = (0..BUCKETS).map(|_| Mutex::new(Bucket::new())).collect();
    kernel.parts.insert(Arc::new(Futexes(buckets)));
}

/// The futexes of a kernel.
pub fn futexes(kernel: &Kernel) -> Result<&Futexes, Errno> {
    kernel.parts.get().ok_or(Errno::ENOSYS)
}

/// The key of a word. With `private`, the caller knows that nobody else maps it. `EINVAL` for a misaligned
/// address, `EFAULT` for one that is not user memory.
pub fn key(thread: &Thread, word: UserPointer<u32>, private: bool) -> Result<Key, Errno> {
    let address = word.address();
    if !address.is_multiple_of(size_of::<u32>()) {
        return Err(Errno::EINVAL);
    }
    if address >= USER_END {
        return Err(Errno::EFAULT);
    }
    let memory = &thread.process.memory;
    if !private {
        let shared = memory.shared_frame(address).map_err(|error| match error {
            FaultError::OutOfMemory => Errno::ENOMEM,
            _ => Errno::EFAULT,
        })?;
        if let Some(frame) = shared {
            let offset = (address % PAGE_SIZE) as u64;
            return Ok(Key { owner: 0, place: frame.wrapping_mul(PAGE_SIZE as u64).wrapping_add(offset) });
        }
    }
    Ok(Key { owner: Arc::as_ptr(memory).addr(), place: address as u64 })
}

/// Wakes waiters of a word whose kind of mapping is not known, as the kernel itself does when a thread ends.
pub fn wake_address(thread: &Thread, word: UserPointer<u32>, count: usize) {
    if let (Ok(futexes), Ok(key)) = (futexes(&thread.process.kernel), key(thread, word, false)) {
        futexes.wake(key, count, u32::MAX);
    }
}

impl Futexes {
    /// Sleeps until the word is woken with one of `bits`, if it is still `expected`. `EAGAIN` if not, `ETIMEDOUT` at the
    /// deadline (monotonic nanoseconds), `ERESTARTSYS` for a signal, `ENOMEM` without memory to stand in the queue.
    pub fn wait(
        &self,
        thread: &Arc<Thread>,
        key: Key,
        word: UserPointer<u32>,
        expected: u32,
        bits: u32,
        deadline: Option<u64>,
    ) -> Result<(), Errno> {
        let index = index(key);
        {
            let mut bucket = self.lock(index)?;
            if word.load()? != expected {
                return Err(Errno::EAGAIN);
            }
            bucket.try_push_back(Waiter { key, bits, thread: thread.clone() })?;
            thread.wait_slot.store(index.wrapping_add(1), Ordering::SeqCst);
        }
        loop {
            if thread.wait_slot.load(Ordering::SeqCst) == 0 {
                return Ok(());
            }
            let error = if thread.interrupted() {
                Errno::ERESTARTSYS
            } else if deadline.is_some_and(|deadline| clock::monotonic() >= deadline) {
                Errno::ETIMEDOUT
            } else {
                rumpuser::thread::park(deadline);
                continue;
            };
            return if self.cancel(thread) { Err(error) } else { Ok(()) };
        }
    }

    /// Wakes up to `count` waiters of a word that wait for one of `bits`, the oldest first. How many, comes back.
    pub fn wake(&self, key: Key, count: usize, bits: u32) -> usize {
        self.lock(index(key)).map_or(0, |mut bucket| wake_in(&mut bucket, key, count, bits))
    }

    /// If a word is still what it is `expected` to be (if that is given), wakes up to `wake` waiters of `from`, and has up to
    /// `requeue` others wait for `to`. How many were woken, and how many moved, comes back.
    ///
    /// Where there is no memory for one in its new queue, it is woken instead: every waiter looks at its word again.
    pub fn requeue(
        &self,
        (from, to): (Key, Key),
        expected: Option<(UserPointer<u32>, u32)>,
        wake: usize,
        requeue: usize,
    ) -> Result<(usize, usize), Errno> {
        let (source, target) = (index(from), index(to));
        // Always the lower one first, so that two requeues cannot wait for each other.
        let mut lower = self.lock(source.min(target))?;
        let mut higher = if source == target { None } else { Some(self.lock(source.max(target))?) };
        if let Some((word, expected)) = expected
            && word.load()? != expected
        {
            return Err(Errno::EAGAIN);
        }
        let (bucket, mut other) = match &mut higher {
            None => (&mut *lower, None),
            Some(higher) if source < target => (&mut *lower, Some(&mut **higher)),
            Some(higher) => (&mut **higher, Some(&mut *lower)),
        };
        let woken = wake_in(bucket, from, wake, u32::MAX);
        let mut moved = 0usize;
        let mut at = 0usize;
        while moved < requeue && from != to {
            let Some(waiter) = bucket.get_mut(at) else { break };
            if waiter.key != from {
                at = at.saturating_add(1);
                continue;
            }
            waiter.key = to;
            moved = moved.saturating_add(1);
            match &mut other {
                None => at = at.saturating_add(1),
                Some(other) => {
                    let slot = if other.try_reserve_more(1).is_ok() { target.wrapping_add(1) } else { 0 };
                    if let Some(waiter) = bucket.remove(at) {
                        waiter.thread.wait_slot.store(slot, Ordering::SeqCst);
                        if slot == 0 {
                            waiter.thread.unpark();
                        } else {
                            other.try_push_back(waiter)?;
                        }
                    }
                }
            }
        }
        free_if_idle(bucket);
        Ok((woken, moved))
    }

    /// Takes a thread out of whichever bucket it is in. False if somebody has woken it already.
    fn cancel(&self, thread: &Arc<Thread>) -> bool {
        loop {
            let slot = thread.wait_slot.load(Ordering::SeqCst);
            let Some(index) = slot.checked_sub(1) else { return false };
            let Ok(mut bucket) = self.lock(index) else { return false };
            if thread.wait_slot.load(Ordering::SeqCst) == slot {
                bucket.retain(|waiter| !Arc::ptr_eq(&waiter.thread, thread));
                free_if_idle(&mut bucket);
                thread.wait_slot.store(0, Ordering::SeqCst);
                return true;
            }
        }
    }

    fn lock(&self, index: usize) -> Result<MutexGuard<'_, Bucket>, Errno> {
        self.0.get(index).map(Mutex::lock).ok_or(Errno::EINVAL)
    }
}

fn wake_in(bucket: &mut Bucket, key: Key, count: usize, bits: u32) -> usize {
    let mut woken = 0usize;
    let mut at = 0usize;
    while woken < count {
        let Some(waiter) = bucket.get(at) else { break };
        if waiter.key != key || waiter.bits & bits == 0 {
            at = at.saturating_add(1);
            continue;
        }
        if let Some(waiter) = bucket.remove(at) {
            waiter.thread.wait_slot.store(0, Ordering::SeqCst);
            waiter.thread.unpark();
            woken = woken.saturating_add(1);
        }
    }
    free_if_idle(bucket);
    woken
}

/// A bucket in which nobody waits holds no memory, however many there were once.
fn free_if_idle(bucket: &mut Bucket) {
    if bucket.is_empty() {
        *bucket = Bucket::new();
    }
}

/// The bucket of a key: Fibonacci hashing.
fn index(key: Key) -> usize {
    let word = key.place.wrapping_add(key.owner as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word.wrapping_shr(u64::BITS.saturating_sub(BUCKETS.trailing_zeros())) as usize
}
