//! mmap, munmap and mprotect.

use crate::{
    LOWEST_ADDRESS, Mm, PAGE_MASK, Request, Source, State,
    areas::{Area, Backing},
    fault::present,
    page_ceil,
    shared::SharedMemory,
};
use rumpkin_abi::Errno;
use rumpkin_collections::try_arc;
use rumpuser::memory::{self, PAGE_SIZE, Protection, USER_END};

/// Private memory that may be asked for at once even if the machine has less: programs that manage their own heap take
/// address space in pieces of 64 MiB, and touch little of it.
const LEAST_COMMIT: usize = 128 << 20;

/// What else there is to say of a mapping.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// What mprotect(2) may make of it: less than everything for a shared mapping of a file that is open for reading.
    pub maximum: Protection,
    /// However large it is, the program will not use all of it (`MAP_NORESERVE`).
    pub no_reserve: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Terms { maximum: Protection::all(), no_reserve: false }
    }
}

impl Mm {
    /// Maps; where, comes back. Errors as mmap(2): `EINVAL` for a length of 0 or a place that is not a page's, `ENOMEM` for
    /// want of room or of hope for memory, `EPERM` below [`LOWEST_ADDRESS`], `EEXIST` where something is that may not be replaced.
    pub fn map(&self, request: Request) -> Result<usize, Errno> {
        self.map_on(request, Terms::default())
    }

    /// The same, on other terms.
    pub fn map_on(&self, request: Request, terms: Terms) -> Result<usize, Errno> {
        if request.length == 0 {
            return Err(Errno::EINVAL);
        }
        let length = page_ceil(request.length).ok_or(Errno::ENOMEM)?;
        let private = matches!(request.source, Source::Anonymous { shared: false });
        if private && !terms.no_reserve {
            check_commit(length, request.protection)?;
        }
        let backing = match request.source {
            Source::Anonymous { shared: false } => Backing::Anonymous,
            Source::Anonymous { shared: true } => {
                Backing::Object { object: try_arc(SharedMemory::new(length))?, offset: 0, shared: true }
            }
            Source::File { object, offset, shared } => {
                if offset & PAGE_MASK as u64 != 0 {
                    return Err(Errno::EINVAL);
                }
                offset.checked_add(length as u64).ok_or(Errno::EOVERFLOW)?;
                Backing::Object { object, offset, shared }
            }
        };
        let mut state = self.state.lock();
        state.areas.make_room()?;
        let start = place(&state, request.address, length, request.fixed, request.replace)?;
        let end = start.saturating_add(length);
        self.remove(&mut state, start, end);
        state.areas.insert(start, Area { end, protection: request.protection, maximum: terms.maximum, backing });
        Ok(start)
    }

    /// Unmaps what is in a range. `EINVAL` if it is not pages of user memory, `ENOMEM` if too many areas would come of it.
    pub fn unmap(&self, address: usize, length: usize) -> Result<(), Errno> {
        let end = range_end(address, length).ok_or(Errno::EINVAL)?;
        if end == address {
            return Err(Errno::EINVAL);
        }
        let mut state = self.state.lock();
        if splits(&state, address, end) {
            state.areas.make_room()?;
        }
        self.remove(&mut state, address, end);
        Ok(())
    }

    /// Changes what user code may do with a range. `ENOMEM` if part of it is not mapped (what lies before has been changed),
    /// `EACCES` if a mapping's terms forbid it, `EINVAL` if it is not pages.
    pub fn protect(&self, address: usize, length: usize, protection: Protection) -> Result<(), Errno> {
        if address & PAGE_MASK != 0 {
            return Err(Errno::EINVAL);
        }
        let end = range_end(address, length).ok_or(Errno::ENOMEM)?;
        let mut state = self.state.lock();
        state.areas.make_room()?;
        let mut at = address;
        let mut refused = None;
        for (from, to, area) in state.areas.within(address, end) {
            if from != at {
                break;
            }
            if !area.maximum.contains(protection) {
                refused = Some(Errno::EACCES);
                break;
            }
            if matches!(area.backing, Backing::Anonymous) && !area.protection.contains(Protection::WRITE) {
                check_commit(to.saturating_sub(from), protection)?;
            }
            at = to;
        }
        if at > address {
            state.areas.protect(address, at, protection);
            self.space.protect(address, at.saturating_sub(address), present(protection));
        }
        match refused {
            Some(error) => Err(error),
            None if at < end => Err(Errno::ENOMEM),
            None => Ok(()),
        }
    }

    /// Removes the areas of a range and what the address space maps there; the first of them comes back. It allocates nothing
    /// but where it cuts an area in two.
    pub(crate) fn remove(&self, state: &mut State, start: usize, end: usize) -> Option<Area> {
        let mut first = None;
        state.areas.remove(start, end, |start, area| {
            self.space.unmap(start, area.end.saturating_sub(start));
            first.get_or_insert(area);
        });
        first
    }
}

/// Where a mapping goes.
fn place(state: &State, address: usize, length: usize, fixed: bool, replace: bool) -> Result<usize, Errno> {
    if fixed {
        if address & PAGE_MASK != 0 {
            return Err(Errno::EINVAL);
        }
        let end = address.checked_add(length).filter(|&end| end <= USER_END).ok_or(Errno::ENOMEM)?;
        if address < LOWEST_ADDRESS {
            return Err(Errno::EPERM);
        }
        if !replace && !state.areas.is_free(address, end) {
            return Err(Errno::EEXIST);
        }
        return Ok(address);
    }
    let wish = page_ceil(address).filter(|&wish| wish >= LOWEST_ADDRESS);
    let wished = wish.and_then(|wish| Some((wish, wish.checked_add(length).filter(|&end| end <= USER_END)?)));
    match wished {
        Some((start, end)) if state.areas.is_free(start, end) => Ok(start),
        _ => state.areas.find_room(length).ok_or(Errno::ENOMEM),
    }
}

/// Refuses private writable memory that the machine could never give, as Linux's heuristic overcommit does.
pub fn check_commit(length: usize, protection: Protection) -> Result<(), Errno> {
    let most = memory::total_frames().saturating_mul(PAGE_SIZE).max(LEAST_COMMIT);
    if protection.contains(Protection::WRITE) && length > most { Err(Errno::ENOMEM) } else { Ok(()) }
}

/// The end of a range that starts on a page border, rounded up; `None` if it is not in user memory.
pub fn range_end(address: usize, length: usize) -> Option<usize> {
    if address & PAGE_MASK != 0 {
        return None;
    }
    address.checked_add(page_ceil(length)?).filter(|&end| end <= USER_END)
}

/// Whether unmapping would cut one area in two.
fn splits(state: &State, start: usize, end: usize) -> bool {
    state.areas.find(start).is_some_and(|(from, area)| from < start && area.end > end)
}
