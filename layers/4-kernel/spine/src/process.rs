//! Processes: what the threads of a program share.

use crate::{
    fd::DescriptorTable,
    kernel::Kernel,
    parts::Parts,
    signal::{self, Disposition, Pending, SignalSet},
    strings::Strings,
    thread::Thread,
    wait::{Events, WaitQueue},
};
use alloc::{sync::Arc, vec::Vec};
use core::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};
use rumpkin_abi::{ResourceLimit, SignalAction};
use rumpkin_collections::{OutOfMemory, TryVec, try_arc};
use rumpkin_mm::Mm;
use rumpuser::{clock, sync::Mutex};
use spin::Once;

/// What a program was started as.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Path of the executable (`/proc/self/exe`).
    pub path: Vec<u8>,
    /// Arguments.
    pub arguments: Strings,
    /// Environment, as `NAME=value`.
    pub environment: Strings,
}

/// The name of an executable; what is no UTF-8 in it is shown as U+FFFD.
pub struct Name<'a>(pub &'a [u8]);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.utf8_chunks().try_for_each(|chunk| {
            f.write_str(chunk.valid())?;
            if chunk.invalid().is_empty() { Ok(()) } else { f.write_str("\u{fffd}") }
        })
    }
}

/// A program that runs.
pub struct Process {
    /// Its number.
    pub id: u32,
    /// The kernel that it runs on.
    pub kernel: Arc<Kernel>,
    /// Its memory.
    pub memory: Arc<Mm>,
    /// Its descriptors.
    pub descriptors: DescriptorTable,
    /// State of components.
    pub parts: Parts,
    /// What it was started as.
    pub program: Program,
    /// When it was started (monotonic nanoseconds).
    pub started_at: u64,
    /// Limits (getrlimit(2)), by `RLIMIT_*`.
    pub limits: Mutex<[ResourceLimit; 16]>,
    /// Announces `READ` when the process has ended.
    pub ended: WaitQueue,
    auxiliary: Once<Vec<u8>>,
    /// In the order of their numbers, which only grow.
    threads: Mutex<Vec<Arc<Thread>>>,
    /// Nanoseconds that CPUs have spent on threads that have ended; changed with `threads` locked.
    ended_cpu_time: AtomicU64,
    actions: Mutex<[SignalAction; signal::COUNT]>,
    pending: Mutex<Pending>,
    exiting: AtomicBool,
    /// The exit status, from the moment that it is decided.
    status: Mutex<Option<u8>>,
}

impl Process {
    /// A process without threads.
    pub fn new(kernel: &Arc<Kernel>, memory: Arc<Mm>, program: Program) -> Result<Arc<Process>, OutOfMemory> {
        let unlimited = ResourceLimit { current: u64::MAX, maximum: u64::MAX };
        let process = try_arc(Process {
            id: kernel.allocate_id(),
            kernel: kernel.clone(),
            memory,
            descriptors: DescriptorTable::default(),
            parts: kernel.process_parts()?,
            program,
            started_at: clock::monotonic(),
            limits: Mutex::new([unlimited; 16]),
            ended: WaitQueue::new(),
            auxiliary: Once::new(),
            threads: Mutex::new(Vec::new()),
            ended_cpu_time: AtomicU64::new(0),
            actions: Mutex::new([SignalAction::default(); signal::COUNT]),
            pending: Mutex::new(Pending::default()),
            exiting: AtomicBool::new(false),
            status: Mutex::new(None),
        })?;
        kernel.add_process(process.clone())?;
        Ok(process)
    }

