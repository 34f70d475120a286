//! Descriptors, pending signals, timers and observers against models, under any sequence of calls.

use proptest::prelude::*;
use rumpkin_abi::{Errno, Stat, linux::general};
use rumpkin_spine::{
    fd::{DescriptorTable, MAX_DESCRIPTORS},
    file::{File, OpenFile},
    schedule::next_deadline,
    timer::{Timeout, Timers},
};
use rumpuser::clock;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

struct Nothing;

impl File for Nothing {
    fn stat(&self) -> Result<Stat, Errno> {
        Ok(Stat::default())
    }
}

/// Every open descriptor, in order.
fn open(table: &DescriptorTable) -> Vec<i32> {
    std::iter::successors(table.next(0), |last| table.next(*last as usize + 1)).collect()
}

#[derive(Debug, Clone)]
enum TableStep {
    Insert(usize, bool),
    Replace(i32, bool),
    Remove(i32),
    SetFlag(i32, bool),
    Next(usize),
}

fn descriptor() -> impl Strategy<Value = i32> {
    prop_oneof![8 => 0..20i32, 2 => 60..70i32, 1 => Just(-1), 1 => Just(MAX_DESCRIPTORS as i32), 1 => Just(1000)]
}

fn table_step() -> impl Strategy<Value = TableStep> {
    let least = prop_oneof![4 => Just(0usize), 2 => 0..130usize, 1 => Just(MAX_DESCRIPTORS)];
    prop_oneof![
        4 => (least, any::<bool>()).prop_map(|(least, flag)| TableStep::Insert(least, flag)),
        1 => (descriptor(), any::<bool>()).prop_map(|(descriptor, flag)| TableStep::Replace(descriptor, flag)),
        3 => descriptor().prop_map(TableStep::Remove),
        1 => (descriptor(), any::<bool>()).prop_map(|(descriptor, flag)| TableStep::SetFlag(descriptor, flag)),
        1 => (0..130usize).prop_map(TableStep::Next),
    ]
}

proptest! {
    /// The lowest free descriptor is taken, and each keeps its file and its flag.
    #[test]
    fn descriptors_are_a_map(steps in prop::collection::vec(table_step(), 1..150)) {
        let table = DescriptorTable::default();
        let mut model: BTreeMap<i32, (Arc<OpenFile>, bool)> = BTreeMap::new();
        for step in steps {
            let file = OpenFile::new(Arc::new(Nothing), general::O_RDWR).unwrap();
            match step {
                TableStep::Insert(least, flag) => {
                    let found = table.insert(file.clone(), flag, least);
                    if least >= MAX_DESCRIPTORS {
                        prop_assert_eq!(found, Err(Errno::EINVAL));
                        continue;
                    }
                    let free = (least as i32..).find(|descriptor| !model.contains_key(descriptor)).unwrap();
                    prop_assert_eq!(found, Ok(free));
                    model.insert(free, (file, flag));
                }
                TableStep::Replace(descriptor, flag) => {
                    let found = table.replace(descriptor, file.clone(), flag);
                    if !(0..MAX_DESCRIPTORS as i32).contains(&descriptor) {
                        prop_assert_eq!(found.err(), Some(Errno::EBADF));
                        continue;
                    }
                    let old = model.insert(descriptor, (file, flag)).map(|(file, _)| Arc::as_ptr(&file));
                    prop_assert_eq!(found.unwrap().map(|file| Arc::as_ptr(&file)), old);
                }
                TableStep::Remove(descriptor) => {
                    let removed = table.remove(descriptor).map(|file| Arc::as_ptr(&file));
                    let expected = model.remove(&descriptor).map(|(file, _)| Arc::as_ptr(&file)).ok_or(Errno::EBADF);
                    prop_assert_eq!(removed, expected);
                }
                TableStep::SetFlag(descriptor, flag) => {
                    let known = model.get_mut(&descriptor).map(|(_, slot)| *slot = flag).ok_or(Errno::EBADF);
                    prop_assert_eq!(table.set_close_on_exec(descriptor, flag), known);
                }
                TableStep::Next(least) => {
                    let expected = model.range(least as i32..).next().map(|(descriptor, _)| *descriptor);
                    prop_assert_eq!(table.next(least), expected);
                }
            }
            prop_assert_eq!(open(&table), model.keys().copied().collect::<Vec<_>>());
            prop_assert_eq!(table.count(), model.len());
        }
        for (descriptor, (file, flag)) in &model {
            prop_assert!(Arc::ptr_eq(&table.get(*descriptor).unwrap(), file));
            prop_assert_eq!(table.close_on_exec(*descriptor), Ok(*flag));
        }
        prop_assert_eq!(table.drain().count(), model.len());
        prop_assert_eq!((table.count(), table.next(0)), (0, None));
    }

    /// The next deadline is the first multiple after now, and each one that has passed counts.
    #[test]
    fn missed_deadlines_are_counted(deadline in 1..1000u64, interval in 0..50u64, late in 0..2000u64) {
        let now = deadline + late;
        let (next, missed) = next_deadline(deadline, interval, now);
        if interval == 0 {
            prop_assert_eq!((next, missed), (0, 0));
        } else {
            let expected = (1..).map(|turn| deadline + turn * interval).find(|at| *at > now).unwrap();
            prop_assert_eq!(next, expected);
            prop_assert_eq!((missed + 1) * interval, expected - deadline);
        }
    }

    #[test]
    fn far_deadlines_do_not_overflow(deadline: u64, interval: u64, now: u64) {
        let (next, _) = next_deadline(deadline, interval, now);
        prop_assert!(interval == 0 || next == u64::MAX || next > now.min(deadline));
    }
}

