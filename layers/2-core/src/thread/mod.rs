//! Kernel threads and the scheduler.
//!
//! Two queues of runnable threads, first in, first out, under one lock with the deadlines of parked threads: a thread of
//! the kernel alone (one without an address space) that is woken goes before all user threads, since it answers a device
//! and is brief; when it yields, it waits among them. Kernel code is not preemptible; user code is, when a thread of the
//! kernel is woken, or when its time slice is over and others want to run.
//!
//! ```text
//!                     spawn                    ┌───── yield, slice over ─────┐
//!                       └──▶ runnable ──▶ running ──▶ parked ──▶ runnable    │
//!                               ▲            └───────────────────────────────┘
//!                               └─── unpark, deadline
//! ```

mod deadlines;
mod event;
mod queue;
mod stack;

pub use event::Event;
pub(crate) use stack::{above_guard, give_back_stacks, kept_stacks};

use crate::{
    clock,
    memory::{self, OutOfMemory, heap},
    sync::{Interrupts, IrqGuard, IrqMutex},
    timer,
    x86::{address_space::AddressSpace, fpu, halt, local::cpu, page_tables, switch},
};
use alloc::{boxed::Box, sync::Arc};
use core::{
    cell::{Cell, UnsafeCell},
    mem, ptr,
    sync::atomic::{AtomicBool, AtomicPtr, Ordering},
};
use deadlines::{Deadlines, NOWHERE, Waiter};
use queue::Queue;
use stack::Stack;
use x86_64::instructions::interrupts;

/// How long user code runs while others want to (nanoseconds).
const SLICE: u64 = 5_000_000;

/// A kernel thread.
pub struct Thread {
    name: &'static str,
    /// Freed with the thread. None for a CPU's idle thread, which runs on the boot stack.
    _stack: Option<Stack>,
    entry: Cell<Option<Box<dyn FnOnce() + Send>>>,
    scheduling: Scheduling,
    /// User code shall be left, or not entered, once.
    interrupted: AtomicBool,
    space: AtomicPtr<AddressSpace>,
    /// Vector state of the user code; touched with interrupts off, by the CPU that runs or last ran the thread.
    fpu: UnsafeCell<fpu::Area>,
}

// SAFETY: `entry` is touched by the creator and then by the thread itself; `scheduling` under the scheduler's lock; `fpu`
// as its comment says; the rest is immutable or atomic.
unsafe impl Send for Thread {}
// SAFETY: as above.
unsafe impl Sync for Thread {}

/// What the scheduler's lock protects.
struct Scheduling {
    state: Cell<State>,
    /// Somebody has called `unpark`, and no `park` has used it yet.
    token: Cell<bool>,
    place: Cell<usize>,
    next: Cell<*const Thread>,
    /// What is left of the time slice of a thread that was preempted early (nanoseconds); 0 for a new one.
    slice: Cell<u64>,
    /// Nanoseconds that CPUs have spent on the thread, up to when it was last switched to.
    used: Cell<u64>,
    /// When it was last switched to.
    since: Cell<u64>,
    stack_pointer: UnsafeCell<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Runnable,
    Parked,
    Ended,
}

struct Scheduler {
    kernel: Queue,
    users: Queue,
    deadlines: Deadlines<&'static Thread>,
    threads: usize,
}

// SAFETY: the threads that it points to are `Sync`.
unsafe impl Send for Scheduler {}

static SCHEDULER: IrqMutex<Scheduler> =
    IrqMutex::new(Scheduler { kernel: Queue::new(), users: Queue::new(), deadlines: Deadlines::new(), threads: 0 });

impl Waiter for &'static Thread {
    fn set_place(self, place: usize) {
        self.scheduling.place.set(place);
    }

    fn place(self) -> usize {
        self.scheduling.place.get()
    }
}

