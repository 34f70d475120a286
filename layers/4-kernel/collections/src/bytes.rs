//! A queue of bytes in pages, which grows without moving and gives a page back as soon as it has been read.

use crate::{OutOfMemory, TryDeque, try_with_capacity};
use alloc::{collections::VecDeque, vec::Vec};

/// Bytes of a page.
const PAGE: usize = 4096;

/// First in, first out. Its memory is proportional to its length; an empty one has none.
#[derive(Default)]
pub struct ByteQueue {
    pages: VecDeque<Vec<u8>>,
    /// So many bytes of the first page have been taken.
    taken: usize,
    length: usize,
}

impl ByteQueue {
    /// Nothing.
    pub const fn new() -> Self {
        ByteQueue { pages: VecDeque::new(), taken: 0, length: 0 }
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends bytes: all, or none if there is no room for them.
    pub fn try_extend(&mut self, data: &[u8]) -> Result<(), OutOfMemory> {
        let (filled, rest) = data.split_at(data.len().min(self.room_of_last()));
        let mut pages = VecDeque::new();
        pages.try_reserve_more(rest.len().div_ceil(PAGE))?;
        self.pages.try_reserve_more(rest.len().div_ceil(PAGE))?;
        for bytes in rest.chunks(PAGE) {
            let mut page = try_with_capacity(PAGE)?;
            append(&mut page, bytes);
            pages.try_push_back(page)?;
        }
        if let Some(last) = self.pages.back_mut() {
            append(last, filled);
        }
        self.pages.append(&mut pages);
        self.length = self.length.saturating_add(data.len());
        Ok(())
    }

    fn room_of_last(&self) -> usize {
        self.pages.back().map_or(0, |page| PAGE.saturating_sub(page.len()))
    }

    /// The oldest bytes, as far as they lie together; none if the queue is empty.
    pub fn front(&self) -> &[u8] {
        self.pages.front().and_then(|page| page.get(self.taken..)).unwrap_or_default()
    }

    /// Drops so many of the oldest bytes.
    pub fn consume(&mut self, mut count: usize) {
        while count > 0 && !self.pages.is_empty() {
            let piece = count.min(self.front().len());
            self.taken = self.taken.saturating_add(piece);
            self.length = self.length.saturating_sub(piece);
            count = count.saturating_sub(piece);
            if self.front().is_empty() {
                self.pages.pop_front();
                self.taken = 0;
            }
        }
        if self.pages.is_empty() {
            self.pages = VecDeque::new();
        }
    }

    /// The bytes, in pieces.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let skipped = core::iter::once(self.taken).chain(core::iter::repeat(0));
        self.pages.iter().zip(skipped).filter_map(|(page, skipped)| page.get(skipped..))
    }
}

/// Appends to a page that has room.
#[expect(clippy::disallowed_methods, reason = "a page has been allocated whole")]
fn append(page: &mut Vec<u8>, bytes: &[u8]) {
    page.extend_from_slice(bytes);
}
