//! Layer 2: memory, threads, time and traps of one machine, and the interfaces that platforms implement.
//!
//! It depends on the words of layer 0 alone, and re-exports what platforms need of them. Platforms (layer 1) stand beside it:
//! they implement [`interface`] and use what is public here. Above it is the hypercall interface (layer 3), which gives the kernel safe access.
//!
//! Invariants:
//! - Kernel code is not preemptible; an interrupt handler wakes threads and does not switch to them.
//! - What handlers share with threads is behind an [`sync::IrqMutex`] or atomic; handlers do not block, allocate or free.
//!   So the locks of heap, frames and page tables leave interrupts on.
//! - Every vector has a stack of its own kind; user code's stack is never written by the kernel.
//! - User memory is touched by [`user::access`] only, where faults are expected.
//! - The kernel image has no vector instructions: that state belongs to user code and stays in the processor.
#![no_std]

extern crate alloc;

pub mod boot;
pub mod clock;
pub mod console;
pub mod dma;
pub mod interface;
pub mod interrupts;
mod log_sink;
pub mod memory;
pub mod mmio;
mod panic;
pub mod power;
pub mod random;
pub mod slots;
pub mod start;
pub mod stop;
pub mod sync;
pub mod thread;
pub mod timer;
pub mod user;
pub mod x86;

pub use memory::{OutOfMemory, heap::KernelHeap};
pub use panic::panic;
pub use start::start;
pub use x86::{self as cpu, layout, vdso};
