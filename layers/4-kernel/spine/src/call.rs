//! A system call that is being made: who makes it, and with what.

use crate::{
    kernel::Kernel,
    process::{Process, Thread},
};
use alloc::sync::Arc;
use rumpuser::context::Registers;

/// One system call that is being made.
pub struct Call<'a> {
    /// Who calls.
    pub thread: &'a Arc<Thread>,
    /// The caller's registers; `rip` is behind the `syscall` instruction.
    pub registers: &'a mut Registers,
}

impl Call<'_> {
    /// Argument `index`, from 0 to 5.
    pub fn argument(&self, index: usize) -> usize {
        let registers = &self.registers;
        let value = match index {
            0 => registers.rdi,
            1 => registers.rsi,
            2 => registers.rdx,
            3 => registers.r10,
            4 => registers.r8,
            _ => registers.r9,
        };
        value as usize
    }

    /// An argument that C declares as `int`.
    pub fn int(&self, index: usize) -> i32 {
        self.argument(index) as i32
    }

    /// An argument that C declares as `unsigned int`.
    pub fn uint(&self, index: usize) -> u32 {
        self.argument(index) as u32
    }

    /// The caller's process.
    pub fn process(&self) -> &Arc<Process> {
        &self.thread.process
    }

    /// The caller's kernel.
    pub fn kernel(&self) -> &Arc<Kernel> {
        &self.thread.process.kernel
    }
}
