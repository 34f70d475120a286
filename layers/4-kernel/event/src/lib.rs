//! Layer 4: readiness (epoll, poll, select) and the files that exist for it (eventfd, timerfd, pipes).
//!
//! Depends on `rumpuser`, `rumpkin-abi`, `rumpkin-spine`, and on `rumpkin-signal` for masks that hold for a wait. What is watched
//! but idle costs nothing: each member of an epoll set observes its file, and only those that announced something are looked at.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_macros))]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)
)]

extern crate alloc;

mod deadline;
mod epoll;
mod epoll_calls;
mod eventfd;
mod pipe;
mod poll;
mod select;
mod timerfd;

use rumpkin_spine::{
    Kernel,
    abi::{Errno, Stat, linux::general},
    system_calls,
};

/// Adds the component.
pub fn register(kernel: &mut Kernel) {
    kernel.add_calls(system_calls! {
        epoll_create => epoll_calls::epoll_create;
        epoll_create1 => epoll_calls::epoll_create1;
        epoll_ctl => epoll_calls::epoll_ctl, "EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE (wakes all); EPOLLWAKEUP is ignored";
        epoll_wait => epoll_calls::epoll_wait;
        epoll_pwait => epoll_calls::epoll_pwait;
        epoll_pwait2 => epoll_calls::epoll_pwait2;
        eventfd => eventfd::eventfd;
        eventfd2 => eventfd::eventfd2;
        pipe => pipe::pipe;
        pipe2 => pipe::pipe2, "O_CLOEXEC, O_NONBLOCK; O_DIRECT is EINVAL";
        poll => poll::poll;
        ppoll => poll::ppoll;
        select => select::select;
        pselect6 => select::pselect6;
        timerfd_create => timerfd::timerfd_create, "CLOCK_REALTIME, MONOTONIC, BOOTTIME";
        timerfd_settime => timerfd::timerfd_settime, "TFD_TIMER_ABSTIME; TFD_TIMER_CANCEL_ON_SET never cancels: the clock is not set";
        timerfd_gettime => timerfd::timerfd_gettime;
    });
}

/// Attributes of a file that has no inode of its own (what Linux calls an anonymous inode).
fn anonymous_stat(mode: u32) -> Result<Stat, Errno> {
    Ok(Stat { mode: mode | 0o600, links: 1, block_size: 4096, ..Stat::default() })
}

/// `O_CLOEXEC` and `O_NONBLOCK` have these values in all the calls that make such files.
const CREATION_FLAGS: u32 = general::O_CLOEXEC | general::O_NONBLOCK;
