//! Signal frames under any registers and masks.

use super::*;
use crate::{Pending, settle};
use proptest::prelude::*;
use rumpkin_spine::abi::signal::{COUNT, FIRST_REALTIME};
use std::{collections::BTreeMap, vec::Vec};

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
            f.thread.send_signal(SignalInfo::from_user(number, 0, 1));
            prop_assert!(settle(&f.thread, &mut now, None));
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
            let call = f.process.kernel.table().dispatch(&mut Call { thread: &f.thread, registers: &mut now });
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
        let _ = f.process.kernel.table().dispatch(&mut Call { thread: &f.thread, registers: &mut now });
        prop_assert!(f.thread.blocked().intersection(SignalSet::UNBLOCKABLE).is_empty());
        rumpuser::memory::deactivate();
    }
}

proptest! {
    /// signal(7): a standard signal waits once, a real-time one as often as it was sent; the lowest is taken first, the oldest
    /// of its kind before the others.
    #[test]
    fn signals_wait_in_order(steps in prop::collection::vec((0..4u8, 1..=64u8, any::<u64>()), 1..120)) {
        let mut pending = Pending::default();
        let mut model: BTreeMap<u8, Vec<SignalInfo>> = BTreeMap::new();
        for (serial, (operation, number, mask)) in steps.into_iter().enumerate() {
            match operation {
                0 | 1 => {
                    let info = SignalInfo::from_user(number, 0, serial as u32);
                    pending.add(info);
                    let waiting = model.entry(number).or_default();
                    if waiting.is_empty() || number >= FIRST_REALTIME {
                        waiting.push(info);
                    }
                }
                2 => {
                    let wanted = |number: &u8| mask & 1 << (number - 1) != 0;
                    let first = model.iter_mut().find(|(number, infos)| wanted(number) && !infos.is_empty());
                    prop_assert_eq!(pending.take(SignalSet(mask)), first.map(|(_, infos)| infos.remove(0)));
                }
                _ => {
                    pending.discard(number);
                    model.remove(&number);
                }
            }
            let set = model.iter().filter(|(_, infos)| !infos.is_empty()).map(|(number, _)| 1u64 << (number - 1)).sum();
            prop_assert_eq!(pending.set(), SignalSet(set));
        }
    }

    #[test]
    fn sets_are_sets(one: u64, other: u64, number in 1..=64u8) {
        let (a, b) = (SignalSet(one), SignalSet(other));
        for signal in 1..=64 {
            let (in_a, in_b) = (a.contains(signal), b.contains(signal));
            prop_assert_eq!(a.union(b).contains(signal), in_a || in_b);
            prop_assert_eq!(a.intersection(b).contains(signal), in_a && in_b);
            prop_assert_eq!(a.without(b).contains(signal), in_a && !in_b);
            prop_assert_eq!(SignalSet::of(number).contains(signal), signal == number);
        }
        prop_assert_eq!(a.first(), (1..=64).find(|signal| a.contains(*signal)));
        prop_assert_eq!(a.is_empty(), one == 0);
    }
}
