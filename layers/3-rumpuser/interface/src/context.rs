//! Running user code: registers, entry, and why it came back.

use crate::hypercalls::*;

pub use rumpkin_vocabulary::{Event, Registers};

/// Runs user code from these registers, in the calling thread's address space, until something needs the kernel.
///
/// `rip` and `rsp` may be anything: what is not executable or not mapped comes back as an event. Of `rflags` only
/// the bits that a user may change count.
pub fn enter(registers: &mut Registers) -> Event {
    rumpuser_context_enter(registers)
}

/// The calling thread's floating-point and vector state, which stays in the processor while the kernel runs.
pub mod fpu {
    use crate::hypercalls::*;

    /// Bytes of the XSAVE area in standard format (at least 512; a multiple of 64).
    pub fn size() -> usize {
        rumpuser_fpu_size()
    }

    /// Saves the state. `area` has [`size`] bytes; a shorter one is left alone.
    pub fn save(area: &mut [u8]) {
        if area.len() >= size() {
            rumpuser_fpu_save(area);
        }
    }

    /// Loads a state that may come from user memory. False, and nothing loaded, if the processor would refuse it.
    pub fn restore(area: &[u8]) -> bool {
        area.len() >= size() && rumpuser_fpu_restore(area)
    }

    /// Sets the state that a program starts with.
    pub fn reset() {
        rumpuser_fpu_reset();
    }
}
