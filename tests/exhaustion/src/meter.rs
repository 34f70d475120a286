//! The heap of the process, metered and watched.
//!
//! While it is watched, an allocation that the kernel makes must have been promised before, by `rumpuser::memory::ensure`; those of
//! the back end and of the tests are their own affair. Whose it is, the return addresses tell.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    backtrace::Backtrace,
    cell::Cell,
    collections::{BTreeSet, HashMap},
    ffi::c_void,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// The system's heap, with a count of what is in use. To be a test's global allocator.
#[derive(Debug)]
pub struct Meter;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static WATCHING: AtomicBool = AtomicBool::new(false);
static WATCH: Mutex<Watch> = Mutex::new(Watch { known: None, unasked: BTreeSet::new() });

thread_local! {
    /// The watch itself allocates.
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

/// Bytes of the heap that are in use.
pub fn in_use() -> usize {
    IN_USE.load(Ordering::Relaxed)
}

/// Watches while `work` runs. The functions of the kernel that allocated without having asked come back.
pub fn watch(work: impl FnOnce()) -> BTreeSet<String> {
    WATCHING.store(true, Ordering::Relaxed);
    work();
    WATCHING.store(false, Ordering::Relaxed);
    std::mem::take(&mut WATCH.lock().unwrap().unasked)
}

struct Watch {
    /// The function of the kernel that allocates with these return addresses; `None` if it is not the kernel's.
    known: Option<HashMap<[usize; DEPTH], Option<String>>>,
    unasked: BTreeSet<String>,
}

/// So many return addresses tell who allocates.
const DEPTH: usize = 24;

impl Watch {
    fn allocated(&mut self, size: usize) {
        let known = self.known.get_or_insert_default();
        let function =
            known.entry(return_addresses()).or_insert_with(|| function_of_kernel(&Backtrace::force_capture()));
        if let Some(function) = function
            && !rumpuser_hosted::spend(size)
        {
            self.unasked.insert(function.clone());
        }
    }
}

unsafe extern "C" {
    fn _Unwind_Backtrace(trace: extern "C" fn(*mut c_void, *mut c_void) -> i32, argument: *mut c_void) -> i32;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
}

fn return_addresses() -> [usize; DEPTH] {
    struct Found {
        addresses: [usize; DEPTH],
        count: usize,
    }

    extern "C" fn step(context: *mut c_void, found: *mut c_void) -> i32 {
        // SAFETY: `return_addresses` gives its own, which nobody else has.
        let found = unsafe { &mut *found.cast::<Found>() };
        if let Some(place) = found.addresses.get_mut(found.count) {
            // SAFETY: the unwinder's own context.
            *place = unsafe { _Unwind_GetIP(context) };
        }
        found.count += 1;
        0
    }

    let mut found = Found { addresses: [0; DEPTH], count: 0 };
    // SAFETY: the function of the C++ ABI for exceptions, which calls `step` for each frame.
    unsafe { _Unwind_Backtrace(step, (&raw mut found).cast()) };
    found.addresses
}

/// The first function of ours that is not a collection, if it is the kernel's.
fn function_of_kernel(trace: &Backtrace) -> Option<String> {
    let trace = trace.to_string();
    let functions = trace.lines().filter_map(|line| line.trim().split_once(": ")).map(|(_, function)| function);
    let mut ours = functions.filter(|function| {
        let function = function.trim_start_matches(['<', '&']);
        (function.starts_with("rumpkin_") || function.starts_with("rumpuser"))
            && !function.starts_with("rumpkin_collections")
            && !function.contains("meter::")
    });
    let function = ours.next()?;
    let foreign = ["rumpuser_hosted", "rumpkin_exhaustion"].iter().any(|name| function.contains(name));
    (!foreign).then(|| function.to_owned())
}

// SAFETY: the system's heap does it all.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
        if WATCHING.load(Ordering::Relaxed) && !BUSY.replace(true) {
            WATCH.lock().unwrap().allocated(layout.size());
            BUSY.set(false);
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, allocation: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(allocation, layout) }
    }
}
