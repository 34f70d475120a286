//! Layer 4: the memory of a process: virtual memory areas, and the pager that fills them on demand.
//!
//! An [`Mm`] knows its *areas* (what a range of addresses means) and owns an address space (what is mapped by now):
//!
//! ```text
//!   map, protect, unmap, remap, break ──▶ areas ──looked up by──▶ pager ──maps a page──▶ address space
//!                                                                 ▲ fault, by user code or by the kernel's accessors
//! ```
//!
//! Depends on `rumpuser`, `rumpkin-abi` and `rumpkin-collections`. Invariants:
//! - The address space maps nothing that no area covers, and nothing with more rights than its area gives.
//! - A page of an object (a file) is mapped privately only as copy-on-write, so a program never writes to what others see.
//! - Lock order: an `Mm`'s lock, then whatever [`Mappable::frame`] or the end of a [`Mappable`] takes. So no lock of a file may
//!   be held while user memory is accessed, and nobody calls an `Mm` from inside these.
//! - Finding an area, and finding room for one, takes O(log n) of the number of areas, whatever their sizes.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_macros))]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod advice;
mod areas;
mod fault;
mod gaps;
mod heap;
mod mapping;
mod remap;
mod report;
mod shared;
#[cfg(test)]
mod tests;

use alloc::{
    sync::{Arc, Weak},
    vec::Vec,
};
use areas::Areas;
use rumpkin_abi::Errno;
use rumpkin_collections::try_arc;
use rumpuser::{
    memory::{self, Access, AddressSpace, Fault, Frame, OutOfMemory, PAGE_SIZE, Pager, Protection},
    random,
    sync::Mutex,
};
use spin::Once;

pub use fault::FaultError;
pub use mapping::Terms;
pub use report::Region;

/// The lowest address that can be mapped (Linux's default `vm.mmap_min_addr`).
pub const LOWEST_ADDRESS: usize = 0x10000;

/// Something whose pages can be mapped: a file, as a rule.
pub trait Mappable: Send + Sync {
    /// The frame that holds page `index` (of 4096 bytes) of the object. For a shared, writable mapping stores to it are
    /// stores to the object. An index beyond the end is `ENXIO` (the program gets SIGBUS). May block.
    fn frame(&self, index: u64) -> Result<Frame, Errno>;

    /// The same, if it costs neither memory nor time: what lies around a fault is mapped along with it. Must not block.
    fn frame_at_hand(&self, _index: u64) -> Option<Frame> {
        None
    }

    /// The name in `/proc/self/maps`: a path, or something like `[vdso]`.
    fn name(&self) -> Result<Vec<u8>, OutOfMemory> {
        Ok(Vec::new())
    }
}

/// What [`Mm::map`] shall map.
pub struct Request {
    /// Where: a hint, or the very place if `fixed`. 0 for anywhere.
    pub address: usize,
    /// There or nowhere.
    pub fixed: bool,
    /// With `fixed`: in place of what is mapped there; otherwise that is `EEXIST`.
    pub replace: bool,
    /// Bytes; rounded up to pages.
    pub length: usize,
    /// What user code may do with it.
    pub protection: Protection,
    /// What is in it.
    pub source: Source,
}

/// What a mapping shows.
pub enum Source {
    /// Zeroes at first.
    Anonymous {
        /// Belongs to an object of its own, as `MAP_SHARED` says, which survives `MADV_DONTNEED`.
        shared: bool,
    },
    /// An object.
    File {
        /// The object.
        object: Arc<dyn Mappable>,
        /// The byte of the object that the mapping begins with; a multiple of the page size.
        offset: u64,
        /// Stores go to the object; otherwise to a copy.
        shared: bool,
    },
}

/// What the lock guards: the areas and the program break.
struct State {
    areas: Areas,
    break_start: usize,
    break_end: usize,
}

/// The memory of a process.
pub struct Mm {
    space: AddressSpace,
    state: Mutex<State>,
    /// Frames that were free when the process began.
    free_at_start: usize,
    /// Told when a fault could not be answered for want of memory.
    exhausted: Once<alloc::boxed::Box<dyn Fn() + Send + Sync>>,
}

/// What the address space calls; it must not own the [`Mm`] that owns the address space.
#[derive(Default)]
struct Upcall(Once<Weak<Mm>>);

impl Pager for Upcall {
    fn page_fault(&self, address: usize, access: Access) -> Result<(), Fault> {
        let mm = self.0.get().and_then(Weak::upgrade).ok_or(Fault { address })?;
        mm.handle_fault(address, access).map_err(|error| {
            if error == FaultError::OutOfMemory {
                mm.report_exhaustion();
            }
            Fault { address }
        })
    }
}

impl Mm {
    /// Empty memory. Where mappings without a wish of their own go is random.
    pub fn new() -> Result<Arc<Mm>, OutOfMemory> {
        let upcall = try_arc(Upcall::default())?;
        let space = AddressSpace::new(upcall.clone())?;
        let mm = try_arc(Mm {
            space,
            state: Mutex::new(State {
                areas: Areas::new(random::next_u64(), memory::total_frames())?,
                break_start: 0,
                break_end: 0,
            }),
            free_at_start: memory::free_frames(),
            exhausted: Once::new(),
        })?;
        upcall.0.call_once(|| Arc::downgrade(&mm));
        Ok(mm)
    }

    /// Makes it the memory of the calling kernel thread, which must call [`memory::deactivate`] before it ends.
    pub fn activate(&self) {
        self.space.activate();
    }

    /// Whom to tell, once per fault, when memory runs out under an access that cannot be refused. The first one stays.
    #[expect(clippy::disallowed_methods, reason = "once, before the program runs")]
    pub fn on_exhaustion(&self, handler: impl Fn() + Send + Sync + 'static) {
        self.exhausted.call_once(|| alloc::boxed::Box::new(handler));
    }

    /// Tells the handler of [`Mm::on_exhaustion`].
    pub fn report_exhaustion(&self) {
        if let Some(handler) = self.exhausted.get() {
            handler();
        }
    }
}

/// The first byte of the page of an address.
fn page_floor(address: usize) -> usize {
    address & !PAGE_MASK
}

/// The first page border that is not below; `None` at the end of the address space.
fn page_ceil(address: usize) -> Option<usize> {
    Some(page_floor(address.checked_add(PAGE_MASK)?))
}

/// The bits of an address that are within its page.
const PAGE_MASK: usize = PAGE_SIZE - 1;