    /// The name of the executable, without its folders.
    pub fn name(&self) -> Name<'_> {
        Name(self.program.path.rsplit(|&byte| byte == b'/').next().unwrap_or_default())
    }

    /// Says what auxiliary vector lies on the first stack; only the first call counts.
    pub fn set_auxiliary(&self, vector: Vec<u8>) {
        self.auxiliary.call_once(|| vector);
    }

    /// The auxiliary vector (`/proc/self/auxv`).
    pub fn auxiliary(&self) -> &[u8] {
        self.auxiliary.get().map_or(&[], Vec::as_slice)
    }

    /// Adds a thread.
    pub fn add_thread(&self, thread: Arc<Thread>) -> Result<(), OutOfMemory> {
        let mut threads = self.threads.lock();
        let place = threads.partition_point(|other| other.id < thread.id);
        threads.try_insert(place, thread)
    }

    /// Forgets a thread that has ended; true if it was the last, and the process has ended with it.
    pub fn remove_thread(&self, id: u32) -> bool {
        let last = {
            let mut threads = self.threads.lock();
            if let Ok(place) = threads.binary_search_by_key(&id, |thread| thread.id) {
                self.ended_cpu_time.fetch_add(threads.remove(place).cpu_time(), Ordering::Relaxed);
            }
            threads.is_empty()
        };
        if last {
            self.status.lock().get_or_insert(0);
            self.exiting.store(true, Ordering::SeqCst);
            self.ended.notify(Events::READ);
        }
        last
    }

    /// The thread of this number.
    pub fn thread(&self, id: u32) -> Option<Arc<Thread>> {
        let threads = self.threads.lock();
        let place = threads.binary_search_by_key(&id, |thread| thread.id).ok()?;
        threads.get(place).cloned()
    }

    /// Nanoseconds that CPUs have spent on the process.
    pub fn cpu_time(&self) -> u64 {
        let threads = self.threads.lock();
        let ended = self.ended_cpu_time.load(Ordering::Relaxed);
        threads.iter().fold(ended, |sum, thread| sum.saturating_add(thread.cpu_time()))
    }

    /// Shows every thread; the list is locked meanwhile.
    pub fn with_threads<T>(&self, show: impl FnOnce(&[Arc<Thread>]) -> T) -> T {
        show(&self.threads.lock())
    }

    /// How many threads there are.
    pub fn thread_count(&self) -> usize {
        self.threads.lock().len()
    }

    /// Ends the process (exit_group(2)): every thread leaves at its next return from the kernel. The first status counts.
    pub fn exit(&self, status: u8) {
        self.status.lock().get_or_insert(status);
        self.exiting.store(true, Ordering::SeqCst);
        self.with_threads(|threads| threads.iter().for_each(|thread| thread.kick()));
    }

    /// Whether the process is on its way out.
    pub fn exiting(&self) -> bool {
        self.exiting.load(Ordering::SeqCst)
    }

    /// The exit status, once it is decided: 0 to 255, 128 + signal for a killed program.
    pub fn status(&self) -> Option<u8> {
        *self.status.lock()
    }

    /// Whether every thread has ended.
    pub fn has_ended(&self) -> bool {
        self.exiting() && self.threads.lock().is_empty()
    }

    /// The action for a signal.
    pub fn action(&self, number: u8) -> SignalAction {
        self.actions.lock().get(signal::index(number)).copied().unwrap_or_default()
    }

    /// Sets the action for a signal; the old one comes back. A signal that is now ignored is no longer pending.
    pub fn set_action(&self, number: u8, action: SignalAction) -> SignalAction {
        let old = match self.actions.lock().get_mut(signal::index(number)) {
            Some(slot) => core::mem::replace(slot, action),
            None => SignalAction::default(),
        };
        if signal::disposition(number, &action) == Disposition::Ignore {
            self.pending.lock().discard(number);
            self.with_threads(|threads| threads.iter().for_each(|thread| thread.discard_signal(number)));
        }
        old
    }

    /// Sends a signal to the process (kill(2)): whichever thread does not block it takes it.
    pub fn send_signal(&self, number: u8, info: signal::Info) {
        if self.ignores(number) {
            return;
        }
        self.pending.lock().add(number, info);
        self.with_threads(|threads| {
            let taker = threads.iter().find(|thread| !thread.blocked().contains(number)).or(threads.first());
            if let Some(thread) = taker {
                thread.kick();
            }
        });
    }

    /// Has every thread but one look at signals that are pending for the process and that it does not block.
    pub fn hand_on(&self, pending: SignalSet, except: u32) {
        self.with_threads(|threads| {
            let others = threads.iter().filter(|other| other.id != except);
            others.filter(|other| !pending.without(other.blocked()).is_empty()).for_each(|other| other.kick());
        });
    }

    /// Whether a signal would be dropped at once. One that some thread blocks or waits for is kept all the same.
    pub fn ignores(&self, number: u8) -> bool {
        signal::disposition(number, &self.action(number)) == Disposition::Ignore
            && !self.with_threads(|threads| threads.iter().any(|thread| thread.blocked().contains(number)))
    }

    /// Takes the first pending signal of the process that is in `wanted`.
    pub fn take_signal(&self, wanted: SignalSet) -> Option<signal::Info> {
        self.pending.lock().take(wanted)
    }

    /// Signals that are pending for the process.
    pub fn pending_signals(&self) -> SignalSet {
        self.pending.lock().set()
    }
}