impl Thread {
    fn new(name: &'static str, stack: Option<Stack>, state: State) -> Result<Arc<Thread>, OutOfMemory> {
        let fpu = fpu::Area::new()?;
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
            space: AtomicPtr::new(ptr::null_mut()),
            fpu: UnsafeCell::new(fpu),
        }))
    }

    /// The name it was given.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Wakes the thread from [`park`], or lets its next `park` return at once. Allowed in interrupt context.
    pub fn unpark(&self) {
        let scheduling = &self.scheduling;
        let mut scheduler = SCHEDULER.lock();
        scheduling.token.set(true);
        if scheduling.state.get() == State::Parked {
            // SAFETY: a parked thread has not ended, and the scheduler keeps it alive until it does.
            let this = unsafe { &*ptr::from_ref(self) };
            scheduler.deadlines.remove(this);
            scheduler.wake(this);
        }
    }

    /// Makes the thread leave user code soon, or not enter it the next time, and unparks it. Allowed in interrupt context.
    pub fn interrupt(&self) {
        self.interrupted.store(true, Ordering::Release);
        self.unpark();
        // Were it running on another CPU, that would have to be told; here only an interrupt handler can meet it running.
        if ptr::eq(cpu().current.get(), self) {
            cpu().reschedule.set(true);
        }
    }

    /// Nanoseconds that CPUs have spent on the thread, in user code, in the kernel and in the interrupts that came meanwhile.
    pub fn cpu_time(&self) -> u64 {
        let _scheduler = SCHEDULER.lock();
        let Scheduling { state, used, since, .. } = &self.scheduling;
        match state.get() {
            State::Running => used.get() + clock::monotonic().saturating_sub(since.get()),
            _ => used.get(),
        }
    }

    pub(crate) fn take_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Acquire) && self.interrupted.swap(false, Ordering::AcqRel)
    }

    /// The thread's address space, or null.
    pub(crate) fn space(&self) -> *mut AddressSpace {
        self.space.load(Ordering::Relaxed)
    }

    /// Lends the saved vector state. With interrupts off.
    pub(crate) fn with_fpu<R>(&self, work: impl FnOnce(&mut fpu::Area) -> R) -> R {
        // SAFETY: interrupts are off and only the CPU that the thread runs or ran on comes here.
        work(unsafe { &mut *self.fpu.get() })
    }
}

impl Scheduler {
    /// Queues a thread that can run from now on.
    fn wake(&mut self, thread: &'static Thread) {
        thread.scheduling.state.set(State::Runnable);
        if thread.space().is_null() {
            self.kernel.push_back(thread);
            cpu().reschedule.set(true);
        } else {
            self.users.push_back(thread);
            self.arm_slice();
        }
    }

    fn is_empty(&self) -> bool {
        self.kernel.is_empty() && self.users.is_empty()
    }

    fn next(&mut self) -> Option<&'static Thread> {
        self.kernel.pop_front().or_else(|| self.users.pop_front())
    }

    /// Sees to it that the running thread's slice ends.
    fn arm_slice(&self) {
        let cpu = cpu();
        if cpu.current.get() == cpu.idle.get() {
            cpu.reschedule.set(true);
        } else {
            timer::arm(cpu.slice_end.get());
        }
    }
}

/// Starts a thread. It ends when `entry` returns.
pub fn spawn(name: &'static str, entry: impl FnOnce() + Send + 'static) -> Result<Arc<Thread>, OutOfMemory> {
    heap::ensure(size_of_val(&entry))?;
    spawn_boxed(name, Box::new(entry))
}

/// Starts a thread. It ends when `entry` returns.
pub fn spawn_boxed(name: &'static str, entry: Box<dyn FnOnce() + Send>) -> Result<Arc<Thread>, OutOfMemory> {
    let stack = Stack::new()?;
    let stack_pointer = switch::prepare(stack.top(), begin);
    let thread = Thread::new(name, Some(stack), State::Runnable)?;
    thread.entry.set(Some(entry));
    // SAFETY: nobody else has the thread yet.
    unsafe { *thread.scheduling.stack_pointer.get() = stack_pointer };
    let mut scheduler = SCHEDULER.lock();
    let threads = scheduler.threads + 1;
    scheduler.deadlines.reserve(threads)?;
    scheduler.threads = threads;
    // The scheduler's own reference, given up when the thread has ended.
    // SAFETY: the pointer comes from an Arc whose count it keeps.
    let reference = unsafe { &*Arc::into_raw(thread.clone()) };
    scheduler.users.push_back(reference);
    scheduler.arm_slice();
    drop(scheduler);
    Ok(thread)
}

