//! How much memory connections may take: buffers, and what each needs besides.

use super::{Socket, connection::Connection, engine::STORAGE};
use crate::shared::Shared;
use alloc::sync::Arc;
use rumpkin_collections::{Account, Charge, OutOfMemory, footprint};

/// Smallest and largest buffer that is chosen for a connection.
const SMALLEST: usize = 8 * 1024;
const LARGEST: usize = 256 * 1024;
/// Largest that a program may ask for.
const LARGEST_REQUEST: usize = 4 * 1024 * 1024;
/// What a connection takes besides its buffers: its structures, and its places in tables.
const STRUCTURES: usize = footprint(size_of::<Connection>())
    .saturating_add(footprint(STORAGE))
    .saturating_add(footprint(size_of::<Shared>()))
    .saturating_add(size_of::<Socket>())
    .saturating_add(256);

/// Memory, handed out so that the first connections get plenty and a thousand still fit.
pub struct Budget {
    /// Up to here buffers are generous.
    comfortable: usize,
    account: Arc<Account>,
}

impl Budget {
    /// For a machine with this many bytes of memory.
    #[expect(clippy::disallowed_methods, reason = "once, when the machine boots")]
    pub fn new(memory: usize) -> Self {
        Budget { comfortable: memory / 6, account: Arc::new(Account::new(memory / 2)) }
    }

    /// The size of one buffer: what was asked for, or a share of what is left, in a power of two. `free`: bytes of memory
    /// that nobody uses.
    pub fn choose(&self, requested: Option<usize>, free: usize) -> usize {
        match requested {
            Some(size) => size.clamp(SMALLEST / 2, LARGEST_REQUEST.min(free / 4).max(SMALLEST)),
            None => {
                let share = self.comfortable.saturating_sub(self.account.used()).min(free / 4) / 64;
                1usize.checked_shl(share.checked_ilog2().unwrap_or(0)).unwrap_or(SMALLEST).clamp(SMALLEST, LARGEST)
            }
        }
    }

    /// Charges a connection with buffers of these sizes, until it is dropped.
    pub fn charge(&self, receive: usize, send: usize) -> Result<Charge, OutOfMemory> {
        let mut charge = Charge::new(&self.account);
        charge.add(footprint(receive).saturating_add(footprint(send)).saturating_add(STRUCTURES))?;
        Ok(charge)
    }

    /// Bytes that are taken.
    pub fn used(&self) -> usize {
        self.account.used()
    }

    /// How many connections may be in their handshake, so that a flood of SYNs leaves memory for the others.
    pub fn half_open_limit(&self) -> usize {
        (self.account.limit() / 4 / (2 * SMALLEST)).clamp(16, 256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn a_thousand_connections_fit_in_64_mib() {
        let budget = Budget::new(64 << 20);
        assert_eq!(budget.choose(None, 50 << 20), 128 * 1024);
        let size = || budget.choose(None, 50 << 20);
        let charges: Vec<_> = (0..1000).map(|_| budget.charge(size(), size()).unwrap()).collect();
        assert!(budget.used() < 30 << 20, "{}", budget.used());
        drop(charges);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn there_is_a_limit() {
        let budget = Budget::new(16 << 20);
        let size = || budget.choose(None, 50 << 20);
        let charges: Vec<_> = (0..10_000).map_while(|_| budget.charge(size(), size()).ok()).collect();
        assert!((350..600).contains(&charges.len()), "{}", charges.len());
    }
}