/// Notes when it was told.
struct Alarm(Arc<Mutex<Vec<(usize, u64)>>>, usize);

impl Timeout for Alarm {
    fn expired(self: Arc<Self>, now: u64) {
        self.0.lock().unwrap().push((self.1, now));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Each timer that is not cancelled in time expires once, at its deadline or soon after, in order.
    #[test]
    fn timers_expire_once_and_in_order(
        seed: u64,
        timers in prop::collection::vec((1..10_000_000u64, prop::option::of(0..10_000_000u64)), 1..30),
    ) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let notes = told.clone();
        let mut expected = BTreeMap::new();
        for (index, (deadline, cancelled)) in timers.iter().enumerate() {
            if cancelled.is_none_or(|at| at > *deadline) {
                expected.insert(index, *deadline);
            }
        }
        let plan = timers.clone();
        // A timer may be cancelled just when it expires.
        const NEAR: u64 = 50_000;
        let cancelled = rumpuser_hosted::simulate(seed, move || {
            let timers = Timers::default();
            let start = clock::monotonic();
            let keys: Vec<_> = plan.iter().enumerate().map(|(index, (deadline, _))| {
                timers.arm(start + deadline, Arc::new(Alarm(notes.clone(), index))).unwrap()
            }).collect();
            let mut cancels: Vec<_> = plan.iter().enumerate().filter_map(|(index, (_, at))| Some(((*at)?, index))).collect();
            cancels.sort_unstable();
            let mut cancelled = Vec::new();
            for (at, index) in cancels {
                sleep_until(start + at);
                if timers.cancel(keys[index]) {
                    cancelled.push(index);
                    assert!(clock::monotonic() < start + plan[index].0 + NEAR);
                }
            }
            sleep_until(start + 20_000_000);
            cancelled
        });
        let told = told.lock().unwrap().clone();
        let mut indices: Vec<_> = told.iter().map(|(index, _)| *index).collect();
        prop_assert!(told.windows(2).all(|pair| pair[0].1 <= pair[1].1));
        for (index, now) in &told {
            prop_assert!(timers[*index].0 < *now && *now < timers[*index].0 + NEAR, "timer {} at {}", index, now);
            prop_assert!(!cancelled.contains(index));
        }
        indices.sort_unstable();
        let due: Vec<_> = (0..timers.len()).filter(|index| !cancelled.contains(index)).collect();
        prop_assert_eq!(indices, due);
        prop_assert!(expected.keys().all(|index| !cancelled.contains(index) || timers[*index].1.unwrap() < timers[*index].0 + NEAR));
    }
}

fn sleep_until(deadline: u64) {
    while clock::monotonic() < deadline {
        rumpuser::thread::park(Some(deadline));
    }
}
