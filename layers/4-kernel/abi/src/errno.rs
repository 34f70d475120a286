//! Error numbers (errno(3)).

use core::{fmt, num::NonZeroU16};
use linux_raw_sys::errno;
use rumpuser::memory::OutOfMemory;

/// Why a system call failed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(NonZeroU16);

macro_rules! numbers {
    ($($name:ident $text:literal;)*) => {
        impl Errno {
            $(#[doc = $text] pub const $name: Errno = Errno::of(errno::$name as u16);)*

        }

        /// Every number, and the names in the same order: one string takes less room than a table of strings.
        const NUMBERS: &[Errno] = &[$(Errno::$name,)* Errno::ERESTARTSYS, Errno::ERESTARTNOHAND];
        const NAMES: &str = concat!($(stringify!($name), " ",)* "ERESTARTSYS ERESTARTNOHAND");
    };
}

numbers! {
    EPERM "Operation not permitted."; ENOENT "No such file or directory."; ESRCH "No such process.";
    EINTR "Interrupted by a signal."; EIO "Input or output error."; ENXIO "No such device or address.";
    E2BIG "Argument list too long."; ENOEXEC "Not a program."; EBADF "Bad file descriptor."; ECHILD "No child.";
    EAGAIN "Try again."; ENOMEM "Out of memory."; EACCES "Permission denied."; EFAULT "Bad address.";
    ENOTBLK "Not a block device."; EBUSY "Busy."; EEXIST "Exists."; EXDEV "Across file systems."; ENODEV "No such device.";
    ENOTDIR "Not a directory."; EISDIR "A directory."; EINVAL "Invalid argument."; ENFILE "Too many files in the system.";
    EMFILE "Too many files open."; ENOTTY "Not a terminal."; ETXTBSY "Program is running."; EFBIG "File too large.";
    ENOSPC "No space."; ESPIPE "Cannot seek."; EROFS "Read-only file system."; EMLINK "Too many links."; EPIPE "Broken pipe.";
    EDOM "Out of domain."; ERANGE "Out of range."; EDEADLK "Would deadlock."; ENOLCK "No locks left."; ENAMETOOLONG "Name too long."; ENOSYS "No such system call.";
    ENOTEMPTY "Not empty."; ELOOP "Too many symbolic links."; ENODATA "No data."; EOVERFLOW "Value too large.";
    EBADFD "File descriptor in bad state."; EILSEQ "Illegal byte sequence."; ENOTSOCK "Not a socket."; EDESTADDRREQ "Destination needed.";
    EMSGSIZE "Message too long."; EPROTOTYPE "Wrong protocol type."; ENOPROTOOPT "No such option."; EPROTONOSUPPORT "No such protocol.";
    ESOCKTNOSUPPORT "No such socket type."; EOPNOTSUPP "Not supported."; EPFNOSUPPORT "No such protocol family.";
    EAFNOSUPPORT "No such address family."; EADDRINUSE "Address in use."; EADDRNOTAVAIL "No such local address."; ENETDOWN "Network down.";
    ENETUNREACH "Network unreachable."; ECONNABORTED "Connection aborted."; ECONNRESET "Connection reset."; ENOBUFS "No buffer space.";
    EISCONN "Connected."; ENOTCONN "Not connected."; ETIMEDOUT "Timed out."; ECONNREFUSED "Connection refused."; EHOSTUNREACH "No route to host.";
    EALREADY "Under way."; EINPROGRESS "In progress."; ECANCELED "Cancelled."; EOWNERDEAD "Owner died."; ENOTRECOVERABLE "Not recoverable.";
}

impl Errno {
    /// Interrupted; the call starts again unless a handler without `SA_RESTART` ran. Never seen by a program.
    pub const ERESTARTSYS: Errno = Errno::of(512);
    /// Interrupted; the call starts again unless any handler ran. Never seen by a program.
    pub const ERESTARTNOHAND: Errno = Errno::of(514);

    const fn of(number: u16) -> Errno {
        match NonZeroU16::new(number) {
            Some(number) => Errno(number),
            None => Errno(NonZeroU16::MIN),
        }
    }

    /// The symbol, e.g. `"ENOENT"`.
    pub fn name(self) -> &'static str {
        let place = NUMBERS.iter().position(|other| *other == self);
        place.and_then(|place| NAMES.split(' ').nth(place)).unwrap_or("E?")
    }

    /// The number.
    pub fn number(self) -> i32 {
        i32::from(self.0.get())
    }

    /// What a system call returns in `rax` for it.
    pub fn to_rax(self) -> u64 {
        u64::from(self.0.get()).wrapping_neg()
    }
}

impl From<OutOfMemory> for Errno {
    fn from(_: OutOfMemory) -> Self {
        Errno::ENOMEM
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumpuser_hosted as _;

    #[test]
    fn names_stand_at_their_numbers() {
        assert_eq!(Errno::EPERM.name(), "EPERM");
        assert_eq!(Errno::ENOTRECOVERABLE.name(), "ENOTRECOVERABLE");
        assert_eq!(Errno::ERESTARTNOHAND.name(), "ERESTARTNOHAND");
        assert_eq!(Errno::of(4000).name(), "E?");
    }
}
