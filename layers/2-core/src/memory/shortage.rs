//! What is remembered, and what is done, when frames run out.

use crate::sync::Once;
use core::sync::atomic::{AtomicBool, Ordering};

/// Somebody who keeps frames for quicker use, and gives them up before anything is refused.
pub(crate) struct Keeper {
    /// How many there are. Blocks for a moment at most.
    pub frames: fn() -> usize,
    /// Gives them up. Called when an allocation is about to be refused: allocates nothing, and waits for no lock that is held over
    /// an allocation.
    pub give_back: fn(),
}

static KEEPERS: Once<&'static [Keeper]> = Once::new();
/// Something has been refused for want of frames.
static SHORT: AtomicBool = AtomicBool::new(false);
/// There is, or has been, a program.
static PROGRAM: AtomicBool = AtomicBool::new(false);

/// Says who keeps frames.
pub(crate) fn initialize(keepers: &'static [Keeper]) {
    KEEPERS.call_once(|| keepers);
}

fn keepers() -> &'static [Keeper] {
    KEEPERS.get().copied().unwrap_or_default()
}

/// Frames that are kept for quicker use.
pub(super) fn reclaimable() -> usize {
    keepers().iter().map(|keeper| (keeper.frames)()).sum()
}

/// Has them given up: before anything is refused.
pub(super) fn reclaim() {
    keepers().iter().for_each(|keeper| (keeper.give_back)());
}

/// Remembers that something has been refused.
pub(super) fn note() {
    SHORT.store(true, Ordering::Relaxed);
}

/// Remembers that there is a program. True the first time.
pub(super) fn note_program() -> bool {
    !PROGRAM.swap(true, Ordering::Relaxed)
}

/// Whether the machine turned out too small before there was a program.
pub(crate) fn is_too_small() -> bool {
    SHORT.load(Ordering::Relaxed) && !PROGRAM.load(Ordering::Relaxed)
}
