//! Readiness, as poll(2) and epoll(7) count it.
#![expect(clippy::disallowed_methods, reason = "the macro's own code extends sets of bits, which takes no memory")]

bitflags::bitflags! {
    /// Readiness, with the values of `POLL*` and `EPOLL*` (poll(2)).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Events: u32 {
        /// There is something to read, or a connection to accept.
        const READ = 0x001;
        /// Urgent data.
        const PRIORITY = 0x002;
        /// There is room to write.
        const WRITE = 0x004;
        /// Something failed. Always reported.
        const ERROR = 0x008;
        /// Both directions are closed. Always reported.
        const HANG_UP = 0x010;
        /// The descriptor is not open (poll only).
        const INVALID = 0x020;
        /// As `READ` (`POLLRDNORM`).
        const READ_NORMAL = 0x040;
        /// As `WRITE` (`POLLWRNORM`).
        const WRITE_NORMAL = 0x100;
        /// The peer will send no more.
        const READ_HANG_UP = 0x2000;
    }
}
