//! Bring-up: exercises core on a machine.
use alloc::{sync::Arc, vec::Vec, vec};
use core::sync::atomic::{AtomicU64, Ordering};
use rumpkin_core::{clock, interface::Ending, memory, power, thread};

pub fn run() {
    log::info!("main thread");
    let v: Vec<u64> = (0..100000).collect();
    log::info!("heap {} {:?}", v.iter().sum::<u64>(), memory::frames::counts());
    let count = Arc::new(AtomicU64::new(0));
    let mut ts = vec![];
    for i in 0..10u64 {
        let c = count.clone();
        ts.push(thread::spawn("t", move || {
            for _ in 0..100 { thread::yield_now(); }
            thread::sleep(1_000_000 * (10 - i));
            c.fetch_add(1, Ordering::Relaxed);
        }).unwrap());
    }
    let t = clock::monotonic();
    thread::sleep(20_000_000);
    log::info!("slept {} us, {} done", (clock::monotonic() - t) / 1000, count.load(Ordering::Relaxed));
    let me = thread::current();
    let other = thread::spawn("pong", move || loop { thread::park(None); me.unpark(); }).unwrap();
    let t = clock::monotonic();
    for _ in 0..10000 { other.unpark(); thread::park(None); }
    log::info!("ping-pong {} ns", (clock::monotonic() - t) / 10000);
    power::end(Ending::Exit(3));
}
