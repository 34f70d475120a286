//! The machine's frames: who owns them, and which are free.

use super::{
    buddy::{Buddy, States},
    marks::Marks,
    regions, shortage,
};
use crate::{
    boot::{BootInfo, MemoryKind, PhysicalRange},
    sync::Once,
    x86::{
        layout::{PAGE_SIZE, direct, direct_map},
        memory_functions,
    },
};
use core::{
    slice,
    sync::atomic::{AtomicU32, AtomicUsize, Ordering},
};
use spin::Mutex;

pub(crate) use rumpkin_vocabulary::FrameNumber;

/// Memory below this is left alone: real-mode structures, and room to start application processors in.
const LOW_END: u64 = 0x10000;
/// What the boot entry has mapped in the direct map.
const BOOT_MAPPED_END: u64 = 1 << 32;

static STATES: Once<States> = Once::new();
static FRAMES: Once<Mutex<Frames>> = Once::new();

/// Frames that the heap may take for those who ask, to be read without the lock that they change under.
static ASKABLE: AtomicUsize = AtomicUsize::new(0);

struct Frames {
    buddy: Buddy,
    marks: Marks,
    /// Frames with owners. The heap has the others that are not free.
    owned: usize,
}

impl Frames {
    fn allocate(&mut self, count: usize) -> Option<FrameNumber> {
        let frame = self.buddy.allocate(count);
        self.publish();
        frame.or_else(refused)
    }

    /// One frame, with one owner.
    fn allocate_owned(&mut self) -> Option<FrameNumber> {
        let frame = self.buddy.allocate(1).or_else(refused)?;
        self.owned += 1;
        self.publish();
        Some(frame)
    }

    fn release(&mut self, frame: FrameNumber, count: usize) {
        self.buddy.release(frame, count);
        self.publish();
    }

    fn heap(&self) -> usize {
        self.buddy.total_frames().saturating_sub(self.buddy.free_frames() + self.owned)
    }

    fn publish(&self) {
        ASKABLE.store(self.marks.askable(self.buddy.free_frames(), self.heap()), Ordering::Relaxed);
    }
}

/// Remembers that something was refused.
fn refused() -> Option<FrameNumber> {
    shortage::note();
    None
}

fn states() -> Option<&'static States> {
    STATES.get()
}

/// Everything that must stay as it is.
fn taken(boot: &BootInfo, states: PhysicalRange) -> [PhysicalRange; 16] {
    let mut taken = [PhysicalRange::default(); 16];
    let image = PhysicalRange {
        start: boot.image.text.start,
        length: boot.image.data.end().saturating_sub(boot.image.text.start),
    };
    let fixed = [
        PhysicalRange { start: 0, length: LOW_END },
        image,
        boot.payload.root_file_system,
        boot.payload.configuration,
        states,
    ];
    for (slot, range) in taken.iter_mut().zip(fixed.iter().chain(boot.modules.iter())) {
        *slot = *range;
    }
    taken
}

fn free_pieces(boot: &BootInfo, taken: &[PhysicalRange], each: &mut dyn FnMut(PhysicalRange)) {
    for region in boot.memory.iter().filter(|r| r.kind == MemoryKind::Ram) {
        regions::without(region.range, taken, each);
    }
}

