//! Threads as std shows them: creation, joining, locals, locks, channels, parking, preemption, and that none leaks.
#![forbid(unsafe_code)]
use guest_tests::{LATE, Tap};
use std::cell::RefCell;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, OnceLock, RwLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

static DROPPED: AtomicUsize = AtomicUsize::new(0);

struct Counted(u64);

impl Drop for Counted {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::SeqCst);
    }
}

thread_local! {
    static LOCAL: RefCell<Counted> = const { RefCell::new(Counted(0)) };
}

fn life(tap: &mut Tap) {
    let handles: Vec<_> = (0..16u64).map(|number| thread::spawn(move || number * number)).collect();
    let squares: Vec<u64> = handles.into_iter().map(|handle| handle.join().unwrap()).collect();
    tap.is(squares, (0..16).map(|number| number * number).collect(), "threads give back their results");

    let handles: Vec<_> = (1..=8)
        .map(|number| {
            thread::spawn(move || {
                LOCAL.with_borrow_mut(|local| local.0 += number);
                thread::yield_now();
                LOCAL.with_borrow(|local| local.0)
            })
        })
        .collect();
    let sum: u64 = handles.into_iter().map(|handle| handle.join().unwrap()).sum();
    tap.is(sum, 36, "each thread has its own locals");
    tap.is(DROPPED.load(Ordering::SeqCst), 8, "which end with it");
    tap.is(LOCAL.with_borrow(|local| local.0), 0, "the main thread's are untouched");

    let named = thread::Builder::new().name("named".into()).spawn(|| thread::current().name().map(str::to_owned));
    tap.is(named.unwrap().join().unwrap().as_deref(), Some("named"), "threads have names");
    let ids: Vec<_> = (0..4).map(|_| thread::spawn(|| thread::current().id()).join().unwrap()).collect();
    tap.ok(ids.windows(2).all(|pair| pair[0] != pair[1]), "and identities");
    tap.ok(thread::available_parallelism().is_ok(), "the number of processors is known");

    fn depth(left: u32) -> u32 {
        let block = std::hint::black_box([left as u8; 1024]);
        if left == 0 { 0 } else { depth(left - 1) + u32::from(block[1023] == left as u8) }
    }
    let deep = thread::Builder::new().stack_size(16 << 20).spawn(|| depth(10_000));
    tap.is(deep.unwrap().join().unwrap(), 10_000, "a stack of 16 MiB holds 10000 frames of 1 KiB");
    let mut borrowed = vec![1, 2, 3];
    thread::scope(|scope| scope.spawn(|| borrowed.push(4)).join().unwrap());
    tap.is(borrowed, vec![1, 2, 3, 4], "scoped threads borrow");
}

fn locks(tap: &mut Tap) {
    let counter = Mutex::new(0u32);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..20_000).for_each(|_| *counter.lock().unwrap() += 1));
        }
    });
    tap.is(*counter.lock().unwrap(), 160_000, "a mutex excludes 8 threads");

    let (lock, condition) = (Mutex::new(false), Condvar::new());
    let start = Instant::now();
    let wait = condition.wait_timeout(lock.lock().unwrap(), Duration::from_millis(50)).unwrap();
    tap.ok(
        wait.1.timed_out() && start.elapsed() >= Duration::from_millis(50),
        "a condition's wait ends at its time-out",
    );
    drop(wait);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(50));
            *lock.lock().unwrap() = true;
            condition.notify_all();
        });
        let guard = condition.wait_while(lock.lock().unwrap(), |ready| !*ready).unwrap();
        tap.ok(*guard, "or when it is notified");
    });

    let (table, torn) = (RwLock::new((0u64, 0u64)), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5_000 {
                    let pair = *table.read().unwrap();
                    torn.fetch_or(pair.0 != pair.1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..5_000 {
                let mut pair = table.write().unwrap();
                pair.0 += 1;
                pair.1 += 1;
            }
        });
    });
    tap.ok(!torn.into_inner() && *table.read().unwrap() == (5_000, 5_000), "a read-write lock shows no half writes");

    let (barrier, arrived) = (Barrier::new(6), AtomicUsize::new(0));
    let leaders = thread::scope(|scope| {
        let arrive = || {
            arrived.fetch_add(1, Ordering::SeqCst);
            let leader = barrier.wait().is_leader();
            (leader, arrived.load(Ordering::SeqCst))
        };
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(arrive)).collect();
        let results: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        results.iter().all(|(_, seen)| *seen == 6).then(|| results.iter().filter(|(leader, _)| *leader).count())
    });
    tap.is(leaders, Some(1), "a barrier holds until all have come");
    static ONCE: OnceLock<u64> = OnceLock::new();
    let values = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|number| scope.spawn(move || *ONCE.get_or_init(|| number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    tap.ok(values.windows(2).all(|pair| pair[0] == pair[1]), "once is once");
}

fn messages(tap: &mut Tap) {
    let (sender, receiver) = mpsc::sync_channel(4);
    let producers: Vec<_> = (0..4u64)
        .map(|producer| {
            let sender = sender.clone();
            thread::spawn(move || (0..2_500).for_each(|number| sender.send(producer * 2_500 + number).unwrap()))
        })
        .collect();
    drop(sender);
    let mut received: Vec<u64> = receiver.iter().collect();
    producers.into_iter().for_each(|producer| producer.join().unwrap());
    received.sort_unstable();
    tap.ok(received.into_iter().eq(0..10_000), "10000 messages through a small channel arrive, each once");
    let (_sender, receiver) = mpsc::channel::<()>();
    let start = Instant::now();
    let timed_out = receiver.recv_timeout(Duration::from_millis(50)) == Err(mpsc::RecvTimeoutError::Timeout);
    tap.ok(timed_out && start.elapsed() >= Duration::from_millis(50), "waiting for a message ends at its time-out");

    let parked = thread::spawn(|| {
        thread::park();
        Instant::now()
    });
    thread::sleep(Duration::from_millis(50));
    let unparked = Instant::now();
    parked.thread().unpark();
    tap.ok(parked.join().unwrap() >= unparked, "a parked thread waits for its unparking");
    thread::current().unpark();
    let start = Instant::now();
    thread::park_timeout(LATE);
    tap.ok(start.elapsed() < LATE, "an unparking beforehand counts");
}

/// Keeps the processor busy without ever asking the system for anything.
fn spin_until(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        std::hint::spin_loop();
    }
}

