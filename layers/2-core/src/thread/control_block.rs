//! What is kept of a thread.

use super::{
    deadlines::{NOWHERE, Waiter},
    stack::Stack,
};
use crate::{memory::heap, x86::vector_state::Area};
use alloc::{boxed::Box, sync::Arc};
use core::{
    cell::{Cell, UnsafeCell},
    ptr::{self, NonNull},
    sync::atomic::{AtomicBool, Ordering},
};
use rumpkin_vocabulary::{FrameNumber, OutOfMemory, Pager};

/// The memory of the program that a thread runs.
#[derive(Clone, Copy)]
pub(crate) struct UserMemory {
    /// The frame of the top table.
    pub table: FrameNumber,
    /// Whom faults go to.
    pub pager: NonNull<dyn Pager>,
}

/// A kernel thread.
pub struct Thread {
    name: &'static str,
    /// Freed with the thread. None for a CPU's idle thread, which runs on the boot stack.
    _stack: Option<Stack>,
    pub(super) entry: Cell<Option<Box<dyn FnOnce() + Send>>>,
    pub(super) scheduling: Scheduling,
    /// User code shall be left, or not entered, once.
    pub(super) interrupted: AtomicBool,
    /// Set by the thread itself; read by it, and by the scheduler while it does not run.
    pub(super) user_memory: Cell<Option<UserMemory>>,
    /// Vector state of the user code; touched with interrupts off, by the CPU that runs or last ran the thread.
    vector_state: UnsafeCell<Area>,
}

// SAFETY: `entry` is touched by the creator and then by the thread itself; `scheduling` under the scheduler's lock; `vector_state`
// and `user_memory` as their comments say; the rest is immutable or atomic.
unsafe impl Send for Thread {}
// SAFETY: as above.
unsafe impl Sync for Thread {}

/// What the scheduler's lock protects.
pub(super) struct Scheduling {
    pub(super) state: Cell<State>,
    /// Somebody has called `unpark`, and no `park` has used it yet.
    pub(super) token: Cell<bool>,
    place: Cell<usize>,
    pub(super) next: Cell<*const Thread>,
    /// What is left of the time slice of a thread that was preempted early (nanoseconds); 0 for a new one.
    pub(super) slice: Cell<u64>,
    /// Nanoseconds that CPUs have spent on the thread, up to when it was last switched to.
    pub(super) used: Cell<u64>,
    /// When it was last switched to.
    pub(super) since: Cell<u64>,
    pub(super) stack_pointer: UnsafeCell<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Running,
    Runnable,
    Parked,
    Ended,
}

impl Waiter for &'static Thread {
    fn set_place(self, place: usize) {
        self.scheduling.place.set(place);
    }

    fn place(self) -> usize {
        self.scheduling.place.get()
    }
}

impl Thread {
    pub(super) fn new(name: &'static str, stack: Option<Stack>, state: State) -> Result<Arc<Thread>, OutOfMemory> {
        let vector_state = Area::new()?;
        heap::ensure(size_of::<Thread>() + 2 * size_of::<usize>())?;
        Ok(Arc::new(Thread {
            name,
            _stack: stack,
            entry: Cell::new(None),
            scheduling: Scheduling {
                state: Cell::new(state),
                token: Cell::new(false),
                place: Cell::new(NOWHERE),
                next: Cell::new(ptr::null()),
                slice: Cell::new(0),
                used: Cell::new(0),
                since: Cell::new(0),
                stack_pointer: UnsafeCell::new(0),
            },
            interrupted: AtomicBool::new(false),
            user_memory: Cell::new(None),
            vector_state: UnsafeCell::new(vector_state),
        }))
    }

    /// The name it was given.
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn take_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Acquire) && self.interrupted.swap(false, Ordering::AcqRel)
    }

    /// The memory of the program that it runs.
    pub(crate) fn user_memory(&self) -> Option<UserMemory> {
        self.user_memory.get()
    }

    /// Lends the saved vector state. With interrupts off.
    pub(crate) fn with_vector_state<R>(&self, work: impl FnOnce(&mut Area) -> R) -> R {
        // SAFETY: interrupts are off and only the CPU that the thread runs or ran on comes here.
        work(unsafe { &mut *self.vector_state.get() })
    }
}
