//! The program break.

use crate::{
    Mm,
    areas::{Area, Backing},
    mapping::check_commit,
    page_ceil,
};
use rumpuser::{
    memory::{PAGE_SIZE, Protection, USER_END},
    random,
};

/// Pages by which the start of the heap is random (Linux's `arch_randomize_brk`: 32 MiB).
const RANDOM_PAGES: u64 = 8192;

impl Mm {
    /// Says where the program's data end; the heap begins a random distance behind.
    pub fn set_break_start(&self, address: usize) {
        let distance = ((random::next_u64() % RANDOM_PAGES) as usize).saturating_mul(PAGE_SIZE);
        let start = page_ceil(address).unwrap_or(USER_END).saturating_add(distance).min(USER_END);
        let mut state = self.state.lock();
        state.break_start = start;
        state.break_end = start;
    }

    /// Sets the break (brk(2)); the break comes back, which is the old one if the new one is not possible.
    pub fn set_break(&self, address: usize) -> usize {
        let mut state = self.state.lock();
        let old = state.break_end;
        if state.break_start == 0 || address < state.break_start {
            return old;
        }
        let (Some(old_end), Some(new_end)) = (page_ceil(old), page_ceil(address)) else { return old };
        if new_end < old_end {
            self.remove(&mut state, new_end, old_end);
        } else if new_end > old_end {
            let protection = Protection::READ | Protection::WRITE;
            let possible = new_end <= USER_END
                && state.areas.make_room().is_ok()
                && check_commit(new_end.saturating_sub(old_end), protection).is_ok()
                // One page of distance to what comes next, so that an overrun is seen.
                && state.areas.is_free(old_end, new_end.saturating_add(PAGE_SIZE));
            if !possible {
                return old;
            }
            let area = Area { end: new_end, protection, maximum: Protection::all(), backing: Backing::Anonymous };
            state.areas.insert(old_end, area);
        }
        state.break_end = address;
        address
    }
}
