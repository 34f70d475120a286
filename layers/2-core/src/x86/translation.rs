//! The page tables in force: which top table the calling CPU translates addresses by.

use super::{local::cpu, page_tables};
use crate::{memory::frames::FrameNumber, sync::Interrupts};

/// Puts a top table in force, if it is not. With interrupts off.
///
/// # Safety
/// The frame holds a top table whose upper half is the kernel's, until another one is in force.
pub(crate) unsafe fn load(table: FrameNumber) {
    let cpu = cpu();
    if cpu.page_table.get() != table {
        cpu.page_table.set(table);
        // SAFETY: the caller's promise.
        unsafe { page_tables::load(table) };
    }
}

/// Whether this is the one in force.
pub(crate) fn is_in_force(table: FrameNumber) -> bool {
    cpu().page_table.get() == table
}

/// Sees to it that this one is in force no more.
pub(crate) fn leave(table: FrameNumber) {
    let _off = Interrupts::disable();
    if is_in_force(table) {
        // SAFETY: the kernel's own root, which stays.
        unsafe { load(page_tables::root()) };
    }
}
