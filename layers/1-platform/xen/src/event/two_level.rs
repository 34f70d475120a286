//! Events by two levels of bits in the shared page (`event_channel.h`, "2-level ABI"): for each 64 ports a word, and for
//! each word a bit in the processor's selector.

use core::{
    ptr::NonNull,
    sync::atomic::{AtomicU8, AtomicU64, Ordering},
};
use xen_sys::shared_info;

/// The bits of the boot processor.
pub struct TwoLevel {
    upcall_pending: &'static AtomicU8,
    selector: &'static AtomicU64,
    pending: &'static [AtomicU64; 64],
    mask: &'static [AtomicU64; 64],
}

impl TwoLevel {
    /// # Safety
    /// The page is there for good, and its event fields are reached as atomics only.
    pub unsafe fn new(page: NonNull<shared_info>) -> Self {
        let page = page.as_ptr();
        // SAFETY: fields of the page, naturally aligned, which the hypervisor too changes atomically.
        unsafe {
            let vcpu = &raw mut (*page).vcpu_info[0];
            Self {
                upcall_pending: AtomicU8::from_ptr(&raw mut (*vcpu).evtchn_upcall_pending),
                selector: AtomicU64::from_ptr(&raw mut (*vcpu).evtchn_pending_sel),
                pending: &*(&raw const (*page).evtchn_pending).cast(),
                mask: &*(&raw const (*page).evtchn_mask).cast(),
            }
        }
    }

    /// Whether the processor has been called.
    pub fn upcall(&self) -> &'static AtomicU8 {
        self.upcall_pending
    }

    /// Calls `each` with every port that has an event, once, after it has been taken back. What comes later makes a new
    /// upcall.
    pub fn take(&self, each: &mut dyn FnMut(u32)) {
        self.upcall_pending.store(0, Ordering::SeqCst);
        for word in bits(self.selector.swap(0, Ordering::SeqCst)) {
            let (Some(pending), Some(mask)) = (self.pending.get(word as usize), self.mask.get(word as usize)) else {
                continue;
            };
            for bit in bits(pending.load(Ordering::SeqCst) & !mask.load(Ordering::SeqCst)) {
                pending.fetch_and(!(1 << bit), Ordering::SeqCst);
                each(word * 64 + bit);
            }
        }
    }

    /// Has a port's events wait.
    pub fn mask(&self, port: u32) {
        if let Some(mask) = self.mask.get((port / 64) as usize) {
            mask.fetch_or(1 << (port % 64), Ordering::SeqCst);
        }
    }
}

/// The numbers of the bits that are set.
fn bits(mut word: u64) -> impl Iterator<Item = u32> {
    core::iter::from_fn(move || {
        let bit = word.trailing_zeros();
        word &= word.wrapping_sub(1);
        (bit < 64).then_some(bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{boxed::Box, vec::Vec};

    fn page() -> (NonNull<shared_info>, TwoLevel) {
        // SAFETY: a structure of numbers.
        let page = NonNull::from(Box::leak(Box::new(unsafe { core::mem::zeroed::<shared_info>() })));
        // SAFETY: leaked, and reached through the result alone.
        (page, unsafe { TwoLevel::new(page) })
    }

    #[test]
    fn pending_ports_that_are_not_masked_are_taken_once() {
        let (_, events) = page();
        for port in [3u32, 63, 64, 4095] {
            events.pending[(port / 64) as usize].fetch_or(1 << (port % 64), Ordering::SeqCst);
            events.selector.fetch_or(1 << (port / 64), Ordering::SeqCst);
        }
        events.upcall_pending.store(1, Ordering::SeqCst);
        events.mask(63);
        let mut taken = Vec::new();
        events.take(&mut |port| taken.push(port));
        assert_eq!(taken, [3, 64, 4095]);
        assert_eq!(events.upcall_pending.load(Ordering::SeqCst), 0);
        events.selector.store(u64::MAX, Ordering::SeqCst);
        taken.clear();
        events.take(&mut |port| taken.push(port));
        assert!(taken.is_empty());
    }
}
