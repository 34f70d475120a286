//! The calling thread, and the CPU that it runs on.

use super::control_block::{Thread, UserMemory};
use crate::{
    sync::Interrupts,
    x86::{local::cpu, translation},
};
use alloc::sync::Arc;

/// The calling thread, borrowed; it lives as long as it runs.
pub(crate) fn current_ref() -> &'static Thread {
    // SAFETY: the running thread is kept alive by the scheduler's reference.
    unsafe { &*cpu().current.get() }
}

/// The calling thread, with a new owner. Not in interrupt context, where it is the one that was interrupted.
pub fn current() -> Arc<Thread> {
    let thread = cpu().current.get();
    // SAFETY: every thread, idle ones too, lives in an Arc.
    unsafe {
        Arc::increment_strong_count(thread);
        Arc::from_raw(thread)
    }
}

/// How many CPUs run threads.
pub fn cpus() -> usize {
    1
}

/// The CPU that the caller runs on at this moment.
pub fn cpu_index() -> usize {
    cpu().index
}

/// Gives the calling thread the memory of a program, or none.
///
/// # Safety
/// The top table's upper half is the kernel's. Table and pager stay until the thread has others, or none, or has ended.
pub(crate) unsafe fn set_user_memory(memory: Option<UserMemory>) {
    let _off = Interrupts::disable();
    current_ref().user_memory.set(memory);
    load_user_memory(current_ref());
}

/// Puts a thread's page tables in force. One that has none runs on any. With interrupts off.
pub(super) fn load_user_memory(thread: &Thread) {
    if let Some(memory) = thread.user_memory() {
        // SAFETY: the promise of whoever gave the thread this memory.
        unsafe { translation::load(memory.table) };
    }
}
