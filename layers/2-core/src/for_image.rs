//! What the image needs that joins all layers: it starts the machine, and lends core its language items.

pub use crate::{boot::BootInfo, interface::Platform, memory::heap::KernelHeap, panic::panic, start::start};
