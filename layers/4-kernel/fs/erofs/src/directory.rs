//! Directories of an EROFS image: blocks of sorted entries, each block with its names behind them.

use crate::format::{Erofs, Inode};
use core::cmp::Ordering;
use rumpkin_abi::Errno;

const ENTRY: usize = 12;

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Inode number.
    pub number: u64,
    /// `DT_*` (EROFS counts otherwise).
    pub kind: u8,
    /// The name.
    pub name: &'static [u8],
}

/// A block of a directory.
struct Block {
    bytes: &'static [u8],
    count: usize,
}

impl Block {
    fn new(bytes: &'static [u8]) -> Result<Block, Errno> {
        let first = bytes.get(8..).and_then(|rest| rest.first_chunk()).ok_or(Errno::EIO)?;
        let names = usize::from(u16::from_le_bytes(*first));
        if names < ENTRY || names % ENTRY != 0 || names > bytes.len() {
            return Err(Errno::EIO);
        }
        Ok(Block { bytes, count: names / ENTRY })
    }

    fn entry(&self, index: usize) -> Result<Entry, Errno> {
        let raw = |index: usize| {
            let rest = self.bytes.get(index.saturating_mul(ENTRY)..).unwrap_or_default();
            rest.first_chunk::<ENTRY>().copied().ok_or(Errno::EIO)
        };
        let [n0, n1, n2, n3, n4, n5, n6, n7, low, high, kind, _] = raw(index)?;
        let begin = usize::from(u16::from_le_bytes([low, high]));
        let end = match index.saturating_add(1) {
            next if next < self.count => {
                let [.., low, high, _, _] = raw(next)?;
                usize::from(u16::from_le_bytes([low, high]))
            }
            _ => self.bytes.len(),
        };
        let mut name = self.bytes.get(begin..end).ok_or(Errno::EIO)?;
        if end == self.bytes.len() {
            // The last name of a block is padded with zeroes.
            name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        }
        let number = u64::from_le_bytes([n0, n1, n2, n3, n4, n5, n6, n7]);
        Ok(Entry { number, kind: KINDS.get(usize::from(kind)).copied().unwrap_or(0), name })
    }
}

/// `DT_*` by EROFS's types: regular, directory, character, block, FIFO, socket, symbolic link.
const KINDS: [u8; 8] = [0, 8, 4, 2, 6, 1, 12, 10];

impl Erofs {
    fn directory_blocks(&self, directory: &Inode) -> u64 {
        directory.size.div_ceil(self.block_size() as u64)
    }

    fn directory_block(&self, directory: &Inode, index: u64) -> Result<Block, Errno> {
        let data = self.data(directory, index.saturating_mul(self.block_size() as u64));
        Block::new(data.get(..self.block_size()).unwrap_or(data))
    }

    /// Looks up a name by binary search, first for the block and then in it. `ENOENT` if it is not there.
    pub fn find(&self, directory: &Inode, name: &[u8]) -> Result<Entry, Errno> {
        // The block that may hold the name is the last whose first name is not greater.
        let (mut low, mut high) = (0, self.directory_blocks(directory));
        while low < high {
            let middle = low.midpoint(high);
            let first = self.directory_block(directory, middle)?.entry(0)?;
            if first.name <= name { low = middle.saturating_add(1) } else { high = middle }
        }
        let block = self.directory_block(directory, low.checked_sub(1).ok_or(Errno::ENOENT)?)?;
        let (mut low, mut high) = (0, block.count);
        while low < high {
            let middle = low.midpoint(high);
            let entry = block.entry(middle)?;
            match entry.name.cmp(name) {
                Ordering::Equal => return Ok(entry),
                Ordering::Less => low = middle.saturating_add(1),
                Ordering::Greater => high = middle,
            }
        }
        Err(Errno::ENOENT)
    }

    /// Entries from a position on, with the position behind each, until `each` says false.
    pub fn entries(
        &self,
        directory: &Inode,
        position: u64,
        each: &mut dyn FnMut(Entry, u64) -> Result<bool, Errno>,
    ) -> Result<(), Errno> {
        // A position is a block's number and the index of the entry in it.
        let (mut number, mut index) = (position >> 16, (position & 0xffff) as usize);
        while number < self.directory_blocks(directory) {
            let block = self.directory_block(directory, number)?;
            while index < block.count {
                let entry = block.entry(index)?;
                if entry.name.is_empty()
                    || entry.name.len() > 255
                    || entry.name.iter().any(|byte| b"/\0".contains(byte))
                {
                    return Err(Errno::EIO);
                }
                index = index.saturating_add(1);
                if !each(entry, number << 16 | index as u64)? {
                    return Ok(());
                }
            }
            number = number.saturating_add(1);
            index = 0;
        }
        Ok(())
    }
}
