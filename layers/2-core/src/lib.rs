//! Layer 2: memory, threads, time and traps of one machine, and the interfaces that platforms implement
#![no_std]

extern crate alloc;

pub mod boot;
pub mod interface;