fn preemption(tap: &mut Tap) {
    let flag = Arc::new(AtomicBool::new(false));
    let spinner = {
        let flag = Arc::clone(&flag);
        thread::spawn(move || spin_until(&flag))
    };
    thread::sleep(Duration::from_millis(20));
    flag.store(true, Ordering::Relaxed);
    spinner.join().unwrap();
    tap.ok(true, "a spinning thread does not keep others from running");

    let (stop, work) = (AtomicBool::new(false), [const { AtomicU64::new(0) }; 4]);
    thread::scope(|scope| {
        for counter in &work {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    counter.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        thread::sleep(Duration::from_millis(500));
        stop.store(true, Ordering::Relaxed);
    });
    let done: Vec<u64> = work.into_iter().map(AtomicU64::into_inner).collect();
    let (least, most) = (done.iter().min().copied().unwrap_or(0), done.iter().max().copied().unwrap_or(0));
    tap.ok(least > 0 && most / least < 20, "busy threads share the processor");
    let stop = AtomicBool::new(false);
    let late = thread::scope(|scope| {
        scope.spawn(|| spin_until(&stop));
        let start = Instant::now();
        (0..5).for_each(|_| thread::sleep(Duration::from_millis(10)));
        stop.store(true, Ordering::Relaxed);
        start.elapsed()
    });
    tap.ok(late < LATE, "sleeps end although another thread is busy");

    // Each thread keeps values in vector registers over switches to the others.
    let sums: Vec<f64> = thread::scope(|scope| {
        let sum = |step: f64| (0..2_000_000).fold(0.0, |sum, _| std::hint::black_box(sum) + step);
        let threads: Vec<_> = (1..=4u8).map(|step| scope.spawn(move || sum(f64::from(step)))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    tap.is(sums, vec![2e6, 4e6, 6e6, 8e6], "switches keep floating-point registers");
}

fn numbers(tap: &mut Tap) {
    let sum: u64 = (0..2_000u64).map(|number| thread::spawn(move || number).join().unwrap()).sum();
    tap.is(sum, 1_999_000, "2000 threads one after the other leave nothing behind");
    let gate = Arc::new(Barrier::new(101));
    let build = || thread::Builder::new().stack_size(64 << 10);
    let handles: Vec<_> = (0..100)
        .map(|_| {
            let gate = Arc::clone(&gate);
            build().spawn(move || gate.wait().is_leader()).unwrap()
        })
        .collect();
    gate.wait();
    let leaders = handles.into_iter().filter_map(|handle| handle.join().ok()).count();
    tap.is(leaders, 100, "100 threads live at once");
}

fn main() -> ExitCode {
    let mut tap = Tap::default();
    life(&mut tap);
    locks(&mut tap);
    messages(&mut tap);
    preemption(&mut tap);
    numbers(&mut tap);
    tap.done()
}
