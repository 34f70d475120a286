//! Timers and clocks in simulated time, against what their settings say.

use proptest::prelude::*;
use rumpkin_abi::{
    Errno,
    linux::general,
    signal::{SIGALRM, SIGPROF},
};
use rumpkin_program::{Program, ProgramThread};
use rumpkin_signal::{ProcessSignals, SignalSet};
use rumpkin_spine::{Kernel, config::Config};
use rumpuser::{clock, device, user};
use std::sync::Arc;

const SECOND: u64 = 1_000_000_000;
/// What a thread may take to get its turn.
const SLACK: u64 = 100_000;

/// Runs a test as a program in simulated time; what went wrong, if anything.
fn simulate(seed: u64, test: impl FnOnce(&Program, &ProgramThread) -> Result<(), String>) -> Result<(), String> {
    rumpuser_hosted::simulate(seed, || {
        let mut kernel = Kernel::new(Config::default(), device::take());
        rumpkin_signal::register(&mut kernel);
        rumpkin_time::register(&mut kernel);
        let kernel = Arc::new(kernel);
        kernel.start();
        let program = Program::new(&kernel, "program").unwrap();
        let thread = program.thread().unwrap();
        test(&program, &thread)
    })
}

fn sleep(nanoseconds: u64) {
    let end = clock::monotonic() + nanoseconds;
    while clock::monotonic() < end {
        rumpuser::thread::park(Some(end));
    }
}

fn words<const N: usize>(at: usize) -> [u64; N] {
    let mut bytes = vec![0; 8 * N];
    user::read(at, &mut bytes).unwrap();
    std::array::from_fn(|index| u64::from_le_bytes(*bytes[8 * index..].first_chunk().unwrap()))
}

fn put(thread: &ProgramThread, words: &[u64]) -> usize {
    thread.argument(&words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>()).unwrap()
}

fn ensure(condition: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(message()) }
}

/// A timer that sends a signal: when it was due first (0: never), its interval, and how often the signal has been taken since.
#[derive(Default)]
struct Setting {
    due: u64,
    interval: u64,
    taken: u64,
    /// A signal was taken while it was being set, when it was due already: nobody knows whether that was its own, or of the setting before.
    unclear: bool,
}

impl Setting {
    /// How often it has expired by then.
    fn passed(&self, now: u64) -> u64 {
        match (self.due, self.interval) {
            (0, _) => 0,
            (due, _) if due > now => 0,
            (_, 0) => 1,
            (due, interval) => 1 + (now - due) / interval,
        }
    }

    /// Whether a signal must be pending, and whether it may be.
    fn pending(&self) -> (bool, bool) {
        let now = clock::monotonic();
        (self.passed(now.saturating_sub(SLACK)) > self.taken, self.unclear || self.passed(now) > self.taken)
    }

