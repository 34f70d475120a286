//! The switch from one kernel stack to another.

use core::arch::naked_asm;

/// Saves the callee-saved registers and the stack pointer, and goes on where `to` was left.
///
/// # Safety
/// `to` is a stack pointer that `switch` has stored or [`prepare`] has made, used once. Interrupts are off.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn switch(from: *mut usize, to: usize) {
    naked_asm!(
        "push rbx",
        "push rbp",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov [rdi], rsp",
        "mov rsp, rsi",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbp",
        "pop rbx",
        "ret",
    )
}

/// Lays out a new stack so that switching to it calls `begin`.
pub(crate) fn prepare(top: usize, begin: extern "C" fn() -> !) -> usize {
    // Six registers and the address to go to; below them the stack is aligned as at a call.
    let frame: [usize; 8] = [0, 0, 0, 0, 0, 0, begin as usize, 0];
    let stack_pointer = top - size_of_val(&frame);
    // SAFETY: the top of a mapped stack that nobody uses yet.
    unsafe { (stack_pointer as *mut [usize; 8]).write(frame) };
    stack_pointer
}
