//! Threads of the process, with the one token that park and unpark pass. Those of a simulation take turns.

use crate::{machine, simulation::Simulation};
use rumpuser::memory::OutOfMemory;
use std::{
    cell::RefCell,
    collections::HashMap,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    ptr::NonNull,
    sync::{
        Arc, Condvar, LazyLock, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// A thread that the kernel may have a handle of.
pub struct Thread {
    number: usize,
    kind: Kind,
}

/// What a thread parks on.
enum Kind {
    Real {
        token: Mutex<bool>,
        given: Condvar,
        /// Where Linux tells how long the thread has run, once it does.
        statistics: OnceLock<PathBuf>,
    },
    Simulated(Arc<Simulation>, usize),
}

/// Threads that somebody owns a handle of, with the number of owners.
type Owned = HashMap<usize, (Arc<Thread>, usize)>;

static OWNED: LazyLock<Mutex<Owned>> = LazyLock::new(Mutex::default);
static NEXT: AtomicUsize = AtomicUsize::new(1);

thread_local! {
    static CURRENT: RefCell<Option<Arc<Thread>>> = const { RefCell::new(None) };
}

/// The handle that stands for a number of a table.
pub fn handle(number: usize) -> NonNull<()> {
    NonNull::without_provenance(NonZeroUsize::new(number).expect("numbers start at 1"))
}

impl Thread {
    fn new(place: Option<(Arc<Simulation>, usize)>) -> Arc<Thread> {
        let kind = match place {
            None => Kind::Real { token: Mutex::default(), given: Condvar::new(), statistics: OnceLock::new() },
            Some((simulation, index)) => Kind::Simulated(simulation, index),
        };
        Arc::new(Thread { number: NEXT.fetch_add(1, Ordering::Relaxed), kind })
    }

    /// Makes it the calling thread.
    fn attach(self: Arc<Self>) -> Option<Arc<Thread>> {
        if let Kind::Real { statistics, .. } = &self.kind
            && let Ok(own) = std::fs::read_link("/proc/thread-self")
        {
            let _ = statistics.set(Path::new("/proc").join(own).join("schedstat"));
        }
        CURRENT.replace(Some(self))
    }

    pub fn simulation(&self) -> Option<&Arc<Simulation>> {
        match &self.kind {
            Kind::Real { .. } => None,
            Kind::Simulated(simulation, _) => Some(simulation),
        }
    }

    pub fn is_simulated(&self) -> bool {
        self.simulation().is_some()
    }

    fn own(self: &Arc<Self>) -> NonNull<()> {
        OWNED.lock().unwrap().entry(self.number).or_insert_with(|| (self.clone(), 0)).1 += 1;
        handle(self.number)
    }
}

/// Makes the calling thread one of a simulation, or a real one; what it was comes back.
pub fn enter(place: Option<(Arc<Simulation>, usize)>) -> Option<Arc<Thread>> {
    Thread::new(place).attach()
}

pub fn with_current<T>(f: impl FnOnce(&Arc<Thread>) -> T) -> T {
    let thread = CURRENT.with_borrow(Clone::clone).unwrap_or_else(|| {
        let thread = Thread::new(None);
        thread.clone().attach();
        thread
    });
    f(&thread)
}

/// The calling thread's place in this simulation, if it has one.
pub fn simulated(simulation: &Simulation) -> Option<usize> {
    with_current(|thread| match &thread.kind {
        Kind::Simulated(own, index) if std::ptr::eq(&**own, simulation) => Some(*index),
        _ => None,
    })
}

pub fn spawn(name: &'static str, entry: Box<dyn FnOnce() + Send>) -> Result<NonNull<()>, OutOfMemory> {
    let simulation = with_current(|thread| thread.simulation().cloned());
    let place = simulation.map(|simulation| {
        let index = simulation.add(name);
        (simulation, index)
    });
    let thread = Thread::new(place.clone());
    let handle = thread.own();
    let started = place.clone();
    let body = move || {
        thread.attach();
        match started {
            Some((simulation, index)) => simulation.run_thread(index, entry),
            None => entry(),
        }
    };
    match std::thread::Builder::new().name(name.into()).spawn(body) {
        Ok(_) => Ok(handle),
        Err(_) => {
            if let Some((simulation, index)) = place {
                simulation.remove(index);
            }
            release(handle);
            Err(OutOfMemory)
        }
    }
}

pub fn current() -> NonNull<()> {
    with_current(Thread::own)
}

pub fn retain(thread: NonNull<()>) -> NonNull<()> {
    if let Some((_, owners)) = OWNED.lock().unwrap().get_mut(&thread.addr().get()) {
        *owners += 1;
    }
    thread
}

pub fn release(thread: NonNull<()>) {
    let mut owned = OWNED.lock().unwrap();
    if let Some((_, owners)) = owned.get_mut(&thread.addr().get()) {
        *owners -= 1;
        if *owners == 0 {
            owned.remove(&thread.addr().get());
        }
    }
}

pub fn park(deadline: Option<u64>) -> bool {
    let thread = with_current(Arc::clone);
    match &thread.kind {
        Kind::Simulated(simulation, index) => simulation.park(*index, deadline),
        Kind::Real { token, given, .. } => {
            let mut token = token.lock().unwrap();
            while !*token {
                token = match deadline {
                    None => given.wait(token).unwrap(),
                    Some(deadline) => {
                        let left = deadline.saturating_sub(machine::monotonic());
                        if left == 0 {
                            return false;
                        }
                        given.wait_timeout(token, Duration::from_nanos(left)).unwrap().0
                    }
                };
            }
            *token = false;
            true
        }
    }
}

pub fn unpark(thread: NonNull<()>) {
    let thread = OWNED.lock().unwrap().get(&thread.addr().get()).map(|(thread, _)| thread.clone());
    match thread.as_deref().map(|thread| &thread.kind) {
        None => {}
        Some(Kind::Simulated(simulation, index)) => simulation.unpark(*index),
        Some(Kind::Real { token, given, .. }) => {
            *token.lock().unwrap() = true;
            given.notify_one();
        }
    }
}

/// Nanoseconds that the thread has run.
pub fn cpu_time(thread: NonNull<()>) -> u64 {
    let thread = OWNED.lock().unwrap().get(&thread.addr().get()).map(|(thread, _)| thread.clone());
    match thread.as_deref().map(|thread| &thread.kind) {
        None => 0,
        Some(Kind::Simulated(simulation, index)) => simulation.cpu_time(*index),
        Some(Kind::Real { statistics, .. }) => {
            // The first number of three; the file is gone when the thread is.
            let text = statistics.get().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
            text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
        }
    }
}

pub fn yield_now() {
    let thread = with_current(Arc::clone);
    match &thread.kind {
        Kind::Simulated(simulation, index) => simulation.yield_now(*index),
        Kind::Real { .. } => std::thread::yield_now(),
    }
}