/// The calling thread, borrowed; it lives as long as it runs.
pub(crate) fn current_ref() -> &'static Thread {
    // SAFETY: the running thread is kept alive by the scheduler's reference.
    unsafe { &*cpu().current.get() }
}

/// The calling thread.
pub fn current() -> Arc<Thread> {
    let thread = cpu().current.get();
    // SAFETY: every thread, idle ones too, lives in an Arc.
    unsafe {
        Arc::increment_strong_count(thread);
        Arc::from_raw(thread)
    }
}

/// Blocks until unparked, or until the monotonic clock reaches `deadline` (nanoseconds). True if unparked. An unpark that
/// came before is remembered, once.
pub fn park(deadline: Option<u64>) -> bool {
    let scheduler = SCHEDULER.lock();
    let thread = current_ref();
    if thread.scheduling.token.take() {
        return true;
    }
    let mut scheduler = scheduler;
    if let Some(deadline) = deadline {
        if deadline <= clock::monotonic() {
            return false;
        }
        scheduler.deadlines.insert(deadline, thread);
        timer::arm(deadline);
    }
    thread.scheduling.state.set(State::Parked);
    let _off = switch_away(scheduler);
    // Only this thread takes its token, and nobody else runs on this CPU with interrupts off; a token that comes later
    // is for the next call.
    let _scheduler = SCHEDULER.lock();
    thread.scheduling.token.take()
}

/// Blocks for at least so many nanoseconds.
pub fn sleep(nanoseconds: u64) {
    let deadline = clock::monotonic().saturating_add(nanoseconds);
    let mut unparked = false;
    while clock::monotonic() < deadline {
        unparked |= park(Some(deadline));
    }
    if unparked {
        current_ref().unpark();
    }
}

/// Lets other runnable threads run.
pub fn yield_now() {
    let mut scheduler = SCHEDULER.lock();
    cpu().reschedule.set(false);
    if scheduler.is_empty() {
        return;
    }
    let thread = current_ref();
    thread.scheduling.state.set(State::Runnable);
    scheduler.users.push_back(thread);
    switch_away(scheduler);
}

/// Gives way to whom `reschedule` was set for; the rest of the time slice is not lost.
pub(crate) fn preempt() {
    let mut scheduler = SCHEDULER.lock();
    let cpu = cpu();
    cpu.reschedule.set(false);
    if scheduler.is_empty() {
        return;
    }
    let thread = current_ref();
    let left = cpu.slice_end.get().saturating_sub(clock::monotonic());
    thread.scheduling.slice.set(left);
    thread.scheduling.state.set(State::Runnable);
    if left == 0 {
        scheduler.users.push_back(thread);
    } else {
        scheduler.users.push_front(thread);
    }
    switch_away(scheduler);
}

/// How many CPUs run threads.
pub fn cpus() -> usize {
    1
}

/// The CPU that the caller runs on at this moment.
pub fn cpu_index() -> usize {
    cpu().index
}

/// Makes an address space the calling thread's.
///
/// # Safety
/// It stays alive until the thread has another, or none, or has ended.
pub unsafe fn set_space(space: *mut AddressSpace) {
    memory::serves_program();
    let _off = Interrupts::disable();
    current_ref().space.store(space, Ordering::Relaxed);
    load_space(current_ref());
}

/// Loads the thread's page tables if they are not those in force. A thread without an address space runs on any.
fn load_space(thread: &Thread) {
    // SAFETY: `set_space`'s caller keeps the space alive.
    if let Some(space) = unsafe { thread.space().as_ref() } {
        let cpu = cpu();
        if cpu.page_table.get() != space.root() {
            cpu.page_table.set(space.root());
            // SAFETY: an address space's root has the kernel's upper half.
            unsafe { page_tables::load(space.root()) };
        }
    }
}

