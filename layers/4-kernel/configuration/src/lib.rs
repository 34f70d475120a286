//! Layer 4: the configuration document, and the kernel's settings in it.
//!
//! A JSON default is baked into the image, and overridden key by key by a document that is given at launch. [`read`] gives
//! the root of what comes of it; whoever runs on the kernel takes keys of its own from that (layer 5 the program to run),
//! [`Settings::take`] takes the kernel's, and [`Object::finish`] complains about the rest. `docs/configuration.md` is the
//! reference, `docs/configuration.schema.json` the schema.
//!
//! Depends on `rumpuser` and `rumpkin-kernel`.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)
)]

extern crate alloc;

mod document;
mod json;
mod parse;
mod settings;
mod value;

pub use document::{ConfigurationError, read};
pub use json::{Node, Object, Wrong};
pub use settings::{Settings, Tracing, parse_ipv4};
