//! Areas by address: what each range of a process's addresses means, split and merged as ranges change.

use crate::{LOWEST_ADDRESS, Mappable, gaps::Gaps};
use alloc::sync::Arc;
use rumpkin_collections::{Iter, OrderedMap, OutOfMemory};
use rumpuser::memory::{self, PAGE_SIZE, Protection, USER_END};

/// The window of mappings without a wish: above executables (0x55…) and their heaps.
const WINDOW_START: usize = 0x6000_0000_0000;
/// Its end, before the random part is taken off: the stack has its place above.
const WINDOW_END: usize = 0x7ff0_0000_0000;
/// Bits of randomness in the place of mappings, in pages (Linux's `mmap_rnd_bits`).
const RANDOM_BITS: u32 = 28;
/// Most areas of a process (Linux's `vm.max_map_count`).
const MOST_AREAS: usize = 65530;

/// What is behind an area.
#[derive(Clone)]
pub enum Backing {
    /// Private memory, zero at first.
    Anonymous,
    /// Pages of an object.
    Object {
        object: Arc<dyn Mappable>,
        /// The byte of the object at the area's start.
        offset: u64,
        shared: bool,
    },
}

impl Backing {
    /// The same, seen from an address that lies `distance` bytes behind.
    fn advanced(&self, distance: usize) -> Backing {
        match self {
            Backing::Anonymous => Backing::Anonymous,
            Backing::Object { object, offset, shared } => {
                let offset = offset.saturating_add(distance as u64);
                Backing::Object { object: object.clone(), offset, shared: *shared }
            }
        }
    }

    /// Whether `next` goes on where this ends, `length` bytes from its start.
    fn continues(&self, length: usize, next: &Backing) -> bool {
        match (self, next) {
            (Backing::Anonymous, Backing::Anonymous) => true,
            (
                Backing::Object { object, offset, shared },
                Backing::Object { object: next_object, offset: next_offset, shared: next_shared },
            ) => {
                Arc::ptr_eq(object, next_object)
                    && offset.checked_add(length as u64) == Some(*next_offset)
                    && shared == next_shared
            }
            _ => false,
        }
    }
}

/// A range of addresses of one kind; its start is the key that it is found by.
#[derive(Clone)]
pub struct Area {
    pub end: usize,
    pub protection: Protection,
    /// What mprotect(2) may make of it.
    pub maximum: Protection,
    pub backing: Backing,
}

impl Area {
    /// Whether it belongs to several: stores are not private.
    pub fn shared(&self) -> bool {
        matches!(self.backing, Backing::Object { shared: true, .. })
    }

    /// The part from `from` to `to`, of an area that starts at `start`.
    pub fn part(&self, start: usize, from: usize, to: usize) -> Area {
        Area { end: to, backing: self.backing.advanced(from.saturating_sub(start)), ..self.clone() }
    }
}

/// The areas of a process. They do not overlap, and neighbours that could be one are one.
pub struct Areas {
    by_start: OrderedMap<usize, Area>,
    gaps: Gaps,
    most: usize,
}

impl Areas {
    /// No areas. `random` decides where the window ends; with little memory there may be fewer areas, since each takes
    /// some of the kernel's own.
    pub fn new(random: u64, total_frames: usize) -> Result<Areas, OutOfMemory> {
        let pages = random as usize & ((1usize << RANDOM_BITS) - 1);
        let high = WINDOW_END.saturating_sub(pages.saturating_mul(PAGE_SIZE));
        let most = total_frames.saturating_mul(4).min(MOST_AREAS);
        Ok(Areas { by_start: OrderedMap::new(), gaps: Gaps::new(WINDOW_START, high)?, most })
    }

    /// Asks for what one operation adds: an area, two more where it cuts others, and the gaps between. Refuses if there would
    /// be too many.
    pub fn make_room(&self) -> Result<(), OutOfMemory> {
        const MOST_NEW: usize = 3;
        if self.by_start.len().saturating_add(MOST_NEW) > self.most {
            return Err(OutOfMemory);
        }
        let entry = self.by_start.growth().saturating_add(self.gaps.growth());
        memory::ensure(entry.saturating_mul(MOST_NEW))
    }

    /// The area that holds an address, with its start.
    pub fn find(&self, address: usize) -> Option<(usize, &Area)> {
        let (start, area) = self.by_start.at_or_before(address)?;
        (address < area.end).then_some((start, area))
    }

