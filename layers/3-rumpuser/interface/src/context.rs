//! Running user code: registers, entry, and why it came back.

use crate::{hypercalls::*, memory::Access};

/// The general registers of user code (x86-64). `fs_base` is the thread pointer; GS belongs to the kernel.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Registers {
    pub rax: u64,
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub rbp: u64,
    pub rsp: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub rip: u64,
    pub rflags: u64,
    pub fs_base: u64,
}

/// Why user code came back to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The `syscall` instruction: number in `rax`, arguments in `rdi rsi rdx r10 r8 r9`; `rip` is the next instruction.
    SystemCall,
    /// A page fault that the pager has not seen yet; `rip` is the faulting instruction.
    PageFault {
        /// The address that was accessed.
        address: usize,
        /// How.
        access: Access,
    },
    /// Another exception.
    Exception {
        /// Its vector (Intel SDM vol. 3, table 6-1).
        vector: u8,
        /// Its error code, or 0; of a debug exception (1) bits 0 to 3 and 14 of DR6 (§17.2.3).
        code: u64,
    },
    /// Somebody called [`crate::thread::Thread::interrupt`] for this thread.
    Interrupted,
}

impl Registers {
    /// Runs user code in the calling thread's address space until something needs the kernel.
    ///
    /// `rip` and `rsp` may be anything: what is not executable or not mapped comes back as an event. Of `rflags` only
    /// the bits that a user may change count.
    pub fn enter(&mut self) -> Event {
        rumpuser_context_enter(self)
    }
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
