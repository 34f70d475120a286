//! Kernel threads: what is kept of each (`control_block`), which one is calling (`current`), and which one runs (`scheduler`).

pub(crate) mod control_block;
pub(crate) mod current;
mod deadlines;
mod event;
mod queue;
mod scheduler;
mod stack;

pub use control_block::Thread;
pub(crate) use control_block::UserMemory;
pub use current::{cpu_index, cpus, current};
pub(crate) use current::{current_ref, set_user_memory};
pub(crate) use event::Event;
pub(crate) use scheduler::{idle, initialize, must_leave_user_code, preempt};
pub use scheduler::{park, sleep, spawn, spawn_boxed, timer_fired, yield_now};
pub(crate) use stack::KEPT_STACKS;
