//! User code: its registers, its memory, and the kernel's access to it.

pub mod access;
pub mod context;
pub mod space;
