//! The debug registers (Intel SDM vol. 3, §17.2). The kernel has no use for them, and lends them to nobody.

use core::arch::asm;
use x86_64::registers::{
    debug::{Dr6, Dr6Flags, Dr7, Dr7Flags},
    rflags::RFlags,
};

/// DR6 with nothing to report.
const NOTHING: u64 = 0xffff_0ff0;

/// What DR6 says of this debug exception: breakpoints, a single step; nothing if an instruction has made it. Breakpoints that a
/// program has set in ring 0 are gone.
pub(crate) fn take_status() -> u64 {
    let status = Dr6::read() & (Dr6Flags::TRAP | Dr6Flags::STEP);
    // SAFETY: this value reports nothing.
    unsafe { asm!("mov dr6, {}", in(reg) NOTHING, options(nomem, nostack, preserves_flags)) };
    Dr7::write(Dr7Flags::empty().into());
    status.bits()
}

/// Flags with which an instruction goes on past a debug exception.
pub(crate) fn resumed(flags: u64) -> u64 {
    flags & !RFlags::TRAP_FLAG.bits() | RFlags::RESUME_FLAG.bits()
}
