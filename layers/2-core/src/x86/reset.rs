//! The reset that needs nothing but the processor.

use core::arch::asm;
use x86_64::{VirtAddr, instructions::tables, structures::DescriptorTablePointer};

/// Makes the processor reset by taking away the interrupt table: the next exception is a triple fault.
pub(crate) fn triple_fault() -> ! {
    let nothing = DescriptorTablePointer { limit: 0, base: VirtAddr::zero() };
    // SAFETY: this is the end; nothing is expected to work afterwards.
    unsafe {
        tables::lidt(&nothing);
        asm!("ud2", options(noreturn));
    }
}
