//! The scheduler: which thread runs, and for how long.
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

use super::{
    control_block::{Scheduling, State, Thread},
    current::{current_ref, load_user_memory},
    deadlines::Deadlines,
    queue::Queue,
    stack::Stack,
};
use crate::{
    clock,
    memory::heap,
    sync::{Interrupts, IrqGuard, IrqMutex},
    timer,
    x86::{fpu, halt, instructions::interrupts, local::cpu, switch},
};
use alloc::{boxed::Box, sync::Arc};
use core::{mem, ptr, sync::atomic::Ordering};
use rumpkin_vocabulary::OutOfMemory;

/// How long user code runs while others want to (nanoseconds).
const SLICE: u64 = 5_000_000;

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

impl Thread {
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
}

impl Scheduler {
    /// Queues a thread that can run from now on.
    fn wake(&mut self, thread: &'static Thread) {
        thread.scheduling.state.set(State::Runnable);
        if thread.user_memory().is_none() {
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

/// Starts a thread, whose turn comes after the threads that can run already. It ends when `entry` returns. Refused where there is no
/// memory for it and its stack (`STACK_SIZE`). Does not block.
pub fn spawn(name: &'static str, entry: impl FnOnce() + Send + 'static) -> Result<Arc<Thread>, OutOfMemory> {
    heap::ensure(size_of_val(&entry))?;
    spawn_boxed(name, Box::new(entry))
}

/// As [`spawn`], of what is on the heap already.
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

/// Blocks for at least so many nanoseconds. An unpark that comes meanwhile is kept for the next [`park`].
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

/// Lets other runnable threads run, and returns when it is the caller's turn again.
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
        load_user_memory(next);
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
    thread.user_memory.set(None);
    let mut scheduler = SCHEDULER.lock();
    scheduler.threads -= 1;
    thread.scheduling.state.set(State::Ended);
    // SAFETY: this is the scheduler's reference of `spawn`, given up once.
    let reference = unsafe { Arc::from_raw(ptr::from_ref(thread)) };
    cpu().ended.replace(Some(reference));
    mem::forget(switch_away(scheduler));
    unreachable!("an ended thread runs")
}

/// What a timer's interrupt handler calls when it has fired: wakes whose deadline has come, and ends the running thread's slice if it
/// is over. Called in interrupt context.
pub fn timer_fired() {
    timer::fired();
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
