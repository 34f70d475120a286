//! The locks of the interface, on this back end.

use rumpuser::{
    clock,
    sync::Mutex,
    thread,
    wait::{Waiter, Waiters},
};
use rumpuser_hosted::for_each_seed;
use std::sync::{Arc, Mutex as StdMutex};

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

/// Threads that wait in a queue, some of which give up.
#[test]
fn waiters_are_told_in_the_order_of_coming_unless_they_have_given_up() {
    const PATIENT: u64 = 20;
    for_each_seed("waiters", 50, |_| {
        let queue = Arc::new(StdMutex::new(Waiters::new()));
        let told = Arc::new(StdMutex::new(Vec::new()));
        for number in 0..2 * PATIENT {
            let (its_queue, told) = (queue.clone(), told.clone());
            let wait = move || {
                let waiter = Waiter::new(number);
                // SAFETY: it stays here until it has been taken out.
                unsafe { its_queue.lock().unwrap().push(&waiter) };
                let deadline = (number % 2 == 1).then(|| clock::monotonic() + 1000);
                if waiter.wait(deadline) || !its_queue.lock().unwrap().remove(&waiter) {
                    told.lock().unwrap().push(number);
                }
            };
            thread::spawn("waiter", wait).unwrap();
            // One after the other.
            while queue.lock().unwrap().pushed() == number {
                thread::yield_now();
            }
        }
        thread::park(Some(clock::monotonic() + 1_000_000));
        assert_eq!(queue.lock().unwrap().front(), Some(&0));
        let all = queue.lock().unwrap().pushed();
        for woken in 0.. {
            assert_eq!(told.lock().unwrap().len(), woken);
            let next = queue.lock().unwrap().pop_before(all);
            let Some(next) = next else { break };
            next.unpark();
            while told.lock().unwrap().len() == woken {
                thread::yield_now();
            }
        }
        assert!(queue.lock().unwrap().is_empty());
        assert_eq!(*told.lock().unwrap(), (0..PATIENT).map(|number| 2 * number).collect::<Vec<_>>());
    });
}
