//! Simulated time: one thread runs at a time, a seed chooses which, and the clock jumps when nobody can run.
//!
//! ```text
//!   park, yield, now and then unpark ──▶ choose a runnable thread by the seed ──▶ its turn; all others wait
//!                                             │ none: the clock jumps to the next deadline
//! ```
//! A run depends on its seed alone: threads are taken in order of their start, random bytes come from the seed, and the
//! wall clock begins at a fixed date. So a failure replays.

use crate::{
    memory,
    random::Random,
    requests::Requests,
    thread::{self, Thread},
};
use rumpuser::{
    boot::BootData,
    context::{Event, Registers},
    memory::OutOfMemory,
};
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

/// What the wall clock shows at the beginning: 2024-01-01, in nanoseconds since 1970.
const EPOCH: u64 = 1_704_067_200_000_000_000;
/// Most nanoseconds that a thread is taken to have computed for between two choices.
const COMPUTATION: u64 = 2000;
/// How often, of a thousand times, one who unparks another lets it go first.
const PREEMPTION: u32 = 250;

/// What stands in for user code: it is handed the registers of a thread that enters, in that thread and its address space, and
/// does what the thread's program would until something needs the kernel.
pub type UserCode = Arc<dyn Fn(&mut Registers) -> Event + Send + Sync>;

/// What a simulated machine has besides threads and a clock.
#[derive(Clone, Default)]
pub struct Machine {
    /// What was handed over at boot; without it, what the process was given ([`crate::set_boot_data`]).
    pub boot_data: Option<&'static BootData>,
    /// What runs when a thread enters user code; without it, the first instruction is an invalid one.
    pub user_code: Option<UserCode>,
    /// Which requests for memory it refuses, and how many there were.
    pub requests: Arc<Requests>,
}

/// A run's threads, clock and chance.
pub struct Simulation {
    pub machine: Machine,
    state: Mutex<State>,
    /// Frames that were allocated in it and are not free yet.
    pub frames: Arc<AtomicUsize>,
}

struct State {
    now: u64,
    random: Random,
    /// In the order of their start; `None` for one that has ended.
    threads: Vec<Option<Task>>,
    running: usize,
    /// The first thread has returned, or some thread has panicked: every other one unwinds at its next turn.
    over: bool,
    failure: Option<Box<dyn Any + Send>>,
}

struct Task {
    name: &'static str,
    condition: Condition,
    token: bool,
    turn: Arc<Condvar>,
    /// Nanoseconds that it has computed.
    used: u64,
}

#[derive(PartialEq, Eq)]
enum Condition {
    Runnable,
    Parked(Option<u64>),
    /// As runnable, and it was unparked.
    Unparked,
}

/// What unwinds a thread whose simulation is over.
struct Over;

/// Runs `body` as the first thread of a simulation of a machine with nothing in it; see [`Machine::simulate`].
///
/// # Panics
/// As [`Machine::simulate`].
pub fn simulate<T>(seed: u64, body: impl FnOnce() -> T) -> T {
    Machine::default().simulate(seed, body)
}

impl Machine {
    /// Runs `body` as the first thread of a simulation. When it returns, every thread that it left behind is unwound. A panic
    /// of any thread ends the run, and comes out of this function.
    ///
    /// # Panics
    /// When called in a simulation; when every thread waits and no deadline is set.
    pub fn simulate<T>(self, seed: u64, body: impl FnOnce() -> T) -> T {
        let simulation = Arc::new(Simulation {
            machine: self,
            state: Mutex::new(State {
                now: 1,
                random: Random::new(seed),
                threads: vec![Some(Task::new("main"))],
                running: 0,
                over: false,
                failure: None,
            }),
            frames: Arc::default(),
        });
        let outer = thread::enter(Some((simulation.clone(), 0)));
        assert!(outer.is_none_or(|thread| !thread.is_simulated()), "a simulation cannot run in another one");
        let result = catch_unwind(AssertUnwindSafe(body));
        let failure = simulation.finish();
        memory::forget_payload(&simulation.frames);
        thread::enter(None);
        match (failure, result) {
            (Some(failure), _) => resume_unwind(failure),
            (None, Err(failure)) => resume_unwind(failure),
            (None, Ok(value)) => value,
        }
    }
}

impl Task {
    fn new(name: &'static str) -> Task {
        Task { name, condition: Condition::Runnable, token: false, turn: Arc::default(), used: 0 }
    }
}

impl State {
    fn task(&mut self, index: usize) -> &mut Task {
        self.threads[index].as_mut().expect("a thread that has not ended")
    }

