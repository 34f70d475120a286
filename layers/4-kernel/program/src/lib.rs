//! Layer 4: programs without user code: kernel code that makes system calls, as a process of its own.
//!
//! A [`Program`] is a process with descriptors and memory; a [`ProgramThread`] is one of its threads, run by a kernel thread,
//! with a piece of that memory for arguments. Its calls go through the kernel's table, so they are what a program of the
//! outside gets, with its errors. For commands that live with the kernel in one process, and for tests.
//!
//! Depends on the kernel crate and on memory. Invariant: nothing here knows a component; a call that is not registered says
//! `ENOSYS`.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_macros))]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)]

extern crate alloc;

mod files;
mod sockets;

pub use sockets::Endpoint;

use alloc::{sync::Arc, vec::Vec};
use rumpkin_abi::Errno;
use rumpkin_collections::{TryVec, try_to_vec};
use rumpkin_mm::{Mm, Request, Source};
use rumpkin_spine::{
    Call, Kernel,
    process::{self, Process, Thread},
};
use rumpuser::{
    context::Registers,
    memory::{self, Protection},
    user,
};

/// Bytes of each thread's memory that structures and short arguments take.
const ARGUMENTS: usize = 4096;
/// Bytes of each thread's memory that data takes: what one call can move.
const DATA: usize = 65536;

/// A process without user code.
pub struct Program {
    process: Arc<Process>,
}

impl Program {
    /// A program of this name on a kernel that has been started. `ENOMEM` without memory for it.
    pub fn new(kernel: &Arc<Kernel>, name: &str) -> Result<Program, Errno> {
        let memory = Mm::new().map_err(|_| Errno::ENOMEM)?;
        let program = process::Program { path: try_to_vec(name.as_bytes())?, ..process::Program::default() };
        Ok(Program { process: Process::new(kernel, memory, program)? })
    }

    /// The process.
    pub fn process(&self) -> &Arc<Process> {
        &self.process
    }

    /// One of its threads, run by the calling kernel thread until it is dropped.
    pub fn thread(&self) -> Result<ProgramThread, Errno> {
        let id = self.process.kernel.allocate_id();
        let thread = Thread::new(id, self.process.clone())?;
        let source = Source::Anonymous { shared: false };
        let length = ARGUMENTS.saturating_add(DATA);
        let protection = Protection::READ | Protection::WRITE;
        let request = Request { address: 0, fixed: false, replace: false, length, protection, source };
        thread.attach();
        self.process.add_thread(thread.clone())?;
        self.process.memory.activate();
        // From here on its end undoes all that.
        let mut thread = ProgramThread { thread, memory: 0 };
        thread.memory = self.process.memory.map(request)?;
        Ok(thread)
    }
}

impl Drop for Program {
    /// Closes its files and forgets the process.
    fn drop(&mut self) {
        self.process.descriptors.drain().for_each(drop);
        self.process.kernel.remove_process(self.process.id);
    }
}

/// Makes a system call (`__NR_*`) as a thread, which the calling kernel thread runs; arguments that are left out are zero. Blocks as
/// the call does.
pub fn call_as(thread: &Arc<Thread>, number: u32, arguments: &[usize]) -> Result<usize, Errno> {
    let argument = |index: usize| arguments.get(index).copied().unwrap_or(0) as u64;
    let mut registers = Registers {
        rax: number.into(),
        rdi: argument(0),
        rsi: argument(1),
        rdx: argument(2),
        r10: argument(3),
        r8: argument(4),
        r9: argument(5),
        ..Registers::default()
    };
    thread.process.kernel.table().dispatch(&mut Call { thread, registers: &mut registers })
}

/// A thread of a [`Program`]: the calling kernel thread, which must not make calls for another one at the same time.
pub struct ProgramThread {
    thread: Arc<Thread>,
    memory: usize,
}

impl ProgramThread {
    /// Makes a system call (`__NR_*`); arguments that are left out are zero. Blocks as the call does.
    pub fn call(&self, number: u32, arguments: &[usize]) -> Result<usize, Errno> {
        call_as(&self.thread, number, arguments)
    }

    /// Puts an argument into the thread's memory; where it lies. It stays until the next one. `E2BIG` beyond 4096 bytes.
    pub fn argument(&self, bytes: &[u8]) -> Result<usize, Errno> {
        if bytes.len() > ARGUMENTS {
            return Err(Errno::E2BIG);
        }
        user::write(self.memory, bytes).map_err(|_| Errno::EFAULT)?;
        Ok(self.memory)
    }

    /// Where the thread's data lies, and how much fits.
    fn data(&self) -> (usize, usize) {
        (self.memory.saturating_add(ARGUMENTS), DATA)
    }

    /// Copies out of the thread's memory.
    fn fetch(&self, address: usize, length: usize) -> Result<Vec<u8>, Errno> {
        let mut bytes = Vec::new();
        bytes.try_resize(length, 0)?;
        user::read(address, &mut bytes).map_err(|_| Errno::EFAULT)?;
        Ok(bytes)
    }
}

impl Drop for ProgramThread {
    fn drop(&mut self) {
        let process = &self.thread.process;
        process.memory.unmap(self.memory, ARGUMENTS.saturating_add(DATA)).ok();
        memory::deactivate();
        process.remove_thread(self.thread.id);
    }
}
