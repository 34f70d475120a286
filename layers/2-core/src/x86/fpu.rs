//! Whose vector state the processor holds. The kernel has none: it stays there until another thread's user code is to run.

use super::{
    local::cpu,
    vector_state::{self, Area},
};
use crate::{
    sync::Interrupts,
    thread::{control_block::Thread, current::current_ref},
};
use core::ptr;

pub use super::vector_state::size;

/// Sees to it that the processor holds this thread's state, which is about to run user code on this CPU.
pub(crate) fn acquire(thread: &Thread) {
    let cpu = cpu();
    let owner = cpu.fpu_owner.get();
    if ptr::eq(owner, thread) {
        return;
    }
    save_owner();
    thread.with_vector_state(|area| area.load());
    cpu.fpu_owner.set(thread);
}

/// Moves the state that the processor holds into its owner's area.
pub(crate) fn save_owner() {
    let cpu = cpu();
    // SAFETY: an owner is alive: a thread that ends gives up ownership first (`forget`).
    if let Some(owner) = unsafe { cpu.fpu_owner.get().as_ref() } {
        owner.with_vector_state(Area::save);
    }
    cpu.fpu_owner.set(ptr::null());
}

/// What the processor holds of this thread is no longer wanted.
pub(crate) fn forget(thread: &Thread) {
    let cpu = cpu();
    if ptr::eq(cpu.fpu_owner.get(), thread) {
        cpu.fpu_owner.set(ptr::null());
    }
}

/// Copies the calling thread's state out. `area` has [`vector_state::size`] bytes.
pub fn save(area: &mut [u8]) {
    let _off = Interrupts::disable();
    let thread = current_ref();
    if ptr::eq(cpu().fpu_owner.get(), thread) {
        save_owner();
    }
    thread.with_vector_state(|saved| {
        for (to, from) in area.iter_mut().zip(saved.bytes()) {
            *to = *from;
        }
    });
}

/// Replaces the calling thread's state. False, and nothing done, if the processor would refuse it.
pub fn restore(area: &[u8]) -> bool {
    let Some(area) = vector_state::checked(area) else {
        return false;
    };
    let _off = Interrupts::disable();
    let thread = current_ref();
    forget(thread);
    thread.with_vector_state(|saved| saved.bytes_mut().copy_from_slice(area));
    true
}

/// Gives the calling thread the state that a program starts with.
pub fn reset() {
    let _off = Interrupts::disable();
    let thread = current_ref();
    forget(thread);
    thread.with_vector_state(|saved| saved.reset());
}
