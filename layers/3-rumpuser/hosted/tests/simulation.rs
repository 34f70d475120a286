//! Simulated time: what a run does follows from its seed, and nothing is waited for in real time.

use rumpuser::{
    boot::BootData,
    clock,
    context::{self, Event, Registers},
    memory::{Frame, PAGE_SIZE, free_frames},
    random,
    sync::Mutex,
    thread,
};
use rumpuser_hosted::{Machine, simulate};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

/// Threads that sleep, contend and write down what they see.
fn diary(seed: u64) -> Vec<(usize, u64, u64)> {
    simulate(seed, || {
        let diary = Arc::new(Mutex::new(Vec::new()));
        let left = Arc::new(AtomicUsize::new(5));
        let main = thread::current();
        for number in 0..5 {
            let (diary, left, main) = (diary.clone(), left.clone(), main.clone());
            thread::spawn("diarist", move || {
                for _ in 0..20 {
                    thread::park(Some(clock::monotonic() + random::next_u64() % 1_000_000));
                    let mut diary = diary.lock();
                    thread::yield_now();
                    diary.push((number, clock::monotonic(), random::next_u64()));
                }
                left.fetch_sub(1, Ordering::SeqCst);
                main.unpark();
            })
            .unwrap();
        }
        while left.load(Ordering::SeqCst) > 0 {
            thread::park(None);
        }
        let diary = diary.lock();
        diary.clone()
    })
}

#[test]
fn a_seed_replays_and_another_one_differs() {
    let first = diary(7);
    assert_eq!(first.len(), 100);
    assert_eq!(first, diary(7));
    assert_ne!(first, diary(8));
}

#[test]
fn cpu_time_passes_for_those_who_compute() {
    simulate(7, || {
        let sleeper = thread::spawn("sleeper", || while !thread::park(None) {}).unwrap();
        let me = thread::current();
        thread::park(Some(clock::monotonic() + 1_000_000_000));
        assert!(me.cpu_time() < 100_000);
        while me.cpu_time() < 1_000_000 {
            thread::yield_now();
        }
        assert!(sleeper.cpu_time() < 100_000);
    });
}

#[test]
fn a_day_passes_in_no_time() {
    let (real, day) = (Instant::now(), 86_400_000_000_000);
    simulate(0, || {
        let (start, wall) = (clock::monotonic(), clock::realtime());
        assert!(!thread::park(Some(start + day)));
        assert!((day..day + 1_000_000).contains(&(clock::monotonic() - start)));
        assert!((day..day + 1_000_000).contains(&(clock::realtime() - wall)));
    });
    assert!(real.elapsed().as_secs() < 60);
}

#[test]
fn orders_of_threads_that_are_possible_happen() {
    let order = |seed| {
        simulate(seed, || {
            let order = Arc::new(Mutex::new(Vec::new()));
            for number in 0..3 {
                let order = order.clone();
                thread::spawn("runner", move || order.lock().push(number)).unwrap();
            }
            while order.lock().len() < 3 {
                thread::yield_now();
            }
            order.lock().clone()
        })
    };
    let orders: std::collections::BTreeSet<_> = (0..100).map(order).collect();
    assert_eq!(orders.len(), 6);
}

/// Counts itself while it lives.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn threads_that_are_left_behind_are_unwound() {
    let alive = Arc::new(AtomicUsize::new(0));
    simulate(3, || {
        for _ in 0..10 {
            alive.fetch_add(1, Ordering::SeqCst);
            let counted = Counted(alive.clone());
            thread::spawn("sleeper", move || {
                let _counted = counted;
                loop {
                    thread::park(None);
                }
            })
            .unwrap();
        }
        thread::park(Some(clock::monotonic() + 1_000_000));
        assert_eq!(alive.load(Ordering::SeqCst), 10);
    });
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

fn failure(body: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(|| simulate(1, body))).expect_err("the run fails");
    payload
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| payload.downcast_ref::<&str>().map(|text| text.to_string()))
        .unwrap()
}

#[test]
fn a_panic_of_any_thread_fails_the_run() {
    let message = failure(|| {
        thread::spawn("unlucky", || panic!("out of luck")).unwrap();
        thread::park(None);
    });
    assert_eq!(message, "out of luck");
}

#[test]
fn a_deadlock_is_found_and_names_the_threads() {
    let message = failure(|| {
        thread::spawn("one", || {
            thread::park(None);
        })
        .unwrap();
        thread::park(None);
    });
    assert!(message.contains("main, one"), "{message}");
}

#[test]
fn frames_are_counted_for_each_run() {
    simulate(0, || {
        let free = free_frames();
        let frame = Frame::allocate().unwrap();
        assert_eq!(free_frames(), free - 1);
        drop(frame);
        assert_eq!(free_frames(), free);
    });
}

#[test]
fn user_code_has_a_stand_in_of_the_machines_own() {
    let enter = || context::enter(&mut Registers { rdi: 7, ..Registers::default() });
    assert_eq!(simulate(1, enter), Event::Exception { vector: 6, code: 0 });
    let code = |registers: &mut Registers| {
        assert_eq!(registers.rdi, 7);
        registers.rax = 39;
        Event::SystemCall
    };
    let machine = Machine { user_code: Some(Arc::new(code)), ..Machine::default() };
    let rax = machine.simulate(1, || {
        let mut registers = Registers { rdi: 7, ..Registers::default() };
        assert_eq!(context::enter(&mut registers), Event::SystemCall);
        registers.rax
    });
    assert_eq!(rax, 39);
}

#[test]
fn payload_is_the_machines_own_and_goes_with_it() {
    static ONE: [u8; PAGE_SIZE] = [1; PAGE_SIZE];
    static OTHER: BootData = BootData {
        root_file_system: Some(&ONE),
        command_line: "",
        launch_configuration: None,
        baked_configuration: None,
    };
    simulate(1, || assert!(Frame::of_payload(&ONE).is_none(), "another machine has no such payload"));
    for _ in 0..2 {
        let machine = Machine { boot_data: Some(&OTHER), ..Machine::default() };
        machine.simulate(1, || {
            let free = free_frames();
            let frames = [Frame::of_payload(&ONE).unwrap(), Frame::of_payload(&ONE).unwrap()];
            assert_eq!(frames[0].number(), frames[1].number());
            assert!(!frames[0].is_unique());
            assert_eq!(free_frames(), free - 1, "the one before took its frames along");
            let mut byte = [0];
            frames[0].read(4095, &mut byte);
            assert_eq!(byte, [1]);
        });
    }
}
