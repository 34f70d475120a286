//! Layer 4: threads, futexes, identity, limits, scheduling: what a process is made of, and the loop that its threads run in.
//!
//! A thread of a program is a kernel thread in a loop:
//!
//! ```text
//!   ┌▶ enter user code ──▶ system call ──▶ the table
//!   │                 ├──▶ fault, exception ──▶ the memory, or a signal
//!   │                 └──▶ interrupted
//!   └── settle: signals, restart of interrupted calls ◀──┘        process or thread ending ──▶ leave
//! ```
//!
//! Depends on `rumpuser`, `rumpkin-abi`, `rumpkin-mm`, `rumpkin-spine`, `rumpkin-signal`. Invariants:
//! - A call that does not wait takes no lock and allocates nothing on its way in and out.
//! - A thread's last accesses to user memory come before it leaves the address space, and its descriptors are closed before
//!   the process counts as ended.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_macros))]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod clone;
mod control;
mod exit;
mod futex;
mod futex_calls;
mod identity;
mod limits;
mod run;
mod scheduling;
#[cfg(test)]
mod tests;

use alloc::sync::{Arc, Weak};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use rumpkin_spine::{
    Kernel,
    abi::{ResourceLimit, linux::general, signal::SIGKILL},
    fd::MAX_DESCRIPTORS,
    process::{Process, Thread},
};
use rumpuser::{
    context::Registers,
    memory::{OutOfMemory, PAGE_SIZE, total_frames},
};

/// What this component keeps of each process.
#[derive(Default)]
struct State {
    /// Threads that have not yet begun to leave.
    live: AtomicUsize,
    /// What the first thread gave to exit(2).
    leader_status: AtomicU32,
    /// `PR_SET_NO_NEW_PRIVS`.
    no_new_privileges: AtomicBool,
    /// `PR_SET_DUMPABLE`, inverted.
    not_dumpable: AtomicBool,
    /// The process was told once that there are no child processes.
    told_of_fork: AtomicBool,
}

/// Adds the component to a kernel.
pub fn register(kernel: &mut Kernel) {
    kernel.on_process(|_, parts| parts.try_insert(State::default()));
    futex::register(kernel);
    clone::register(kernel);
    control::register(kernel);
    exit::register(kernel);
    futex_calls::register(kernel);
    identity::register(kernel);
    limits::register(kernel);
    scheduling::register(kernel);
}

/// Starts the first thread of a process, from these registers. Its number is the process's.
pub fn start(process: &Arc<Process>, registers: Registers) -> Result<Arc<Thread>, OutOfMemory> {
    set_default_limits(process);
    kill_when_exhausted(process);
    let thread = Thread::new(process.id, process.clone())?;
    for (to, from) in thread.name.lock().iter_mut().take(15).zip(process.name().0) {
        *to = *from;
    }
    run::spawn(&thread, registers, None)?;
    Ok(thread)
}

/// The limits that Linux starts programs with, as far as they are not "none".
fn set_default_limits(process: &Process) {
    let mut limits = process.limits.lock();
    let mut set = |resource: u32, current: u64, maximum: u64| {
        if let Some(limit) = limits.get_mut(resource as usize) {
            *limit = ResourceLimit { current, maximum };
        }
    };
    set(general::RLIMIT_STACK, 8 << 20, u64::MAX);
    set(general::RLIMIT_CORE, 0, u64::MAX);
    set(general::RLIMIT_NOFILE, MAX_DESCRIPTORS as u64, MAX_DESCRIPTORS as u64);
    set(general::RLIMIT_NICE, 0, 0);
    set(general::RLIMIT_RTPRIO, 0, 0);
}

/// There is nobody else to take memory from: a program whose access finds none is killed.
fn kill_when_exhausted(process: &Arc<Process>) {
    let weak: Weak<Process> = Arc::downgrade(process);
    process.memory.on_exhaustion(move || {
        let Some(process) = weak.upgrade() else { return };
        if !process.exiting() {
            let memory = total_frames().saturating_mul(PAGE_SIZE) / 1024;
            log::error!(
                "{}: out of memory: killed; {memory} KiB beside the image are too few for it: give the machine more",
                process.name()
            );
            process.exit(128u8.saturating_add(SIGKILL));
        }
    });
}

/// This component's state of a process.
fn state(process: &Process) -> Option<&State> {
    process.parts.get()
}

/// Says once per process that a call would need a second process.
fn tell_of_fork(process: &Process, call: &str) {
    let first = state(process).is_some_and(|state| !state.told_of_fork.swap(true, Ordering::Relaxed));
    if first {
        log::warn!("{}: {call} would make a child process, which this kernel does not have: ENOSYS", process.name());
    }
}
