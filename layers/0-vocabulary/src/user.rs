//! User code as the kernel meets it: registers, why it came back, and faults on its memory.

use crate::memory::Protection;

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
    /// Somebody asked for the thread to leave user code.
    Interrupted,
}

/// How user code came to a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Execute,
}

impl Access {
    /// The protection that this access needs.
    pub fn needs(self) -> Protection {
        match self {
            Access::Read => Protection::READ,
            Access::Write => Protection::WRITE,
            Access::Execute => Protection::EXECUTE,
        }
    }
}

/// A user address that cannot be accessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The first byte that failed.
    pub address: usize,
}

/// Whom faults on user memory go to, from user code's accesses and from the kernel's alike.
pub trait Pager: Send + Sync {
    /// Makes the access possible by mapping a page, or refuses. Called on the faulting thread, interrupts on.
    fn page_fault(&self, address: usize, access: Access) -> Result<(), Fault>;
}
