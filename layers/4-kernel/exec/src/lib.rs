//! Layer 4: a program's image: the ELF loader, the interpreter that a dynamic program names, the vDSO, the first stack.
//!
//! ```text
//!   load ──▶ segments of the program ──▶ those of its interpreter ──▶ vDSO ──▶ stack: arguments, environment, auxiliary vector
//!                                                                             └─▶ the registers of the first instruction
//! ```
//!
//! Depends on `rumpuser`, `rumpkin-abi`, `rumpkin-collections`, `rumpkin-mm`, `rumpkin-spine`, and on `elf` for the format's
//! structures. It opens no file: whoever calls says how. Invariant: what a file says is checked before it is used.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_macros))]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)
)]

extern crate alloc;

mod image;
mod loader;
mod stack;
mod vdso;

pub use image::{MAX_ARGUMENTS, load};
pub use loader::LoadError;
