//! The pager: what happens when an address is accessed that is not mapped, or not that way.

use crate::{
    Mm, PAGE_MASK, State,
    areas::{Area, Backing},
    page_floor,
};
use rumpkin_abi::Errno;
use rumpuser::memory::{Access, Frame, FrameNumber, Mapping, PAGE_SIZE, Protection};

/// Pages around a fault on an object that are mapped along with it, if they are at hand: 64 KiB, aligned, as Linux does.
const AROUND: usize = 16 * PAGE_SIZE;

/// Bytes of a page, as offsets in objects count them.
const PAGE_BYTES: u64 = PAGE_SIZE as u64;

/// Why an access is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultError {
    /// No mapping has the address: SIGSEGV with `SEGV_MAPERR`.
    NoMapping,
    /// The mapping does not allow it: SIGSEGV with `SEGV_ACCERR`.
    Protection,
    /// Beyond the end of the mapped object, or the object failed: SIGBUS with `BUS_ADRERR`.
    BeyondEnd,
    /// There is no frame left.
    OutOfMemory,
}

impl Mm {
    /// Makes an access possible, or says why not. May block for the object that is mapped there.
    pub fn handle_fault(&self, address: usize, access: Access) -> Result<(), FaultError> {
        let state = self.state.lock();
        self.fault_in(&state, address, access)
    }

    /// Makes the pages of a range present, for reading or, where that is allowed, for writing.
    pub(crate) fn populate(&self, start: usize, end: usize) -> Result<(), FaultError> {
        let state = self.state.lock();
        for (from, to, area) in state.areas.within(start, end) {
            let access = if area.protection.contains(Protection::WRITE) { Access::Write } else { Access::Read };
            for address in (from..to).step_by(PAGE_SIZE) {
                self.fault_in(&state, address, access)?;
            }
        }
        Ok(())
    }

    /// The frame under an address of a shared mapping, whose number stays as long as it is mapped; `None` for private
    /// memory. Errors are those of a load.
    pub fn shared_frame(&self, address: usize) -> Result<Option<FrameNumber>, FaultError> {
        let state = self.state.lock();
        let (_, area) = state.areas.find(address).ok_or(FaultError::NoMapping)?;
        if !area.shared() {
            return Ok(None);
        }
        self.fault_in(&state, address, Access::Read)?;
        Ok(self.space.query(page_floor(address)).map(|mapping| mapping.frame.number()))
    }

    fn fault_in(&self, state: &State, address: usize, access: Access) -> Result<(), FaultError> {
        let page = page_floor(address);
        let (start, area) = state.areas.find(page).ok_or(FaultError::NoMapping)?;
        let protection = present(area.protection);
        if !protection.contains(access.needs()) {
            return Err(FaultError::Protection);
        }
        match self.space.query(page) {
            Some(mapping) if mapping.copy_on_write && access == Access::Write => {
                let copy = mapping.frame.duplicate().ok_or(FaultError::OutOfMemory)?;
                self.put(page, copy, protection, false)
            }
            // Another thread was faster.
            Some(_) => Ok(()),
            None => match &area.backing {
                Backing::Anonymous => {
                    let frame = Frame::allocate().ok_or(FaultError::OutOfMemory)?;
                    self.put(page, frame, protection, false)
                }
                Backing::Object { .. } => self.fault_object(start, area, page, access),
            },
        }
    }

    fn fault_object(&self, start: usize, area: &Area, page: usize, access: Access) -> Result<(), FaultError> {
        let Backing::Object { object, shared, .. } = &area.backing else { return Err(FaultError::NoMapping) };
        let protection = present(area.protection);
        let index = object_page(start, area, page);
        let frame = object.frame(index).map_err(|error| match error {
            Errno::ENOMEM => FaultError::OutOfMemory,
            _ => FaultError::BeyondEnd,
        })?;
        // A page that the object made for this call belongs to nobody else.
        let own = !shared && frame.is_unique();
        if access == Access::Write && !shared && !own {
            let copy = frame.duplicate().ok_or(FaultError::OutOfMemory)?;
            return self.put(page, copy, protection, false);
        }
        self.put(page, frame, protection, !shared && !own)?;
        if access != Access::Write {
            self.fault_around(start, area, page);
        }
        Ok(())
    }

    /// Maps neighbours that cost nothing. That one of them fails is no error of this fault.
    fn fault_around(&self, start: usize, area: &Area, page: usize) {
        let Backing::Object { object, shared, .. } = &area.backing else { return };
        let window = page & !(AROUND - 1);
        let (from, to) = (window.max(start), window.saturating_add(AROUND).min(area.end));
        for neighbour in (from..to).step_by(PAGE_SIZE) {
            if neighbour == page || self.space.query(neighbour).is_some() {
                continue;
            }
            let Some(frame) = object.frame_at_hand(object_page(start, area, neighbour)) else { continue };
            if self.put(neighbour, frame, present(area.protection), !shared).is_err() {
                return;
            }
        }
    }

    fn put(&self, address: usize, frame: Frame, protection: Protection, copy_on_write: bool) -> Result<(), FaultError> {
        let mapping = Mapping { frame, protection, copy_on_write };
        self.space.map(address, mapping).map_err(|_| FaultError::OutOfMemory)
    }
}

/// What a page table can say of a protection: whatever is allowed at all can be read (as on Linux x86-64).
pub fn present(protection: Protection) -> Protection {
    if protection.is_empty() { protection } else { protection | Protection::READ }
}

/// The object's page under an address of an area.
fn object_page(start: usize, area: &Area, address: usize) -> u64 {
    match &area.backing {
        Backing::Object { offset, .. } => {
            let distance = address.saturating_sub(start) & !PAGE_MASK;
            offset.saturating_add(distance as u64) / PAGE_BYTES
        }
        Backing::Anonymous => 0,
    }
}