    /// Every area, in order.
    pub fn iter(&self) -> Iter<'_, usize, Area> {
        self.by_start.iter()
    }

    /// The areas that touch a range, in order, each cut to it.
    pub fn within(&self, start: usize, end: usize) -> impl Iterator<Item = (usize, usize, &Area)> {
        let first = self.find(start).map_or(start, |(first, _)| first);
        let areas = self.by_start.range(first, end);
        areas.map(move |(from, area)| (from.max(start), area.end.min(end), area))
    }

    /// Whether areas cover a range without a hole.
    pub fn covers(&self, start: usize, end: usize) -> bool {
        let mut at = start;
        for (from, to, _) in self.within(start, end) {
            if from != at {
                return false;
            }
            at = to;
        }
        at >= end
    }

    /// Whether no area touches a range.
    pub fn is_free(&self, start: usize, end: usize) -> bool {
        self.within(start, end).next().is_none()
    }

    /// Where `length` bytes fit.
    pub fn find_room(&self, length: usize) -> Option<usize> {
        self.gaps.find(length).or_else(|| self.find_room_outside(length))
    }

    /// Outside the window: only for mappings that are larger than what is left there.
    fn find_room_outside(&self, length: usize) -> Option<usize> {
        let mut at = LOWEST_ADDRESS;
        for (start, area) in &self.by_start {
            if start.checked_sub(at).is_some_and(|room| room >= length) {
                return Some(at);
            }
            at = at.max(area.end);
        }
        (USER_END.checked_sub(at)? >= length).then_some(at)
    }

    /// Adds an area where there is none, joining it with its neighbours if they are of a kind. The caller has made room.
    pub fn insert(&mut self, start: usize, area: Area) {
        let (before, after, end) = (self.end_before(start), self.start_after(area.end), area.end);
        self.gaps.remove(before, after);
        self.gaps.add(before, start);
        self.gaps.add(end, after);
        self.put(start, area);
        self.merge(start, end);
    }

    #[expect(clippy::disallowed_methods, reason = "`make_room` has asked for it")]
    fn put(&mut self, start: usize, area: Area) {
        self.by_start.insert(start, area);
    }

    /// Removes what is in a range, cutting areas that reach out of it, for which the caller has made room. Each is handed to
    /// `each` with its start.
    pub fn remove(&mut self, start: usize, end: usize, mut each: impl FnMut(usize, Area)) {
        self.split(start);
        self.split(end);
        while let Some((start, _)) = self.by_start.range(start, end).next()
            && let Some(area) = self.by_start.remove(start)
        {
            let (before, after) = (self.end_before(start), self.start_after(area.end));
            self.gaps.remove(before, start);
            self.gaps.remove(area.end, after);
            self.gaps.add(before, after);
            each(start, area);
        }
    }

    /// Gives what is in a range another protection. The caller has made room.
    pub fn protect(&mut self, start: usize, end: usize, protection: Protection) {
        self.split(start);
        self.split(end);
        let mut at = start;
        while let Some((from, _)) = self.by_start.range(at, end).next()
            && let Some(area) = self.by_start.get_mut(from)
        {
            area.protection = protection;
            at = area.end;
        }
        self.merge(start, end);
    }

    fn end_before(&self, start: usize) -> usize {
        self.by_start.before(start).map_or(0, |(_, area)| area.end)
    }

    fn start_after(&self, end: usize) -> usize {
        self.by_start.at_or_after(end).map_or(USER_END, |(start, _)| start)
    }

    /// Makes `at` a border, if it lies inside an area.
    fn split(&mut self, at: usize) {
        let Some((start, _)) = self.by_start.before(at) else { return };
        let Some(area) = self.by_start.get_mut(start).filter(|area| area.end > at) else { return };
        let tail = area.part(start, at, area.end);
        area.end = at;
        self.put(at, tail);
    }

    /// Joins neighbours of a kind whose common border is in `start..=end`.
    fn merge(&mut self, start: usize, end: usize) {
        let first = self.by_start.before(start).or(self.by_start.at_or_after(start));
        let Some((mut current, _)) = first else { return };
        while current <= end {
            let Some(area) = self.by_start.get(current) else { return };
            let border = area.end;
            let joined = self.by_start.get(border).filter(|next| {
                area.protection == next.protection
                    && area.maximum == next.maximum
                    && area.backing.continues(border.saturating_sub(current), &next.backing)
            });
            match joined.map(|next| next.end) {
                Some(end) => {
                    self.by_start.remove(border);
                    if let Some(area) = self.by_start.get_mut(current) {
                        area.end = end;
                    }
                }
                None => match self.by_start.at_or_after(border) {
                    Some((next, _)) => current = next,
                    None => return,
                },
            }
        }
    }
}
