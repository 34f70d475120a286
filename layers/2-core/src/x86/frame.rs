//! What the entry of an exception or interrupt saves of the code that it came upon.

use super::local::Cpu;
use core::fmt;

/// What the entry has saved, on the vector's stack; from `rip` to `ss`, and `code` if there is one, it is the processor's.
#[repr(C)]
#[derive(Debug)]
#[allow(missing_docs)]
pub(crate) struct TrapFrame {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rbp: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rdx: u64,
    pub rcx: u64,
    pub rbx: u64,
    pub rax: u64,
    pub vector: u64,
    pub code: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
    /// Whose stack this is. It stands at the top.
    pub cpu: *const Cpu,
}

/// In the place of an error code where the processor has pushed none.
pub(super) const NO_CODE: u64 = u64::MAX;

impl TrapFrame {
    /// The error code, if the processor has pushed one.
    pub(crate) fn code(&self) -> Option<u64> {
        (self.code != NO_CODE).then_some(self.code)
    }
}

impl fmt::Display for TrapFrame {
    /// All registers, in lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TrapFrame { rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, rip, rflags, .. } = self;
        let TrapFrame { r8, r9, r10, r11, r12, r13, r14, r15, .. } = self;
        write!(
            f,
            "rip {rip:#x}, rsp {rsp:#x}, flags {rflags:#x}\n\
             rax {rax:#x} rbx {rbx:#x} rcx {rcx:#x} rdx {rdx:#x} rsi {rsi:#x} rdi {rdi:#x} rbp {rbp:#x}\n\
             r8 {r8:#x} r9 {r9:#x} r10 {r10:#x} r11 {r11:#x} r12 {r12:#x} r13 {r13:#x} r14 {r14:#x} r15 {r15:#x}",
        )
    }
}
