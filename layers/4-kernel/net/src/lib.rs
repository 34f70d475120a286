//! Layer 4: TCP, UDP and IPv4 over the links that the platform gives.
//!
//! Depends on `rumpuser`, `rumpkin-abi`, `rumpkin-spine`, and on `smoltcp` for TCP's state machine alone: addresses,
//! neighbors, demultiplexing, timers, UDP, ICMP and DHCP are here. Invariants:
//! - A packet's cost does not depend on how many sockets are open, and what is idle has no timer.
//! - Whatever a peer sends is an answer, an error or a drop; what it can make us keep is bounded everywhere.
//! - One lock, [`net::Net`], which is never held while somebody is told or woken.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)
)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_macros))]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod deadlines;
pub mod direct;
mod hash;
mod ip;
mod list;
mod local;
mod net;
mod ports;
mod shared;
mod slab;
mod socket;
mod stack;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

pub use net::{Dropped, Net, Usage};

use alloc::sync::Arc;
use rumpkin_collections::OutOfMemory;
use rumpkin_spine::{Errno, Kernel};

/// What a call on a socket says when memory has run out.
fn no_buffers(_: OutOfMemory) -> Errno {
    Errno::ENOBUFS
}

/// Adds the network to a kernel: its first link and loopback, sockets, `/etc/resolv.conf`.
pub fn register(kernel: &mut Kernel) {
    let net = attach(kernel);
    kernel.add_calls(socket::calls::CALLS);
    kernel.add_generated_file("/etc/resolv.conf", {
        let net = net.clone();
        move |_| net.resolver_configuration()
    });
}

/// Adds the network without its system calls, for an app without userspace, which calls [`direct`]: the first link and
/// loopback.
pub fn attach(kernel: &mut Kernel) -> Arc<Net> {
    let net = net::of(kernel);
    kernel.parts.insert(net.clone());
    kernel.on_start({
        let net = net.clone();
        move |_| net.start()
    });
    net
}
