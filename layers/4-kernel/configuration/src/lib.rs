//! Layer 4: the configuration document: read, laid over another one, checked.
//!
//! A JSON default is baked into the image, and overridden key by key by a document that is given at launch. [`Documents`]
//! are the two. Of their [root](Documents::root) [`Configuration`] is made where a program runs; an app without userspace has
//! keys of its own, leaves the kernel's to [`Settings::take`], and has [`Object::finish`] complain about the rest. What a key
//! may say is written once, by `object!`: `docs/configuration.md` and `docs/configuration.schema.json` are made of it.
//!
//! The crate stands on nothing of ours. The launcher and `rumpkin-bake` refuse by the same code what the guest would, and lay
//! documents over each other by the same code ([`overlay`]). What it takes of memory and time is in proportion to the document's length, which is [limited](limit) by the machine's memory:
//!
//! ```text
//!   text    { "a" : [ "x" , 1 ] , "b" : null }      borrowed; strings are decoded when they are taken
//!   slots   {  "a"  [  "x"  1     "b"   null        one allocation of 16 bytes for each value and key
//!   order      ╰─────────────────── ╯               keys of each object, sorted: found in O(log n), doubles seen
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)
)]

extern crate alloc;

#[macro_use]
mod describe;

mod check;
mod configuration;
mod credentials;
mod document;
mod documents;
mod mounts;
mod network;
mod node;
mod program;
mod settings;
mod text;

pub use check::{Moment, check};
pub use configuration::{Configuration, Userland};
pub use credentials::Credential;
pub use describe::{Form, Key, Text};
pub use document::{Document, Malformed};
pub use documents::{ConfigurationError, Documents, LIMIT, limit, overlay};
pub use mounts::Mount;
pub use network::{Address, Network, parse_ipv4};
pub use node::{Entries, Node, Object, Wrong};
pub use program::{Arguments, MOST_ARGUMENTS, Program, Variables};
pub use settings::{Settings, Tracing};