    /// Lets time pass, and chooses who runs next. `None`: nobody ever will.
    fn choose(&mut self) -> Option<usize> {
        let computed = self.random.below(COMPUTATION);
        self.now += computed;
        if let Some(task) = &mut self.threads[self.running] {
            task.used += computed;
        }
        loop {
            let mut runnable = Vec::new();
            let mut next: Option<u64> = None;
            for (index, task) in self.threads.iter_mut().enumerate() {
                let Some(task) = task else { continue };
                match task.condition {
                    Condition::Parked(Some(deadline)) if deadline <= self.now => task.condition = Condition::Runnable,
                    Condition::Parked(Some(deadline)) => {
                        next = Some(next.map_or(deadline, |next| next.min(deadline)));
                        continue;
                    }
                    Condition::Parked(None) => continue,
                    Condition::Runnable | Condition::Unparked => {}
                }
                runnable.push(index);
            }
            if !runnable.is_empty() {
                return Some(runnable[self.random.below(runnable.len() as u64) as usize]);
            }
            self.now = next?;
        }
    }

    /// Ends the run for a reason; the first one counts.
    fn fail(&mut self, failure: Box<dyn Any + Send>) {
        self.failure.get_or_insert(failure);
        self.end();
    }

    fn end(&mut self) {
        self.over = true;
        for task in self.threads.iter_mut().flatten() {
            task.condition = Condition::Runnable;
        }
    }

    /// Gives the turn to somebody. When nobody can run, the run has failed.
    fn hand_over(&mut self) {
        let chosen = self.choose().unwrap_or_else(|| {
            let names: Vec<_> = self.threads.iter().flatten().map(|task| task.name).collect();
            let waiting = format!("every thread waits and no deadline is set: {}", names.join(", "));
            if !self.over {
                self.fail(Box::new(waiting));
            }
            0
        });
        self.running = chosen;
        if let Some(task) = &self.threads[chosen] {
            task.turn.notify_one();
        }
    }
}

impl Simulation {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn now(&self) -> u64 {
        self.lock().now
    }

    pub fn wall_clock(&self) -> u64 {
        EPOCH + self.now()
    }

    pub fn fill(&self, buffer: &mut [u8]) {
        self.lock().random.fill(buffer);
    }

    /// Waits until the thread `me` has its turn. Does not return when the run is over, unless the thread is unwinding.
    fn await_turn<'a>(&'a self, mut state: MutexGuard<'a, State>, me: usize) -> MutexGuard<'a, State> {
        let turn = state.task(me).turn.clone();
        while state.running != me {
            state = turn.wait(state).unwrap();
        }
        if state.over && !std::thread::panicking() {
            drop(state);
            // No panic hook: this is how a thread ends.
            resume_unwind(Box::new(Over));
        }
        state
    }

    fn switch<'a>(&'a self, mut state: MutexGuard<'a, State>, me: usize) -> MutexGuard<'a, State> {
        state.hand_over();
        self.await_turn(state, me)
    }

    pub fn park(&self, me: usize, deadline: Option<u64>) -> bool {
        let mut state = self.lock();
        if std::mem::take(&mut state.task(me).token) {
            return true;
        }
        state.task(me).condition = Condition::Parked(deadline);
        let mut state = self.switch(state, me);
        std::mem::replace(&mut state.task(me).condition, Condition::Runnable) == Condition::Unparked
    }

    pub fn unpark(&self, thread: usize) {
        let mut state = self.lock();
        let Some(task) = &mut state.threads[thread] else { return };
        match task.condition {
            Condition::Parked(_) => task.condition = Condition::Unparked,
            Condition::Runnable | Condition::Unparked => task.token = true,
        }
        if let Some(me) = thread::simulated(self)
            && !std::thread::panicking()
            && state.random.chance(PREEMPTION)
        {
            drop(self.switch(state, me));
        }
    }

    /// Nanoseconds that a thread has computed; 0 for one that has ended.
    pub fn cpu_time(&self, thread: usize) -> u64 {
        self.lock().threads[thread].as_ref().map_or(0, |task| task.used)
    }

    pub fn yield_now(&self, me: usize) {
        drop(self.switch(self.lock(), me));
    }

    /// A new thread's place. It runs when it is chosen.
    pub fn add(&self, name: &'static str) -> usize {
        let mut state = self.lock();
        state.threads.push(Some(Task::new(name)));
        state.threads.len() - 1
    }

    /// Forgets a thread that could not be started.
    pub fn remove(&self, thread: usize) {
        self.lock().threads[thread] = None;
    }