    /// Nanoseconds until it expires next, at most.
    fn left(&self) -> u64 {
        let now = clock::monotonic();
        match (self.due, self.passed(now)) {
            (0, _) => 0,
            (due, 0) => due - now,
            (_, _) if self.interval == 0 => 0,
            (due, passed) => due + passed * self.interval - now,
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// First expiration and interval, in microseconds.
    Set(u64, u64),
    Sleep(u64),
    Look,
    Take,
}

fn step() -> impl Strategy<Value = Step> {
    let interval = prop_oneof![Just(0u64), 20_000..5_000_000u64];
    let first = prop_oneof![1 => Just(0u64), 2 => 1..50u64, 4 => 1..5_000_000u64];
    prop_oneof![
        (first, interval).prop_map(|(first, interval)| Step::Set(first, interval)),
        (0..4_000_000u64).prop_map(Step::Sleep),
        Just(Step::Look),
        Just(Step::Take),
    ]
}

/// Does the steps with a timer that `set` sets (nanoseconds) and `get` looks at: interval, then what is left.
fn run_timer(
    program: &Program,
    steps: &[Step],
    set: impl Fn(u64, u64),
    get: impl Fn() -> (u64, u64),
) -> Result<(), String> {
    let mut setting = Setting::default();
    for step in steps {
        match *step {
            Step::Set(first, interval) => {
                // What is pending from before stays; nothing is said of when.
                program.process().take_signal(SignalSet::of(SIGALRM));
                let due = if first == 0 { 0 } else { clock::monotonic() + first * 1000 };
                set(first * 1000, interval * 1000);
                let found = program.process().take_signal(SignalSet::of(SIGALRM)).is_some();
                setting = Setting { due, interval: interval * 1000, ..Setting::default() };
                setting.unclear = found && setting.passed(clock::monotonic()) > 0;
                setting.taken = u64::from(setting.unclear);
            }
            Step::Sleep(microseconds) => sleep(microseconds * 1000),
            Step::Look => {
                let most = setting.left();
                let (interval, left) = get();
                let armed = setting.due != 0 && (setting.interval != 0 || setting.passed(clock::monotonic()) == 0);
                ensure(!armed || interval == setting.interval, || format!("the interval is {interval}"))?;
                // Just now it may have been due, and the next one is an interval away.
                let close = left <= most + SLACK || left <= setting.interval;
                ensure(close, || format!("{left} ns are left of {most}"))?;
                ensure(!armed || left > 0 || most < SLACK, || "an armed timer has nothing left".into())?;
            }
            Step::Take => {
                let (must, may) = setting.pending();
                let passed = setting.passed(clock::monotonic());
                let found = program.process().take_signal(SignalSet::of(SIGALRM)).is_some();
                let may = may || setting.passed(clock::monotonic()) > setting.taken;
                ensure(found || !must, || "it has not expired".into())?;
                ensure(!found || may, || format!("it expired too early: {setting_due} ns", setting_due = setting.due))?;
                if found {
                    // One signal for all that has passed; the unclear one counts already.
                    setting.taken = passed.max(setting.taken + u64::from(!setting.unclear));
                    setting.unclear = false;
                }
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// setitimer(2): SIGALRM comes when it is due, and not before.
    #[test]
    fn interval_timers_keep_their_time(seed: u64, steps in prop::collection::vec(step(), 1..25)) {
        let result = simulate(seed, |program, thread| run_timer(
            program,
            &steps,
            |first, interval| {
                let split = |time: u64| [time / SECOND, time % SECOND / 1000];
                let at = put(thread, &[split(interval), split(first)].concat());
                thread.call(general::__NR_setitimer, &[0, at, 0]).unwrap();
            },
            || {
                let at = put(thread, &[0; 4]);
                thread.call(general::__NR_getitimer, &[0, at]).unwrap();
                let [seconds, rest, left, part] = words(at);
                (seconds * SECOND + rest * 1000, left * SECOND + part * 1000)
            },
        ));
        prop_assert_eq!(result, Ok(()));
    }

    /// timer_create(2): the same.
    #[test]
    fn posix_timers_keep_their_time(seed: u64, steps in prop::collection::vec(step(), 1..25)) {
        let result = simulate(seed, |program, thread| {
            let at = put(thread, &[0]);
            thread.call(general::__NR_timer_create, &[general::CLOCK_MONOTONIC as usize, 0, at]).unwrap();
            run_timer(
                program,
                &steps,
                |first, interval| {
                    let split = |time: u64| [time / SECOND, time % SECOND];
                    let at = put(thread, &[split(interval), split(first)].concat());
                    thread.call(general::__NR_timer_settime, &[0, 0, at, 0]).unwrap();
                },
                || {
                    let at = put(thread, &[0; 4]);
                    thread.call(general::__NR_timer_gettime, &[0, at]).unwrap();
                    let [seconds, rest, left, part] = words(at);
                    (seconds * SECOND + rest, left * SECOND + part)
                },
            )
        });
        prop_assert_eq!(result, Ok(()));
    }

    /// A sleep is never shorter than it was meant to be, on either clock, relative or absolute.
    #[test]
    fn sleeps_are_as_long_as_they_should_be(
        seed: u64,
        realtime: bool,
        absolute: bool,
        seconds in 0..100_000u64,
        nanoseconds in 0..1_100_000_000u64,
    ) {
        let result = simulate(seed, |_, thread| {
            let id = if realtime { general::CLOCK_REALTIME } else { general::CLOCK_MONOTONIC };
            let now = || if realtime { clock::realtime() } else { clock::monotonic() };
            let valid = nanoseconds < SECOND;
            let length = seconds * SECOND + nanoseconds;
            let target = if absolute && valid { now() + length } else { length };
            let (whole, part) = if valid { (target / SECOND, target % SECOND) } else { (seconds, nanoseconds) };
            let at = put(thread, &[whole, part]);
            let began = now();
            let result = thread.call(general::__NR_clock_nanosleep, &[id as usize, usize::from(absolute), at, 0]);
            let slept = now() - began;
            if !valid {
                return ensure(result == Err(Errno::EINVAL), || format!("a bad time gave {result:?}"));
            }
            ensure(result == Ok(0), || format!("{result:?}"))?;
            let wanted = if absolute { target.saturating_sub(began) } else { length };
            ensure(slept >= wanted && slept < wanted + SLACK, || format!("slept {slept} ns, not {wanted}"))
        });
        prop_assert_eq!(result, Ok(()));
    }
}

/// Computes for so many nanoseconds of the calling thread's CPU time.
fn compute(nanoseconds: u64) {
    let me = rumpuser::thread::current();
    let end = me.cpu_time() + nanoseconds;
    while me.cpu_time() < end {
        rumpuser::thread::yield_now();
    }
}

const MILLISECOND: u64 = 1_000_000;

/// What a CPU clock shows.
fn shown(thread: &ProgramThread, clock: i32) -> u64 {
    let at = put(thread, &[0; 2]);
    thread.call(general::__NR_clock_gettime, &[clock as usize, at]).unwrap();
    let [seconds, nanoseconds] = words(at);
    seconds * SECOND + nanoseconds
}

const PROCESS: i32 = general::CLOCK_PROCESS_CPUTIME_ID as i32;
const THREAD: i32 = general::CLOCK_THREAD_CPUTIME_ID as i32;

#[test]
fn cpu_clocks_stand_still_while_a_program_sleeps() {
    let result = simulate(3, |program, thread| {
        let both = || (shown(thread, PROCESS), shown(thread, THREAD));
        let before = both();
        sleep(SECOND);
        let after = both();
        ensure(after.0 - before.0 < MILLISECOND && after.1 - before.1 < MILLISECOND, || {
            format!("{before:?} {after:?}")
        })?;
        compute(MILLISECOND);
        let done = both();
        ensure(done.0 - after.0 >= MILLISECOND && done.1 - after.1 >= MILLISECOND, || format!("{after:?} {done:?}"))?;
        let second = program.process().kernel.allocate_id();
        ensure(second > program.process().id, || "numbers grow".into())?;
        // The clock of the process by its number, and of a thread that there is not.
        let number = |id: u32| (!id << 3) as i32;
        ensure(shown(thread, number(program.process().id) | 2) >= done.0, || "it goes back".into())?;
        let at = put(thread, &[0; 2]);
        for wrong in [number(second) | 6, number(second) | 2, number(0) | 3] {
            let result = thread.call(general::__NR_clock_gettime, &[wrong as usize, at]);
            ensure(result == Err(Errno::EINVAL), || format!("{wrong}: {result:?}"))?;
        }
        Ok(())
    });
    assert_eq!(result, Ok(()));
}

#[test]
fn cpu_timers_expire_after_computing_and_not_after_sleeping() {
    let result = simulate(5, |program, thread| {
        let at = put(thread, &[0]);
        thread.call(general::__NR_timer_create, &[PROCESS as usize, 0, at]).unwrap();
        let at = put(thread, &[0, 0, 0, MILLISECOND]);
        thread.call(general::__NR_timer_settime, &[0, 0, at, 0]).unwrap();
        // ITIMER_PROF, each 2 ms.
        let at = put(thread, &[0, 2000, 0, 2000]);
        thread.call(general::__NR_setitimer, &[2, at, 0]).unwrap();
        let taken = |number: u8| program.process().take_signal(SignalSet::of(number)).is_some();
        sleep(10 * SECOND);
        ensure(!taken(SIGALRM) && !taken(SIGPROF), || "sleep counts".into())?;
        compute(MILLISECOND);
        // Whoever slept so long is not looked at more often.
        sleep(64 * MILLISECOND);
        ensure(taken(SIGALRM), || "1 ms has passed unseen".into())?;
        ensure(!taken(SIGPROF), || "2 ms have not".into())?;
        compute(2 * MILLISECOND);
        sleep(64 * MILLISECOND);
        ensure(taken(SIGPROF), || "2 ms have passed unseen".into())?;
        compute(2 * MILLISECOND);
        sleep(64 * MILLISECOND);
        ensure(taken(SIGPROF) && !taken(SIGALRM), || "an interval has passed unseen".into())
    });
    assert_eq!(result, Ok(()));
}

#[test]
fn clocks_that_cannot_be_waited_for_are_refused() {
    let result = simulate(1, |_, thread| {
        let number = |clock: i32| clock as usize;
        for (clock, error) in [
            (THREAD, Errno::EOPNOTSUPP),
            (general::CLOCK_MONOTONIC_RAW as i32, Errno::EOPNOTSUPP),
            (general::CLOCK_MONOTONIC_COARSE as i32, Errno::EOPNOTSUPP),
            (!0 << 3 | 6, Errno::EINVAL),
            (77, Errno::EINVAL),
        ] {
            let at = put(thread, &[0, 1]);
            let result = thread.call(general::__NR_clock_nanosleep, &[number(clock), 0, at, 0]);
            ensure(result == Err(error), || format!("clock {clock}: {result:?}"))?;
        }
        let at = put(thread, &[0]);
        let result = thread.call(general::__NR_timer_create, &[general::CLOCK_MONOTONIC_RAW as usize, 0, at]);
        ensure(result == Err(Errno::EOPNOTSUPP), || format!("{result:?}"))?;
        let result = thread.call(general::__NR_timer_create, &[number(THREAD), 0, at]);
        ensure(result == Ok(0), || format!("{result:?}"))
    });
    assert_eq!(result, Ok(()));
}
