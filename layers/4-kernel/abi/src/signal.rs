//! Signal numbers, and what is told of a signal (signal(7), sigaction(2)).

use crate::{SignalInfo, linux::general};

/// How many signals there are; they are numbered from 1.
pub const COUNT: usize = 64;
/// The first real-time signal, of which several can be pending.
pub const FIRST_REALTIME: u8 = 32;
/// `si_code` of a signal that the kernel itself sent.
const SI_KERNEL: i32 = 0x80;

macro_rules! numbers {
    ($($name:ident)*) => { $(#[expect(missing_docs, reason = "signal(7) tells")] pub const $name: u8 = general::$name as u8;)* };
}
numbers! { SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM
SIGTERM SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO SIGPWR SIGSYS }

impl SignalInfo {
    /// Of the kind `code`, with what comes first in its fields.
    fn of(number: u8, code: i32, first: u64) -> SignalInfo {
        let mut info = SignalInfo { number: i32::from(number), code, ..SignalInfo::default() };
        if let Some(field) = info.fields.first_mut() {
            *field = first;
        }
        info
    }

    /// Sent by kill(2) (`SI_USER`) or tgkill(2) (`SI_TKILL`).
    pub fn from_user(number: u8, code: i32, sender: u32) -> SignalInfo {
        SignalInfo::of(number, code, u64::from(sender))
    }

    /// Sent by the kernel itself.
    pub fn from_kernel(number: u8) -> SignalInfo {
        SignalInfo::of(number, SI_KERNEL, 0)
    }

    /// Raised by an exception, with its address.
    pub fn from_fault(number: u8, code: i32, address: usize) -> SignalInfo {
        SignalInfo::of(number, code, address as u64)
    }

    /// The signal.
    pub fn signal(&self) -> u8 {
        self.number as u8
    }
}