    /// The life of a thread other than the first.
    pub fn run_thread(&self, me: usize, entry: impl FnOnce()) {
        let result = catch_unwind(AssertUnwindSafe(|| {
            drop(self.await_turn(self.lock(), me));
            entry();
        }));
        let mut state = self.lock();
        state.threads[me] = None;
        if let Err(failure) = result
            && !failure.is::<Over>()
        {
            state.fail(failure);
        }
        state.hand_over();
    }

    /// Has every other thread unwind, one at a time; why the run failed, if it did.
    fn finish(&self) -> Option<Box<dyn Any + Send>> {
        let mut state = self.lock();
        state.end();
        while state.threads.iter().skip(1).any(Option::is_some) {
            // The first thread comes back when no other can run: one that waits while it unwinds waits for ever.
            state.task(0).condition = Condition::Parked(None);
            state.hand_over();
            let turn = state.task(0).turn.clone();
            while state.running != 0 {
                state = turn.wait(state).unwrap();
            }
            let can_run = |task: &Task| task.condition != Condition::Parked(None);
            if !state.threads.iter().skip(1).flatten().any(can_run) {
                break;
            }
        }
        state.failure.take().filter(|failure| !failure.is::<Over>())
    }
}

/// Runs `body` once for each seed, each time as a simulation of its own; `test` is the test's path, for the message that tells
/// how to replay a seed that fails.
///
/// The seeds are 0 to `count`, unless the environment chooses others: `RUMPKIN_SEED=7` or `RUMPKIN_SEED=0x7` is this seed
/// alone, `RUMPKIN_SEEDS=1000` as many from 0 on, `RUMPKIN_SEEDS=1000..2000` a range.
///
/// Several seeds run side by side, as many as the host has processors for.
///
/// # Panics
/// When seeds fail, once all of them, or twenty failures, are there to be named; when the environment's choice cannot be
/// understood.
pub fn for_each_seed(test: &str, count: u64, body: impl Fn(u64) + Sync) {
    let seeds = chosen_seeds(count).unwrap_or_else(|text| {
        panic!("{text} names no seeds: RUMPKIN_SEED=7, RUMPKIN_SEEDS=1000 or RUMPKIN_SEEDS=1000..2000")
    });
    let (seeds, failed) = (Mutex::new(seeds), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while failed.lock().unwrap().len() < MAX_FAILURES {
                    let Some(seed) = seeds.lock().unwrap().next() else { break };
                    if catch_unwind(AssertUnwindSafe(|| simulate(seed, || body(seed)))).is_err() {
                        eprintln!("seed {seed} fails; replay it with RUMPKIN_SEED={seed} cargo test {test}");
                        failed.lock().unwrap().push(seed);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "seeds {failed:?} fail; replay one with RUMPKIN_SEED={} cargo test {test}", failed[0]);
}

/// Failures after which no further seed is tried.
const MAX_FAILURES: usize = 20;

/// The seeds that the environment names, or the first `count`. Text that cannot be understood comes back.
fn chosen_seeds(count: u64) -> Result<std::ops::Range<u64>, String> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    if let Ok(text) = std::env::var("RUMPKIN_SEED") {
        let seed = number(&text).ok_or(text)?;
        return Ok(seed..seed.saturating_add(1));
    }
    let Ok(text) = std::env::var("RUMPKIN_SEEDS") else { return Ok(0..count) };
    let range = match text.split_once("..") {
        Some((from, to)) => number(from).zip(number(to)).map(|(from, to)| from..to),
        None => number(&text).map(|count| 0..count),
    };
    range.ok_or(text)
}

/// The simulation that the calling thread belongs to.
pub fn current() -> Option<Arc<Simulation>> {
    thread::with_current(|thread: &Arc<Thread>| thread.simulation().cloned())
}

/// Frames that have been counted for a machine; how a frame is given back to the same count.
pub fn frame_counter() -> Arc<AtomicUsize> {
    static REAL: std::sync::LazyLock<Arc<AtomicUsize>> = std::sync::LazyLock::new(Arc::default);
    current().map_or_else(|| REAL.clone(), |simulation| simulation.frames.clone())
}

/// Frames that the calling thread's machine has taken.
pub fn frames_taken() -> usize {
    frame_counter().load(Ordering::Relaxed)
}

/// The calling thread's machine is asked for memory. Real machines refuse nothing.
pub fn memory_request() -> Result<(), OutOfMemory> {
    current().map_or(Ok(()), |simulation| simulation.machine.requests.make())
}
