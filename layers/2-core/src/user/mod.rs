//! User code: its registers, its memory, and the kernel's access to it.

pub mod access;

pub mod words;

/// Transitional.
pub mod context {
    pub use super::words::{Access, Event, Registers};
    pub use crate::x86::context::enter;
}

/// Transitional.
pub mod space {
    pub use super::words::{Fault, Pager};
    pub use crate::x86::address_space::{AddressSpace, Page, Protection};
}
