//! Waiting for some of three sets of descriptors (select(2)).

use crate::{
    deadline::Patience,
    poll::{Watched, wait},
};
use alloc::vec::Vec;
use rumpkin_collections::TryVec;
use rumpkin_signal::with_mask;
use rumpkin_spine::{
    Call, Errno, UserPointer,
    abi::{Timespec, Timeval},
    wait::Events,
};

/// `FD_SETSIZE`: glibc's sets have no room for more.
const MAX_SET: usize = 1024;

/// What each of the three sets is about (the kernel's `POLLIN_SET`, `POLLOUT_SET`, `POLLEX_SET`).
const SETS: [Events; 3] = [
    Events::READ.union(Events::READ_NORMAL).union(Events::HANG_UP).union(Events::ERROR),
    Events::WRITE.union(Events::WRITE_NORMAL).union(Events::ERROR),
    Events::PRIORITY,
];

pub fn select(
    call: &mut Call<'_>,
    count: i32,
    readable: Option<UserPointer<u64>>,
    writable: Option<UserPointer<u64>>,
    urgent: Option<UserPointer<u64>>,
    timeout: Option<UserPointer<Timeval>>,
) -> Result<usize, Errno> {
    let patience = Patience::from_timeval(timeout)?;
    let result = select_with(call, count, [readable, writable, urgent], patience);
    if let (Some(left), Some(timeout)) = (patience.left(), timeout) {
        let _ = timeout.write(&Timeval::from_nanoseconds(left));
    }
    result
}

/// `mask` is the address of a mask's address and size.
pub fn pselect6(
    call: &mut Call<'_>,
    count: i32,
    readable: Option<UserPointer<u64>>,
    writable: Option<UserPointer<u64>>,
    urgent: Option<UserPointer<u64>>,
    timeout: Option<UserPointer<Timespec>>,
    mask: Option<UserPointer<[usize; 2]>>,
) -> Result<usize, Errno> {
    let patience = Patience::from_timespec(timeout)?;
    let [mask, size] = mask.map_or(Ok([0, 0]), UserPointer::read)?;
    let mask = (mask != 0).then(|| UserPointer::new(mask));
    let result = with_mask(call, mask, size, |call| select_with(call, count, [readable, writable, urgent], patience));
    if let (Some(left), Some(timeout)) = (patience.left(), timeout) {
        let _ = timeout.write(&Timespec::from_nanoseconds(left));
    }
    result
}

fn select_with(
    call: &mut Call<'_>,
    count: i32,
    places: [Option<UserPointer<u64>>; 3],
    patience: Patience,
) -> Result<usize, Errno> {
    let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?.min(MAX_SET);
    // Sets are arrays of 64-bit words.
    let words = count.div_ceil(64);
    let mut asked: [Vec<u8>; 3] = Default::default();
    for (set, place) in asked.iter_mut().zip(places) {
        let Some(place) = place else { continue };
        set.try_resize(words.saturating_mul(8), 0)?;
        place.slice(words).read(set)?;
    }
    let mut watched = Vec::new();
    let mut descriptors = Vec::new();
    for descriptor in 0..count {
        let mut interest = Events::empty();
        for (set, events) in asked.iter().zip(SETS) {
            if contains(set, descriptor) {
                interest |= events;
            }
        }
        if !interest.is_empty() {
            let file = call.process().descriptors.get(descriptor as i32)?;
            watched.try_push(Watched { file: Some(file), interest, ready: Events::empty() })?;
            descriptors.try_push(descriptor)?;
        }
    }
    wait(call.thread, &mut watched, patience)?;
    let mut total = 0usize;
    for ((asked, place), events) in asked.iter().zip(places).zip(SETS) {
        let Some(place) = place else { continue };
        // Sets have no room for more than this.
        let mut room = [0; MAX_SET / 8];
        let answer = room.get_mut(..asked.len()).unwrap_or_default();
        for (&descriptor, entry) in descriptors.iter().zip(&watched) {
            if contains(asked, descriptor) && entry.ready.intersects(events) {
                insert(answer, descriptor);
                total = total.saturating_add(1);
            }
        }
        place.slice(words).write(answer)?;
    }
    Ok(total)
}

fn contains(set: &[u8], descriptor: usize) -> bool {
    set.get(descriptor / 8).is_some_and(|byte| byte & (1 << (descriptor % 8)) != 0)
}

fn insert(set: &mut [u8], descriptor: usize) {
    if let Some(byte) = set.get_mut(descriptor / 8) {
        *byte |= 1 << (descriptor % 8);
    }
}
