//! mremap.

use crate::{
    LOWEST_ADDRESS, Mm, PAGE_MASK, State,
    areas::{Area, Backing},
    mapping::check_commit,
    page_ceil,
};
use rumpkin_abi::Errno;
use rumpuser::memory::USER_END;

impl Mm {
    /// Resizes the mapping at `address`, moving it if that is allowed and needed, or to `target` if one is given. Where it is,
    /// comes back. Errors as mremap(2): `EFAULT` if the old range is not one mapping, `ENOMEM` if it cannot grow, `EINVAL` for
    /// ranges that are not pages or overlap.
    pub fn remap(
        &self,
        address: usize,
        old_length: usize,
        new_length: usize,
        may_move: bool,
        target: Option<usize>,
    ) -> Result<usize, Errno> {
        let old = page_ceil(old_length).ok_or(Errno::EINVAL)?;
        let new = page_ceil(new_length).filter(|&new| new > 0 && new <= USER_END).ok_or(Errno::EINVAL)?;
        if address & PAGE_MASK != 0 {
            return Err(Errno::EINVAL);
        }
        let old_end = address.checked_add(old).filter(|&end| end <= USER_END).ok_or(Errno::EINVAL)?;
        if let Some(target) = target {
            let end = target.checked_add(new).filter(|&end| end <= USER_END).ok_or(Errno::EINVAL)?;
            if target & PAGE_MASK != 0 || (target < old_end && address < end) {
                return Err(Errno::EINVAL);
            }
            if target < LOWEST_ADDRESS {
                return Err(Errno::EPERM);
            }
        }
        let mut state = self.state.lock();
        state.areas.make_room()?;
        let (start, area) = state.areas.find(address).ok_or(Errno::EFAULT)?;
        let area = area.clone();
        if old == 0 {
            return self.duplicate(&mut state, start, area, address, new, target);
        }
        if area.end < old_end {
            return Err(Errno::EFAULT);
        }
        if matches!(area.backing, Backing::Anonymous) && new > old {
            check_commit(new, area.protection)?;
        }
        if target.is_none() {
            // Nothing to do; to remove nothing would still cut the area there.
            if new == old {
                return Ok(address);
            }
            if new < old {
                self.remove(&mut state, address.saturating_add(new), old_end);
                return Ok(address);
            }
            if self.grow(&mut state, (start, &area), address, old_end, new) {
                return Ok(address);
            }
            if !may_move {
                return Err(Errno::ENOMEM);
            }
        }
        self.relocate(&mut state, address, old.min(new), old_end, new, target)
    }

    /// Grows in place, if there is room behind.
    fn grow(
        &self,
        state: &mut State,
        (start, area): (usize, &Area),
        address: usize,
        old_end: usize,
        new: usize,
    ) -> bool {
        let Some(end) = address.checked_add(new).filter(|&end| end <= USER_END) else { return false };
        if area.end != old_end || !state.areas.is_free(old_end, end) {
            return false;
        }
        let mut whole = area.clone();
        whole.end = end;
        let part = whole.part(start, old_end, end);
        state.areas.insert(old_end, part);
        true
    }

    /// Moves `kept` bytes to a new place of `new` bytes, and gives up the rest of the old place.
    fn relocate(
        &self,
        state: &mut State,
        address: usize,
        kept: usize,
        old_end: usize,
        new: usize,
        target: Option<usize>,
    ) -> Result<usize, Errno> {
        let place = match target {
            Some(target) => {
                self.remove(state, target, target.saturating_add(new));
                target
            }
            None => state.areas.find_room(new).ok_or(Errno::ENOMEM)?,
        };
        self.space.move_range(address, place, kept).map_err(|_| Errno::ENOMEM)?;
        if let Some(area) = self.remove(state, address, old_end) {
            state.areas.insert(place, Area { end: place.saturating_add(new), ..area });
        }
        Ok(place)
    }

    /// An old length of 0: the same pages of a shared object once more, elsewhere.
    fn duplicate(
        &self,
        state: &mut State,
        start: usize,
        area: Area,
        address: usize,
        new: usize,
        target: Option<usize>,
    ) -> Result<usize, Errno> {
        if !area.shared() {
            return Err(Errno::EINVAL);
        }
        let place = match target {
            Some(target) => {
                self.remove(state, target, target.saturating_add(new));
                target
            }
            None => state.areas.find_room(new).ok_or(Errno::ENOMEM)?,
        };
        let mut copy = area.part(start, address, area.end);
        copy.end = place.saturating_add(new);
        state.areas.insert(place, copy);
        Ok(place)
    }
}
