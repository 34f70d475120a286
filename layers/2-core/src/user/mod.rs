//! User code: its registers, its memory, and the kernel's access to it.

pub mod access;

/// Transitional.
pub mod context {
    pub use crate::x86::context::enter;
    pub use rumpkin_vocabulary::{Access, Event, Registers};
}

/// Transitional.
pub mod space {
    pub use crate::x86::address_space::{AddressSpace, Page};
    pub use rumpkin_vocabulary::{Fault, Pager, Protection};
}
