//! Futexes under any orders.

use super::*;
use proptest::prelude::*;
use rumpuser::clock;
use std::{
    string::{String, ToString},
    sync::Mutex,
    vec,
    vec::Vec,
};

const WAIT_BITSET: usize = 9;
const WAKE_BITSET: usize = 10;
const CMP_REQUEUE: usize = 4;

/// What the test does to the words.
#[derive(Debug, Clone)]
enum Step {
    /// A new thread waits for a word with these bits.
    Wait(usize, u32),
    Wake(usize, usize, u32),
    Requeue {
        from: usize,
        to: usize,
        wake: usize,
        requeue: usize,
        right: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let word = || 0..3usize;
    let bits = || prop_oneof![Just(u32::MAX), 1..8u32];
    prop_oneof![
        4 => (word(), bits()).prop_map(|(word, bits)| Step::Wait(word, bits)),
        2 => (word(), 0..4usize, bits()).prop_map(|(word, count, bits)| Step::Wake(word, count, bits)),
        2 => (word(), word(), 0..3usize, 0..3usize, prop::bool::weighted(0.9))
            .prop_map(|(from, to, wake, requeue, right)| Step::Requeue { from, to, wake, requeue, right }),
    ]
}

fn sleep(nanoseconds: u64) {
    let end = clock::monotonic() + nanoseconds;
    while clock::monotonic() < end {
        rumpuser::thread::park(Some(end));
    }
}

/// Waits and wakes in simulated time; what went wrong, if anything.
fn play(steps: &[Step]) -> Result<(), String> {
    const MILLISECOND: u64 = 1_000_000;
    let f = fixture();
    let word = |index: usize| f.page + 64 * index;
    let woken: Arc<Mutex<Vec<usize>>> = Arc::default();
    // Who waits for which word with which bits, in order of arrival.
    let mut queues: [Vec<(usize, u32)>; 3] = Default::default();
    let mut count = 0;
    let take = |queue: &mut Vec<(usize, u32)>, most: usize, bits: u32| -> Vec<usize> {
        let chosen: Vec<_> =
            queue.iter().filter(|(_, own)| own & bits != 0).take(most).map(|(waiter, _)| *waiter).collect();
        queue.retain(|(waiter, _)| !chosen.contains(waiter));
        chosen
    };
    let all = (0..3).map(|index| Step::Wake(index, usize::MAX >> 33, u32::MAX));
    for step in steps.iter().cloned().chain(all) {
        let mut expected = Vec::new();
        match step {
            Step::Wait(index, bits) => {
                let thread = Thread::new(f.process.kernel.allocate_id(), f.process.clone()).unwrap();
                f.process.add_thread(thread.clone()).unwrap();
                let (address, notes, me) = (word(index), woken.clone(), count);
                rumpuser::thread::spawn("waiter", move || {
                    thread.attach();
                    thread.process.memory.activate();
                    let result = call_as(&thread, "futex", &[address, WAIT_BITSET, 0, 0, 0, bits as usize]);
                    assert_eq!(result, Ok(0));
                    notes.lock().unwrap().push(me);
                    rumpuser::memory::deactivate();
                    thread.process.remove_thread(thread.id);
                })
                .map_err(|error| std::format!("{error:?}"))?;
                queues[index].push((count, bits));
                count += 1;
            }
            Step::Wake(index, most, bits) => {
                let result = f.call("futex", &[word(index), WAKE_BITSET, most, 0, 0, bits as usize]);
                // Who asks for none wakes one, as on Linux.
                expected = take(&mut queues[index], most.max(1), bits);
                if result != Ok(expected.len()) {
                    return Err(std::format!("{step:?} gave {result:?}, not {}", expected.len()));
                }
            }
            Step::Requeue { from, to, wake, requeue, right } => {
                let value = usize::from(!right);
                let result = f.call("futex", &[word(from), CMP_REQUEUE, wake, requeue, word(to), value]);
                if !right {
                    if result != Err(Errno::EAGAIN) {
                        return Err("the word was not looked at".to_string());
                    }
                    continue;
                }
                expected = take(&mut queues[from], wake, u32::MAX);
                let moved = if from == to {
                    Vec::new()
                } else {
                    queues[from].drain(..requeue.min(queues[from].len())).collect()
                };
                if result != Ok(expected.len() + moved.len()) {
                    return Err(std::format!("{step:?} gave {result:?}, not {} + {}", expected.len(), moved.len()));
                }
                queues[to].extend(moved);
            }
        }
        sleep(MILLISECOND);
        let mut found = std::mem::take(&mut *woken.lock().unwrap());
        found.sort_unstable();
        expected.sort_unstable();
        if found != expected {
            return Err(std::format!("{step:?} woke {found:?}, not {expected:?}"));
        }
    }
    rumpuser::memory::deactivate();
    if queues == [vec![], vec![], vec![]] { Ok(()) } else { Err("somebody still waits".to_string()) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// futex(2): the oldest waiters are woken first, only those who asked for the bits, and who is moved waits on elsewhere.
    #[test]
    fn futexes_are_queues(seed: u64, steps in prop::collection::vec(step(), 1..30)) {
        prop_assert_eq!(rumpuser_hosted::simulate(seed, || play(&steps)), Ok(()));
    }
}
