//! User code as the kernel meets it: registers, why it came back, and faults on its memory.

/// The general registers of user code.
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

/// Why user code came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The `syscall` instruction.
    SystemCall,
    /// A page fault.
    PageFault {
        /// The address that was accessed.
        address: usize,
        /// How.
        access: Access,
    },
    /// Another exception.
    Exception {
        /// Its vector.
        vector: u8,
        /// Its error code, or 0; of a debug exception what DR6 says.
        code: u64,
    },
    /// `Thread::interrupt` was called.
    Interrupted,
}

/// A user address that cannot be accessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The first byte that failed.
    pub address: usize,
}

/// Whom a fault of the kernel's accessors goes to.
pub trait Pager: Send + Sync {
    /// Makes the access possible by mapping a page, or refuses. Called on the faulting thread, interrupts on.
    fn page_fault(&self, address: usize, access: Access) -> Result<(), Fault>;
}
