//! Threads of a process, as the kernel knows them.

use crate::{
    process::Process,
    signal::{self, Pending, SignalSet},
    wait::{Events, Observer},
};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use rumpkin_abi::SignalStack;
use rumpkin_collections::{OutOfMemory, try_arc};
use rumpuser::sync::Mutex;
use spin::Once;

/// A thread of a program.
pub struct Thread {
    /// Its number; that of the process for the first thread.
    pub id: u32,
    /// What it shares with the other threads.
    pub process: Arc<Process>,
    /// Where a zero goes when the thread ends, and a futex is woken (set_tid_address(2)); 0 for nowhere.
    pub clear_child_tid: AtomicUsize,
    /// Head of the list of robust futexes (set_robust_list(2)); 0 for none.
    pub robust_list: AtomicUsize,
    /// Its name (prctl `PR_SET_NAME`).
    pub name: Mutex<[u8; 16]>,
    /// The alternate signal stack.
    pub signal_stack: Mutex<SignalStack>,
    /// The mask to go back to after a call that changed it for its time (rt_sigsuspend(2), ppoll(2)).
    pub saved_mask: Mutex<Option<SignalSet>>,
    /// For whoever keeps the thread in a queue of sleepers of its own (futexes): where it is, or 0 for nowhere.
    pub wait_slot: AtomicUsize,
    /// The thread makes no further return to user code (exit(2)).
    ending: AtomicBool,
    blocked: AtomicU64,
    pending: Mutex<Pending>,
    /// Something waits to be looked at before user code goes on: a signal, or the end of the process.
    work: AtomicBool,
    runner: Arc<Runner>,
}

/// The kernel thread that runs a thread of a program; it is told of readiness.
struct Runner(Once<rumpuser::thread::Thread>);

impl Observer for Runner {
    fn changed(&self, _events: Events) {
        if let Some(thread) = self.0.get() {
            thread.unpark();
        }
    }
}

impl Thread {
    /// A thread that [`Thread::attach`] has yet to be called for. The caller adds it to the process.
    pub fn new(id: u32, process: Arc<Process>, blocked: SignalSet) -> Result<Arc<Thread>, OutOfMemory> {
        let disabled = SignalStack { flags: rumpkin_abi::linux::general::SS_DISABLE as i32, ..SignalStack::default() };
        try_arc(Thread {
            id,
            process,
            clear_child_tid: AtomicUsize::new(0),
            robust_list: AtomicUsize::new(0),
            name: Mutex::new([0; 16]),
            signal_stack: Mutex::new(disabled),
            saved_mask: Mutex::new(None),
            wait_slot: AtomicUsize::new(0),
            ending: AtomicBool::new(false),
            blocked: AtomicU64::new(blocked.0),
            pending: Mutex::new(Pending::default()),
            work: AtomicBool::new(false),
            runner: try_arc(Runner(Once::new()))?,
        })
    }

    /// Says that the calling kernel thread runs this thread.
    pub fn attach(&self) {
        self.runner.0.call_once(rumpuser::thread::current);
    }

    /// Whether the calling kernel thread runs this thread.
    pub fn is_current(&self) -> bool {
        self.runner.0.get() == Some(&rumpuser::thread::current())
    }

    /// Nanoseconds that CPUs have spent on the thread.
    pub fn cpu_time(&self) -> u64 {
        self.runner.0.get().map_or(0, rumpuser::thread::Thread::cpu_time)
    }

    /// Unparks the kernel thread whenever it is told of a change.
    pub fn observer(&self) -> Arc<dyn Observer> {
        self.runner.clone()
    }

    /// Wakes the thread from a wait, or has its next one look again at once.
    pub fn unpark(&self) {
        self.runner.changed(Events::empty());
    }

    /// Has the thread end instead of going back to user code. For the thread itself.
    pub fn end(&self) {
        self.ending.store(true, Ordering::SeqCst);
        self.work.store(true, Ordering::SeqCst);
    }

    /// Whether the thread or its process is on its way out.
    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst) || self.process.exiting()
    }

    /// Makes the thread look for work soon: it leaves user code, and wakes from waiting.
    pub fn kick(&self) {
        self.work.store(true, Ordering::SeqCst);
        if let Some(thread) = self.runner.0.get() {
            thread.interrupt();
        }
    }

    /// Whether there was work since the last call; to be asked before user code goes on.
    pub fn take_work(&self) -> bool {
        self.work.load(Ordering::Relaxed) && self.work.swap(false, Ordering::SeqCst)
    }

    /// Signals that the thread blocks.
    pub fn blocked(&self) -> SignalSet {
        SignalSet(self.blocked.load(Ordering::SeqCst))
    }

    /// Sets the blocked signals, save those that cannot be; pending signals that are now open are looked at.
    pub fn set_blocked(&self, set: SignalSet) {
        self.blocked.store(set.without(SignalSet::UNBLOCKABLE).0, Ordering::SeqCst);
        self.work.store(true, Ordering::SeqCst);
    }

    /// Signals that are pending for the thread or its process.
    pub fn pending_signals(&self) -> SignalSet {
        self.pending.lock().set().union(self.process.pending_signals())
    }

    /// Whether a wait must end: a signal that is not blocked is pending, or the process is ending.
    pub fn interrupted(&self) -> bool {
        self.process.exiting()
            || self.work.load(Ordering::SeqCst) && !self.pending_signals().without(self.blocked()).is_empty()
    }

    /// Sends a signal to this thread (tgkill(2), exceptions).
    pub fn send_signal(&self, number: u8, info: signal::Info) {
        if !self.process.ignores(number) {
            self.pending.lock().add(number, info);
            self.kick();
        }
    }

    /// Takes the first pending signal that is in `wanted`, the thread's own before the process's.
    pub fn take_signal(&self, wanted: SignalSet) -> Option<signal::Info> {
        let own = self.pending.lock().take(wanted);
        own.or_else(|| self.process.take_signal(wanted))
    }

    /// Forgets a pending signal.
    pub fn discard_signal(&self, number: u8) {
        self.pending.lock().discard(number);
    }
}
