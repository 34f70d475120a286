//! The locks of the interface, on this back end.

use rumpuser::{sync::Mutex, thread};
use rumpuser_hosted as _;
use std::sync::Arc;

#[test]
fn mutex_lets_one_thread_in_at_a_time() {
    let counter = Arc::new(Mutex::new(0u64));
    let finished = Arc::new(Mutex::new(0));
    let waiter = thread::current();
    for _ in 0..4 {
        let (counter, finished, waiter) = (counter.clone(), finished.clone(), waiter.clone());
        thread::spawn("counter", move || {
            for round in 0..10_000 {
                let mut value = counter.lock();
                let seen = *value;
                if round % 64 == 0 {
                    thread::yield_now();
                }
                *value = seen + 1;
            }
            *finished.lock() += 1;
            waiter.unpark();
        })
        .unwrap();
    }
    while *finished.lock() < 4 {
        thread::park(None);
    }
    assert_eq!(*counter.lock(), 40_000);
    let guard = counter.lock();
    assert!(counter.try_lock().is_none());
    drop(guard);
    assert!(counter.try_lock().is_some());
}
