//! Connections by their 4-tuple, and the local ports that they hold: bind(2) refuses them, also when nobody listens there any
//! more.

use super::{Endpoint, Options, addresses_overlap, engine::Tuple};
use crate::{hash::HashMap, slab::Key};
use rumpkin_collections::{OrderedMap, OutOfMemory};

/// Whether a socket shares its port: with SO_REUSEADDR, and with SO_REUSEPORT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reuse {
    pub address: bool,
    pub port: bool,
}

impl Reuse {
    pub fn of(options: &Options) -> Reuse {
        Reuse { address: options.reuse_address, port: options.reuse_port }
    }

    /// Whether two that both connect, or bind without listening, may have one port.
    pub fn allows(self, other: Reuse) -> bool {
        self.address && other.address || self.port && other.port
    }
}

/// How many connections hold a local endpoint. Its entries are as many as there are endpoints, not connections.
#[derive(Default)]
pub struct Holders(OrderedMap<(u64, u64), usize>);

fn number((address, port): Endpoint, reuse: Reuse) -> (u64, u64) {
    let flags = u64::from(reuse.address) << 1 | u64::from(reuse.port);
    (port.into(), u64::from(u32::from(address)) << 2 | flags)
}

impl Holders {
    pub fn add(&mut self, local: Endpoint, reuse: Reuse) -> Result<(), OutOfMemory> {
        let number = number(local, reuse);
        match self.0.get_mut(number) {
            Some(count) => *count = count.saturating_add(1),
            None => {
                self.0.try_insert(number, 1usize)?;
            }
        }
        Ok(())
    }

    pub fn remove(&mut self, local: Endpoint, reuse: Reuse) {
        let number = number(local, reuse);
        match self.0.get_mut(number) {
            Some(count) if *count > 1 => *count = count.saturating_sub(1),
            _ => {
                self.0.remove(number);
            }
        }
    }

    /// Whether a socket may not be bound to an endpoint for their sake.
    pub fn forbid(&self, (address, port): Endpoint, reuse: Reuse) -> bool {
        let port = u64::from(port);
        self.0.range((port, 0), (port.saturating_add(1), 0)).any(|((_, holder), _)| {
            let theirs = Reuse { address: holder & 2 != 0, port: holder & 1 != 0 };
            addresses_overlap(address, ((holder >> 2) as u32).into()) && !reuse.allows(theirs)
        })
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The connections.
pub struct Tuples {
    keys: HashMap<Tuple, (Key, Reuse)>,
    /// The ports of those connections.
    pub holders: Holders,
}

impl Tuples {
    pub fn new() -> Tuples {
        Tuples { keys: HashMap::new(), holders: Holders::default() }
    }

    /// The connection of a tuple.
    pub fn get(&self, tuple: &Tuple) -> Option<Key> {
        self.keys.get(tuple).map(|(key, _)| key)
    }

    /// Adds a connection.
    pub fn enter(&mut self, tuple: Tuple, key: Key, reuse: Reuse) -> Result<(), OutOfMemory> {
        self.holders.add(tuple.local, reuse)?;
        match self.keys.try_insert(tuple, (key, reuse)) {
            Ok(None) => {}
            Ok(Some((_, old))) => self.holders.remove(tuple.local, old),
            Err(refusal) => {
                self.holders.remove(tuple.local, reuse);
                return Err(refusal);
            }
        }
        Ok(())
    }

    /// A connection shares its port in another way from now on.
    pub fn change(&mut self, tuple: &Tuple, key: Key, reuse: Reuse) -> Result<(), OutOfMemory> {
        if self.keys.get(tuple).is_some_and(|(owner, old)| owner == key && old != reuse) {
            self.enter(*tuple, key, reuse)?;
        }
        Ok(())
    }

    /// Takes a connection out, unless its tuple is another's by now.
    pub fn leave(&mut self, tuple: &Tuple, key: Key) {
        if self.get(tuple) == Some(key)
            && let Some((_, reuse)) = self.keys.remove(tuple)
        {
            self.holders.remove(tuple.local, reuse);
        }
    }

    /// A number for a tuple that nobody outside can foretell.
    pub fn hash(&self, tuple: &Tuple) -> usize {
        self.keys.hash(tuple)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ip::wire::Address, slab::Slab};
    use rumpuser_hosted as _;

    const SHARING: Reuse = Reuse { address: true, port: false };

    fn tuple(local: Address, remote: u16) -> Tuple {
        Tuple { local: (local, 80), remote: ([10, 0, 0, 2].into(), remote) }
    }

    #[test]
    fn a_port_is_held_until_its_last_connection_leaves() {
        let (here, elsewhere) = (Address::LOCALHOST, Address::new(10, 0, 0, 1));
        let (mut tuples, mut slab) = (Tuples::new(), Slab::default());
        let [one, other] = [slab.try_insert(()).unwrap(), slab.try_insert(()).unwrap()];
        tuples.enter(tuple(here, 1), one, Reuse::default()).unwrap();
        tuples.enter(tuple(here, 2), other, SHARING).unwrap();
        for (address, forbidden) in [(here, true), (Address::UNSPECIFIED, true), (elsewhere, false)] {
            assert_eq!(tuples.holders.forbid((address, 80), SHARING), forbidden, "{address}");
        }
        assert!(!tuples.holders.forbid((here, 81), SHARING));
        tuples.leave(&tuple(here, 1), other);
        assert_eq!(tuples.get(&tuple(here, 1)), Some(one));
        tuples.leave(&tuple(here, 1), one);
        assert!(!tuples.holders.forbid((here, 80), SHARING) && tuples.holders.forbid((here, 80), Reuse::default()));
        tuples.enter(tuple(here, 2), one, Reuse::default()).unwrap();
        tuples.leave(&tuple(here, 2), one);
        assert!(tuples.holders.is_empty());
    }
}
