//! User code: its registers, its memory, and the kernel's access to it.

pub mod access;

pub use crate::x86::{address_space as space, context};
