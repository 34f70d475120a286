//! Sets of signals.

use rumpkin_abi::linux::general;

/// Index of a signal in tables.
pub(crate) fn index(number: u8) -> usize {
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
