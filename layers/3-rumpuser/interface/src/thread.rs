//! Kernel threads: spawn, park, unpark, interrupt.

use crate::{
    device::Notify,
    hypercalls::*,
    memory::{OutOfMemory, ensure},
};
use alloc::{boxed::Box, sync::Arc};
use core::{fmt, ptr::NonNull};

/// An owner of a kernel thread. Dropping it does not stop the thread.
pub struct Thread(NonNull<()>);

// SAFETY: a back end's thread handles may be used from any thread (the contract of `Backend`).
unsafe impl Send for Thread {}
// SAFETY: as above; every operation takes a shared handle.
unsafe impl Sync for Thread {}

impl Thread {
    /// Wakes the thread from [`park`], or lets its next `park` return at once.
    pub fn unpark(&self) {
        rumpuser_thread_unpark(self.0);
    }

    /// What unparks the thread for a device, also from the device's interrupt.
    pub fn waker(&self) -> Result<Notify, OutOfMemory> {
        let thread = self.clone();
        ensure(size_of_val(&thread) + 2 * size_of::<usize>())?;
        Ok(Arc::new(move || thread.unpark()))
    }

    /// A number that no other thread has as long as this one lives, or is owned.
    pub fn number(&self) -> usize {
        self.0.as_ptr() as usize
    }

    /// Makes the thread leave user code soon with `Event::Interrupted`, and unparks it.
    pub fn interrupt(&self) {
        rumpuser_thread_interrupt(self.0);
    }

    /// Nanoseconds that CPUs have spent on the thread, for its program and for the kernel on its behalf.
    pub fn cpu_time(&self) -> u64 {
        rumpuser_thread_cpu_time(self.0)
    }
}

impl Clone for Thread {
    fn clone(&self) -> Self {
        Thread(rumpuser_thread_clone(self.0))
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        rumpuser_thread_drop(self.0);
    }
}

impl PartialEq for Thread {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Thread {}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thread({:p})", self.0)
    }
}

/// Starts a kernel thread. It ends when `entry` returns.
pub fn spawn(name: &'static str, entry: impl FnOnce() + Send + 'static) -> Result<Thread, OutOfMemory> {
    ensure(size_of_val(&entry))?;
    rumpuser_thread_spawn(name, Box::new(entry)).map(Thread)
}

/// The calling thread.
pub fn current() -> Thread {
    Thread(rumpuser_thread_current())
}

/// Blocks until unparked, or until the monotonic clock reaches `deadline` (nanoseconds). True if unparked.
pub fn park(deadline: Option<u64>) -> bool {
    rumpuser_thread_park(deadline)
}

/// Lets other runnable threads run.
pub fn yield_now() {
    rumpuser_thread_yield();
}

/// How many CPUs run threads.
pub fn cpus() -> usize {
    rumpuser_cpus()
}

/// The CPU that the caller runs on at this moment.
pub fn cpu() -> usize {
    rumpuser_cpu()
}
