//! Processes, and the threads of programs that share them.

use crate::{
    fd::DescriptorTable,
    file::Caller,
    kernel::Kernel,
    notice::{Owner, Recipient, Target},
    parts::Parts,
    strings::Strings,
    wait::{Events, Observer, WaitQueue, Waiter},
};
use alloc::{
    sync::{Arc, Weak},
    vec::Vec,
};
use core::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
};
use rumpkin_abi::{Errno, ResourceLimit, SignalInfo, signal::SIGPIPE};
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

    /// Sends the signal that `info` tells of to the process: whichever thread does not block it takes it (kill(2)).
    pub fn send_signal(&self, info: SignalInfo) {
        if let Some(signals) = self.kernel.parts.get::<Signals>() {
            (signals.to_process)(self, info);
        }
    }
}

impl Target for Process {
    fn send_signal(&self, info: SignalInfo) {
        Process::send_signal(self, info);
    }
}

/// What the component of signals does for others; a part of the kernel. Without it, signals are lost.
pub struct Signals {
    /// Sends the signal that is told of to a process.
    pub to_process: fn(&Process, SignalInfo),
    /// Sends it to a thread.
    pub to_thread: fn(&Thread, SignalInfo),
    /// Whether a signal is pending that the thread does not block.
    pub pending: fn(&Thread) -> bool,
}

/// The processes of a kernel; a part of it.
#[derive(Default)]
pub(crate) struct Processes(Mutex<Vec<Arc<Process>>>);

impl Kernel {
    /// Makes a process known. Without the spine's own parts, which every kernel has, there is nobody to know it.
    fn add_process(&self, process: Arc<Process>) -> Result<(), OutOfMemory> {
        let processes: &Processes = self.parts.get().ok_or(OutOfMemory)?;
        processes.0.lock().try_push(process)
    }

    /// Forgets a process that has ended.
    pub fn remove_process(&self, id: u32) {
        if let Some(processes) = self.parts.get::<Processes>() {
            processes.0.lock().retain(|process| process.id != id);
        }
    }

    /// Shows every process; the list is locked meanwhile.
    pub fn with_processes<T>(&self, show: impl FnOnce(&[Arc<Process>]) -> T) -> T {
        match self.parts.get::<Processes>() {
            Some(processes) => show(&processes.0.lock()),
            None => show(&[]),
        }
    }

    /// The process of this number.
    pub fn process(&self, id: u32) -> Option<Arc<Process>> {
        self.with_processes(|processes| processes.iter().find(|process| process.id == id).cloned())
    }

    /// Whom an owner of files stands for. `ESRCH` if there is no such thread or process.
    pub fn recipient(&self, owner: Owner) -> Result<Recipient, Errno> {
        match owner {
            Owner::Nobody => Ok(None),
            Owner::Process(id) | Owner::Group(id) => {
                let process: Weak<Process> = Arc::downgrade(&self.process(id).ok_or(Errno::ESRCH)?);
                Ok(Some(process))
            }
            Owner::Thread(id) => {
                let thread = self.with_processes(|all| all.iter().find_map(|process| process.thread(id)));
                let thread: Weak<Thread> = Arc::downgrade(&thread.ok_or(Errno::ESRCH)?);
                Ok(Some(thread))
            }
        }
    }
}

/// A thread of a program.
pub struct Thread {
    /// Its number; that of the process for the first thread.
    pub id: u32,
    /// What it shares with the other threads.
    pub process: Arc<Process>,
    /// State of components.
    pub parts: Parts,
    /// Where a zero goes when the thread ends, and a futex is woken (set_tid_address(2)); 0 for nowhere.
    pub clear_child_tid: AtomicUsize,
    /// Head of the list of robust futexes (set_robust_list(2)); 0 for none.
    pub robust_list: AtomicUsize,
    /// Its name (prctl `PR_SET_NAME`).
    pub name: Mutex<[u8; 16]>,
    /// For whoever keeps the thread in a queue of sleepers of its own (futexes): where it is, or 0 for nowhere.
    pub wait_slot: AtomicUsize,
    /// The thread makes no further return to user code (exit(2)).
    ending: AtomicBool,
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

impl Waiter for Thread {
    fn observer(&self) -> Result<Arc<dyn Observer>, OutOfMemory> {
        Ok(self.runner.clone())
    }

    fn interrupted(&self) -> bool {
        let pending = || self.process.kernel.parts.get::<Signals>().is_some_and(|signals| (signals.pending)(self));
        self.process.exiting() || self.work.load(Ordering::SeqCst) && pending()
    }
}

impl Caller for Thread {
    fn process_id(&self) -> u32 {
        self.process.id
    }

    fn broken_pipe(&self) {
        self.send_signal(SignalInfo::from_kernel(SIGPIPE));
    }
}

impl Target for Thread {
    fn send_signal(&self, info: SignalInfo) {
        Thread::send_signal(self, info);
    }
}

impl Thread {
    /// A thread that [`Thread::attach`] has yet to be called for. The caller adds it to the process.
    pub fn new(id: u32, process: Arc<Process>) -> Result<Arc<Thread>, OutOfMemory> {
        try_arc(Thread {
            id,
            parts: process.kernel.thread_parts()?,
            process,
            clear_child_tid: AtomicUsize::new(0),
            robust_list: AtomicUsize::new(0),
            name: Mutex::new([0; 16]),
            wait_slot: AtomicUsize::new(0),
            ending: AtomicBool::new(false),
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

    /// Has the thread look for work before it goes back to user code. For the thread itself.
    pub fn look_for_work(&self) {
        self.work.store(true, Ordering::SeqCst);
    }

    /// Sends the signal that `info` tells of to this thread (tgkill(2), exceptions).
    pub fn send_signal(&self, info: SignalInfo) {
        if let Some(signals) = self.process.kernel.parts.get::<Signals>() {
            (signals.to_thread)(self, info);
        }
    }
}
