//! Kernel threads.
//!
//! ```text
//!   scheduler ──▶ queue, deadlines ──▶ control block ◀── current ◀── event
//! ```

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
pub use event::Event;
pub(crate) use scheduler::{idle, initialize, must_leave_user_code, preempt};
pub use scheduler::{park, sleep, spawn, spawn_boxed, timer_fired, yield_now};
pub(crate) use stack::KEPT_STACKS;
