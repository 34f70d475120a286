//! Signals: sets, pending queues, dispositions (signal(7)). Frames on the user stack are the process component's.

use alloc::collections::VecDeque;
use rumpkin_abi::{SignalAction, SignalInfo, linux::general};
use rumpkin_collections::TryDeque;

/// How many signals there are; they are numbered from 1.
pub const COUNT: usize = 64;
/// The first real-time signal, of which several can be pending.
pub const FIRST_REALTIME: u8 = 32;
/// Most real-time signals that can be pending for one target.
const MAX_QUEUED: usize = 1024;

macro_rules! numbers {
    ($($name:ident)*) => { $(#[allow(missing_docs)] pub const $name: u8 = general::$name as u8;)* };
}
numbers! { SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM
SIGTERM SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO SIGPWR SIGSYS }

/// Index of a signal in tables.
pub fn index(number: u8) -> usize {
    usize::from(number).wrapping_sub(1)
}

/// A set of signals, in the layout of the kernel's `sigset_t`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SignalSet(pub u64);

impl SignalSet {
    /// SIGKILL and SIGSTOP, which nobody blocks.
    pub const UNBLOCKABLE: SignalSet = SignalSet(1 << (general::SIGKILL - 1) | 1 << (general::SIGSTOP - 1));

    /// The set of one signal.
    pub fn of(number: u8) -> SignalSet {
        SignalSet(1u64.checked_shl(index(number) as u32).unwrap_or(0))
    }

    /// Whether it holds the signal.
    pub fn contains(self, number: u8) -> bool {
        self.0 & SignalSet::of(number).0 != 0
    }

    /// Both sets.
    pub fn union(self, other: SignalSet) -> SignalSet {
        SignalSet(self.0 | other.0)
    }

    /// This set without the other.
    pub fn without(self, other: SignalSet) -> SignalSet {
        SignalSet(self.0 & !other.0)
    }

    /// What is in both.
    pub fn intersection(self, other: SignalSet) -> SignalSet {
        SignalSet(self.0 & other.0)
    }

    /// Whether it is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The lowest signal in it.
    pub fn first(self) -> Option<u8> {
        (self.0 != 0).then(|| (self.0.trailing_zeros() as u8).wrapping_add(1))
    }
}

/// A signal with what is told to its handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info(pub SignalInfo);

impl Info {
    /// Sent by kill(2) (`SI_USER`) or tgkill(2) (`SI_TKILL`).
    pub fn from_user(number: u8, code: i32, sender: u32) -> Info {
        let mut info = SignalInfo { number: i32::from(number), code, ..SignalInfo::default() };
        info.fields = [0; 14];
        if let Some(field) = info.fields.first_mut() {
            *field = u64::from(sender);
        }
        Info(info)
    }

    /// Sent by the kernel itself (`SI_KERNEL`).
    pub fn from_kernel(number: u8) -> Info {
        Info(SignalInfo { number: i32::from(number), code: 0x80, ..SignalInfo::default() })
    }

    /// Raised by an exception, with its address.
    pub fn from_fault(number: u8, code: i32, address: usize) -> Info {
        let mut info = SignalInfo { number: i32::from(number), code, ..SignalInfo::default() };
        if let Some(field) = info.fields.first_mut() {
            *field = address as u64;
        }
        Info(info)
    }

    /// A signal of which nothing else is known (`SI_USER`, without a sender), as Linux gives where memory is short.
    fn bare(number: u8) -> Info {
        Info(SignalInfo { number: i32::from(number), ..SignalInfo::default() })
    }

    /// The signal.
    pub fn number(self) -> u8 {
        self.0.number as u8
    }
}

/// Signals that wait to be taken.
#[derive(Debug, Default)]
pub struct Pending {
    queue: VecDeque<Info>,
    /// Those whose information there was no room for: that they are pending is all that is known.
    bare: SignalSet,
}

impl Pending {
    /// Adds a signal; a standard one that is pending already is not added twice.
    pub fn add(&mut self, number: u8, info: Info) {
        if number < FIRST_REALTIME && self.set().contains(number) {
            return;
        }
        let full = number >= FIRST_REALTIME && self.queue.len() >= MAX_QUEUED;
        if full || self.queue.try_push_back(info).is_err() {
            self.bare = self.bare.union(SignalSet::of(number));
        }
    }

    /// What is pending.
    pub fn set(&self) -> SignalSet {
        self.queue.iter().fold(self.bare, |set, info| set.union(SignalSet::of(info.number())))
    }

    /// Takes the lowest-numbered signal that is in `wanted`, the oldest of its kind.
    pub fn take(&mut self, wanted: SignalSet) -> Option<Info> {
        let number = self.set().intersection(wanted).first()?;
        let Some(position) = self.queue.iter().position(|info| info.number() == number) else {
            self.bare = self.bare.without(SignalSet::of(number));
            return Some(Info::bare(number));
        };
        let info = self.queue.remove(position);
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
        info
    }

    /// Forgets a signal.
    pub fn discard(&mut self, number: u8) {
        self.queue.retain(|info| info.number() != number);
        self.bare = self.bare.without(SignalSet::of(number));
    }
}

/// What becomes of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The program ends with status 128 + signal.
    Terminate,
    /// Nothing.
    Ignore,
    /// The program would stop; there is nobody who could continue it, so nothing happens, and it is logged.
    Stop,
    /// The program's handler runs.
    Handle,
}

/// What becomes of a signal under an action.
pub fn disposition(number: u8, action: &SignalAction) -> Disposition {
    match action.handler {
        0 => match number {
            SIGCHLD | SIGURG | SIGWINCH | SIGCONT => Disposition::Ignore,
            SIGSTOP | SIGTSTP | SIGTTIN | SIGTTOU => Disposition::Stop,
            _ => Disposition::Terminate,
        },
        1 => Disposition::Ignore,
        _ => Disposition::Handle,
    }
}