/// Finds the free frames of the first 4 GiB, which is what the boot entry has mapped.
///
/// # Panics
/// If there is not even room for the bookkeeping.
pub(crate) fn initialize(boot: &BootInfo) {
    let ram_end = boot
        .memory
        .iter()
        .filter(|region| region.kind == MemoryKind::Ram)
        .map(|region| region.range.end())
        .max()
        .unwrap_or(0);
    let count = (ram_end as usize) / PAGE_SIZE;
    let bytes = (count * size_of::<AtomicU32>()).next_multiple_of(PAGE_SIZE) as u64;
    let mut place = None;
    free_pieces(boot, &taken(boot, PhysicalRange::default()), &mut |piece| {
        if place.is_none() && piece.length >= bytes && piece.start + bytes <= BOOT_MAPPED_END {
            place = Some(PhysicalRange { start: piece.start, length: bytes });
        }
    });
    if place.is_none() {
        refused();
    }
    let place = place.expect("no memory for the table of frames");
    let table = direct(place.start) as *mut AtomicU32;
    // SAFETY: the piece is free memory in the boot entry's direct map, and now ours for good.
    let words = unsafe {
        table.write_bytes(0, count);
        slice::from_raw_parts(table, count)
    };
    let states = STATES.call_once(|| States::new(words));
    // SAFETY: the direct map holds all frames that are added: here those mapped by the boot entry, later the others.
    let mut buddy = unsafe { Buddy::new(direct_map(), states) };
    add_pieces(&mut buddy, boot, place, 0..BOOT_MAPPED_END);
    for kept in boot.modules.iter().chain([&boot.payload.root_file_system, &boot.payload.configuration]) {
        let pages = kept.start / PAGE_SIZE as u64..kept.end().div_ceil(PAGE_SIZE as u64);
        pages.for_each(|frame| {
            states.make_permanent(frame);
        });
    }
    TABLE.call_once(|| place);
    FRAMES.call_once(|| Mutex::new(Frames { buddy, marks: Marks::none(), owned: 0 }));
}

static TABLE: Once<PhysicalRange> = Once::new();

/// Adds what lies above 4 GiB, now that the final direct map is in force, and sets the marks.
pub(crate) fn complete(boot: &BootInfo) {
    let (Some(frames), Some(table)) = (FRAMES.get(), TABLE.get()) else {
        return;
    };
    let mut frames = frames.lock();
    add_pieces(&mut frames.buddy, boot, *table, BOOT_MAPPED_END..u64::MAX);
    frames.marks = Marks::new(frames.buddy.total_frames());
    frames.publish();
}

/// There is a program now: from the first one on the heap has a share.
pub(crate) fn serve_program() {
    if shortage::note_program()
        && let Some(frames) = FRAMES.get()
    {
        let mut frames = frames.lock();
        let heap = frames.heap();
        frames.marks.share(heap);
        frames.publish();
    }
}

fn add_pieces(buddy: &mut Buddy, boot: &BootInfo, table: PhysicalRange, within: core::ops::Range<u64>) {
    free_pieces(boot, &taken(boot, table), &mut |piece| {
        let start = piece.start.max(within.start);
        let end = piece.end().min(within.end);
        if start < end {
            let frame = start / PAGE_SIZE as u64;
            buddy.add(frame, ((end - start) as usize) / PAGE_SIZE);
        }
    });
}

/// A zeroed frame for the memory of user programs and its page tables, with one owner; `None` when only the reserve for the
/// kernel's heap is left.
pub fn allocate_user() -> Option<FrameNumber> {
    allocate_above(|marks| marks.reserve)
}

/// The same for a thread's kernel stack, which is refused before a program's memory is: whoever asks is told so.
pub(crate) fn allocate_stack() -> Option<FrameNumber> {
    allocate_above(Marks::asked)
}

fn allocate_above(mark: fn(&Marks) -> usize) -> Option<FrameNumber> {
    let take = || {
        let mut frames = FRAMES.get()?.lock();
        if frames.buddy.free_frames() <= mark(&frames.marks) { refused() } else { frames.allocate_owned() }
    };
    let frame = take().or_else(|| {
        shortage::reclaim();
        take()
    })?;
    Some(prepare(frame))
}

/// A zeroed frame for the kernel's own tables, with one owner.
pub(crate) fn allocate_kernel() -> Option<FrameNumber> {
    FRAMES.get()?.lock().allocate_owned().map(prepare)
}

fn prepare(frame: FrameNumber) -> FrameNumber {
    if let Some(states) = states() {
        states.own(frame);
    }
    // SAFETY: the frame was free, so it is mapped and nobody else's.
    unsafe { memory_functions::zero_page(address(frame)) };
    frame
}

/// A run of frames for the kernel, aligned to the power of two that is not less than its length, with arbitrary content and no
/// owner count. It may take the last.
pub(crate) fn allocate_run(count: usize) -> Option<FrameNumber> {
    FRAMES.get()?.lock().allocate(count)
}

