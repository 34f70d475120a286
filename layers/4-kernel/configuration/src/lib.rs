//! Layer 4: the configuration document, and the kernel's settings in it.
//!
//! A JSON default is baked into the image, and overridden key by key by a document that is given at launch. [`Documents`]
//! are the two; from their [root](Documents::root) whoever runs on the kernel takes keys of its own (layer 5 the program to
//! run), [`Settings::take`] takes the kernel's, and [`Object::finish`] complains about the rest. `docs/configuration.md` is
//! the reference, `docs/configuration.schema.json` the schema.
//!
//! The crate stands on nothing of ours, so that the launcher refuses what the guest would, by the same code. What it takes
//! of memory and time is in proportion to the document's length, which is [limited](limit) by the machine's memory:
//!
//! ```text
//!   text    { "a" : [ "x" , 1 ] , "b" : null }      borrowed; strings are decoded when they are taken
//!   slots   {  "a"  [  "x"  1     "b"   null        one allocation of 16 bytes for each value and key
//!   order      ╰─────────────────── ╯               keys of each object, sorted: found in O(log n), doubles seen
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)]
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)
)]

extern crate alloc;

mod document;
mod documents;
mod network;
mod node;
mod settings;
mod text;

pub use document::{Document, Malformed};
pub use documents::{ConfigurationError, Documents, LIMIT, limit};
pub use network::{Address, Network, parse_ipv4};
pub use node::{Entries, Node, Object, Wrong};
pub use settings::{Settings, Tracing};
