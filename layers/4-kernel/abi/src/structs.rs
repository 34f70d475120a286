//! Structures that cross the user boundary, in the layout of Linux x86-64.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

macro_rules! structs {
    ($( $(#[$doc:meta])* $name:ident { $($field:ident: $ty:ty),* $(,)? } )*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
        #[repr(C)]
        #[allow(missing_docs)]
        pub struct $name { $(pub $field: $ty),* }
    )* };
}

structs! {
    /// `struct iovec`.
    IoVector { base: u64, length: u64 }

    /// `struct stat` (stat(2)).
    Stat {
        device: u64, inode: u64, links: u64, mode: u32, uid: u32, gid: u32, padding: u32, special_device: u64,
        size: i64, block_size: i64, blocks: i64,
        access_time: u64, access_nanoseconds: u64, modify_time: u64, modify_nanoseconds: u64,
        change_time: u64, change_nanoseconds: u64, unused: [u64; 3],
    }

    /// `struct kernel_sigaction` (rt_sigaction(2)).
    SignalAction { handler: u64, flags: u64, restorer: u64, mask: u64 }

    /// `stack_t` (sigaltstack(2)).
    SignalStack { base: u64, flags: i32, padding: u32, size: u64 }

    /// `siginfo_t` of the kinds that carry a process or an address (sigaction(2)); 128 bytes.
    SignalInfo { number: i32, error: i32, code: i32, padding: i32, fields: [u64; 14] }

    /// `struct pollfd` (poll(2)).
    PollDescriptor { descriptor: i32, events: u16, returned: u16 }

    /// `struct itimerspec` (timerfd_create(2)).
    IntervalTimer { interval: crate::Timespec, value: crate::Timespec }

    /// `struct rlimit` (getrlimit(2)).
    ResourceLimit { current: u64, maximum: u64 }

    /// `struct sockaddr_in` (ip(7)); port and address in network order.
    SocketAddressV4 { family: u16, port: [u8; 2], address: [u8; 4], zero: [u8; 8] }
}

/// `struct epoll_event` (epoll_ctl(2)); packed on x86-64.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs)]
pub struct EpollEvent {
    pub events: u32,
    pub data: [u8; 8],
}

/// `struct utsname` (uname(2)); each field ends in zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
#[allow(missing_docs)]
pub struct SystemName {
    pub system: [u8; 65],
    pub node: [u8; 65],
    pub release: [u8; 65],
    pub version: [u8; 65],
    pub machine: [u8; 65],
    pub domain: [u8; 65],
}