/// Gives back what [`allocate_run`] gave, or a part of it.
pub(crate) fn release_run(frame: FrameNumber, count: usize) {
    if let Some(frames) = FRAMES.get() {
        frames.lock().release(frame, count);
    }
}

/// Makes a run of `count` frames one of `new` where it is; false if what it would need is not free.
pub(crate) fn resize_run(frame: FrameNumber, count: usize, new: usize) -> bool {
    let end = frame + count as u64;
    match new.checked_sub(count) {
        Some(0) => true,
        Some(more) => FRAMES.get().is_some_and(|frames| {
            let mut frames = frames.lock();
            let grown = frames.buddy.claim(end, more);
            frames.publish();
            grown
        }),
        None => {
            release_run(frame + new as u64, count - new);
            true
        }
    }
}

/// Whether the heap may take so many frames for somebody who asked.
pub(super) fn may_ask(count: usize) -> bool {
    ASKABLE.load(Ordering::Relaxed) >= count
}

/// One more owner. A permanent frame, and one that is not counted, stays as it is.
pub fn retain(frame: FrameNumber) {
    if let Some(states) = states() {
        states.retain(frame);
    }
}

/// One owner less; the last frees the frame.
pub fn release(frame: FrameNumber) {
    if states().is_some_and(|states| states.release(frame))
        && let Some(frames) = FRAMES.get()
    {
        let mut frames = frames.lock();
        frames.owned -= 1;
        frames.release(frame, 1);
    }
}

/// Whether there is exactly one owner.
pub fn is_unique(frame: FrameNumber) -> bool {
    states().is_some_and(|states| states.is_unique(frame))
}

/// Whether the frame belongs to what was given at boot and is never freed.
pub fn is_permanent(frame: FrameNumber) -> bool {
    states().is_some_and(|states| states.is_permanent(frame))
}

/// Makes frames of the kernel image ones that can be mapped and are never freed.
pub(crate) fn make_permanent(frame: FrameNumber) {
    if let Some(states) = states() {
        states.make_permanent(frame);
    }
}

/// Frames in all, and frames that users may still take.
pub fn counts() -> (usize, usize) {
    let kept = shortage::reclaimable();
    FRAMES.get().map_or((0, 0), |frames| {
        let frames = frames.lock();
        (frames.buddy.total_frames(), (frames.buddy.free_frames() + kept).saturating_sub(frames.marks.reserve))
    })
}

/// Where the kernel sees the frame.
pub(crate) fn address(frame: FrameNumber) -> *mut u8 {
    direct(frame * PAGE_SIZE as u64) as *mut u8
}

/// The frame at an address of the direct map.
pub(crate) fn number(address: *mut u8) -> FrameNumber {
    ((address.addr() - direct(0)) / PAGE_SIZE) as FrameNumber
}

/// Copies out of a frame of the caller's, from `offset` on; what lies beyond its end is not touched.
pub fn read(frame: FrameNumber, offset: usize, buffer: &mut [u8]) {
    let length = buffer.len().min(PAGE_SIZE.saturating_sub(offset));
    // SAFETY: inside one frame that the caller owns; user code may write it meanwhile, which tears bytes at most.
    unsafe { core::ptr::copy_nonoverlapping(address(frame).add(offset), buffer.as_mut_ptr(), length) }
}

/// Copies into a frame of the caller's, from `offset` on; what lies beyond its end is dropped.
pub fn write(frame: FrameNumber, offset: usize, data: &[u8]) {
    let length = data.len().min(PAGE_SIZE.saturating_sub(offset));
    // SAFETY: as in `read`.
    unsafe { core::ptr::copy_nonoverlapping(data.as_ptr(), address(frame).add(offset), length) }
}

/// Copies a whole frame; both are the caller's.
pub fn copy(from: FrameNumber, to: FrameNumber) {
    // SAFETY: both are frames that the caller owns.
    unsafe { core::ptr::copy_nonoverlapping(address(from), address(to), PAGE_SIZE) }
}
