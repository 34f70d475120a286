//! Layer 2: memory, threads, time and traps of one machine, and the interfaces that platforms implement.
//!
//! It depends on the words of layer 0 alone, and has two faces. Platforms (layer 1) stand beside it: [`for_platform`] is what they
//! implement, and all that they may use. Above it is the hypercall interface (layer 3), which gives the kernel safe access:
//! [`for_rumpuser`]. The image that joins the layers starts it ([`for_image`]). What speaks to the processor lies in `x86`.
//!
//! Invariants:
//! - Kernel code is not preemptible; an interrupt handler wakes threads and does not switch to them.
//! - What handlers share with threads is behind an `IrqMutex` or atomic; handlers do not block, allocate or free.
//!   So the locks of heap, frames and page tables leave interrupts on.
//! - Every vector has a stack of its own kind; user code's stack is never written by the kernel.
//! - User memory is touched by `user_memory` only, where faults are expected.
//! - The kernel image has no vector instructions: that state belongs to user code and stays in the processor.
#![no_std]
#![warn(unreachable_pub)]

extern crate alloc;

pub mod for_image;
pub mod for_platform;
pub mod for_rumpuser;

mod boot;
mod clock;
mod console;
mod dma;
mod interface;
mod interrupts;
mod log_sink;
mod memory;
mod mmio;
mod panic;
mod power;
mod random;
mod services;
mod slots;
mod start;
mod stop;
mod sync;
mod thread;
mod timer;
mod user_memory;
mod x86;
