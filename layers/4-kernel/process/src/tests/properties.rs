//! Signal frames and futexes under any registers, masks and orders.

use super::*;
use crate::deliver;
use proptest::prelude::*;
use rumpkin_spine::{
    abi::{SignalAction, linux::general},
    signal::{COUNT, Info, SignalSet},
};
use rumpuser::clock;
use std::{
    string::{String, ToString},
    sync::Mutex,
    vec,
    vec::Vec,
};

const HANDLER: u64 = 0x40_1000;
const RESTORER: u64 = 0x40_2000;
/// Flags that a program may have set at a signal, and has back afterwards.
const USER_FLAGS: u64 = 0x4_0cd5;

fn registers() -> impl Strategy<Value = Registers> {
    (any::<[u64; 16]>(), any::<u64>()).prop_map(|(r, flags)| Registers {
        rax: r[0],
        rbx: r[1],
        rcx: r[2],
        rdx: r[3],
        rsi: r[4],
        rdi: r[5],
        rbp: r[6],
        r8: r[7],
        r9: r[8],
        r10: r[9],
        r11: r[10],
        r12: r[11],
        r13: r[12],
        r14: r[13],
        r15: r[14],
        rip: r[15],
        rsp: 0,
        rflags: flags & USER_FLAGS | 0x202,
        fs_base: r[3] ^ r[4],
    })
}

/// Signals that can be handled.
fn signal() -> impl Strategy<Value = u8> {
    (1..=COUNT as u8).prop_filter("has no handler", |number| !SignalSet::UNBLOCKABLE.contains(*number))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// However many handlers run on top of each other, their returns give back registers and mask, the last one first.
    #[test]
    fn returns_undo_signals(
        before in registers(),
        offset in 0..512usize,
        blocked: u64,
        signals in prop::collection::vec((signal(), any::<u64>()), 1..4),
    ) {
        let f = fixture();
        let mut now = Registers { rsp: (f.page + 3 * PAGE_SIZE - offset) as u64, ..before };
        f.thread.set_blocked(SignalSet(blocked));
        let mut stack = Vec::new();
        for (number, mask) in signals {
            let flags = u64::from(general::SA_RESTORER);
            f.process.set_action(number, SignalAction { handler: HANDLER, flags, restorer: RESTORER, mask });
            let (registers, blocked) = (now, f.thread.blocked());
            f.thread.send_signal(number, Info::from_user(number, 0, 1));
            prop_assert!(deliver::settle(&f.thread, &mut now, None));
            if blocked.contains(number) {
                prop_assert_eq!(now, registers, "a blocked signal waits");
                f.thread.discard_signal(number);
                continue;
            }
            prop_assert_eq!((now.rip, now.rdi), (HANDLER, u64::from(number)));
            prop_assert_eq!(now.rsp % 16, 8);
            prop_assert!(now.rsp + 128 < registers.rsp, "below the red zone");
            let expected = blocked.union(SignalSet(mask)).union(SignalSet::of(number)).without(SignalSet::UNBLOCKABLE);
            prop_assert_eq!(f.thread.blocked(), expected);
            stack.push((registers, blocked));
        }
        while let Some((registers, blocked)) = stack.pop() {
            prop_assert_eq!(load_u64(now.rsp as usize), RESTORER);
            now.rsp += 8;
            now.rax = 15;
            let call = f.process.kernel.table.dispatch(&mut Call { thread: &f.thread, registers: &mut now });
            now.rax = call.unwrap() as u64;
            prop_assert_eq!(now, registers);
            prop_assert_eq!(f.thread.blocked(), blocked);
        }
        rumpuser::memory::deactivate();
    }

    /// A frame that the program has made itself, whatever is in it, is taken or refused.
    #[test]
    fn any_frame_is_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 440), at in 0..PAGE_SIZE) {
        let f = fixture();
        let frame = f.page + at;
        user::write(frame, &bytes).unwrap();
        let mut now = Registers { rax: 15, rsp: frame as u64 + 8, ..Registers::default() };
        let _ = f.process.kernel.table.dispatch(&mut Call { thread: &f.thread, registers: &mut now });
        prop_assert!(f.thread.blocked().intersection(SignalSet::UNBLOCKABLE).is_empty());
        rumpuser::memory::deactivate();
    }
}

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
                let thread =
                    Thread::new(f.process.kernel.allocate_id(), f.process.clone(), SignalSet::default()).unwrap();
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
