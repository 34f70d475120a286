//! Layer 0: the words that the layers share – plain data and device traits, and no code of substance.
//!
//! A device trait is implemented by a driver (layer 1), owned by core (layer 2), handed through the hypercalls (layer 3) and
//! called by a kernel (layer 4); it stands here, so that nothing is translated on that way. Core and `rumpuser` re-export
//! what belongs to their own faces: nobody else names this crate.
//!
//! It depends on nothing of ours. Invariants:
//! - Nothing here has state, and nothing here calls anything but itself.
//! - A word means the same to all layers; what differs between two of them is declared in each.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod console;
mod disk;
mod link;
mod memory;
mod notify;
mod user;

pub use console::Console;
pub use disk::{Disk, DiskError, DiskInfo};
pub use link::{Checksum, Link, LinkInfo};
pub use memory::{FrameNumber, OutOfMemory, PAGE_SIZE, Page, Protection, USER_END, VdsoFrames};
pub use notify::Notify;
pub use user::{Access, Event, Fault, Pager, Registers};