/// Runs the next thread; returns when this one runs again. Interrupts are off until the result is dropped.
fn switch_away(mut scheduler: IrqGuard<'static, Scheduler>) -> Interrupts {
    let cpu = cpu();
    let this = current_ref();
    let next = scheduler.next();
    // SAFETY: idle threads live for ever.
    let next = next.unwrap_or_else(|| unsafe { &*cpu.idle.get() });
    let now = clock::monotonic();
    let Scheduling { used, since, .. } = &this.scheduling;
    used.set(used.get() + now.saturating_sub(since.get()));
    next.scheduling.since.set(now);
    next.scheduling.state.set(State::Running);
    cpu.reschedule.set(false);
    let slice = match next.scheduling.slice.take() {
        0 => SLICE,
        left => left,
    };
    cpu.slice_end.set(now + slice);
    if !scheduler.is_empty() {
        timer::arm(cpu.slice_end.get());
    }
    let restore = scheduler.keep_locked();
    if !ptr::eq(next, this) {
        cpu.current.set(next);
        load_space(next);
        // The lock stays held, and the thread that runs next unlocks it: nobody may run this thread before its registers
        // are saved.
        // SAFETY: both stack pointers belong to threads that are kept alive; `next` was made by `prepare` or left here.
        unsafe {
            let next = *next.scheduling.stack_pointer.get();
            switch::switch(this.scheduling.stack_pointer.get(), next);
        }
    }
    after_switch();
    restore
}

/// What a thread does first when it runs (again).
fn after_switch() {
    // SAFETY: `switch_away` left the scheduler locked for us.
    unsafe { SCHEDULER.force_unlock() };
    // The stack of a thread that ended could not be freed while it was in use.
    drop(cpu().ended.take());
}

/// Where a new thread begins (`switch::prepare`).
extern "C" fn begin() -> ! {
    after_switch();
    interrupts::enable();
    if let Some(entry) = current_ref().entry.take() {
        entry();
    }
    end()
}

fn end() -> ! {
    let thread = current_ref();
    interrupts::disable();
    fpu::forget(thread);
    thread.space.store(ptr::null_mut(), Ordering::Relaxed);
    let mut scheduler = SCHEDULER.lock();
    scheduler.threads -= 1;
    thread.scheduling.state.set(State::Ended);
    // SAFETY: this is the scheduler's reference of `spawn`, given up once.
    let reference = unsafe { Arc::from_raw(ptr::from_ref(thread)) };
    cpu().ended.replace(Some(reference));
    mem::forget(switch_away(scheduler));
    unreachable!("an ended thread runs")
}

/// The timer has fired: wakes whose deadline has come, and ends the running thread's slice if it is over.
pub(crate) fn timer_fired() {
    let mut scheduler = SCHEDULER.lock();
    let now = clock::monotonic();
    while let Some(thread) = scheduler.deadlines.expire(now) {
        scheduler.wake(thread);
    }
    if let Some(deadline) = scheduler.deadlines.earliest() {
        timer::arm(deadline);
    }
    if scheduler.is_empty() {
        return;
    }
    let cpu = cpu();
    if now >= cpu.slice_end.get() {
        cpu.reschedule.set(true);
    } else {
        scheduler.arm_slice();
    }
}

/// Whether user code that was interrupted shall be left: another thread is to run, or this one has been interrupted.
pub(crate) fn must_leave_user_code() -> bool {
    cpu().reschedule.get()
}

/// Makes the caller the idle thread of its CPU; threads run from now on.
pub(crate) fn initialize() {
    let idle = Thread::new("idle", None, State::Running).expect("no memory for the idle thread");
    let idle = Arc::into_raw(idle);
    let cpu = cpu();
    cpu.idle.set(idle);
    cpu.current.set(idle);
}

/// What the idle thread does: lets others run, or waits for an interrupt.
pub(crate) fn idle() -> ! {
    loop {
        interrupts::disable();
        let scheduler = SCHEDULER.lock();
        if scheduler.is_empty() {
            drop(scheduler);
            halt::wait();
        } else {
            drop(switch_away(scheduler));
        }
    }
}
