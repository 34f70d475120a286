//! Each request of a workload, refused in turn.

use crate::{
    meter,
    world::{SECOND, sleep},
};
use rumpkin_spine::Errno;
use rumpuser::memory::free_frames;
use rumpuser_hosted::{Machine, Requests, UserCode};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// How long what a workload left behind may need to end: connections wait for four minutes at most.
const PEACE: u64 = 400 * SECOND;

/// What the kernel allocates without asking, and why it may.
const ARGUED: [(&str, &str); 4] = [
    ("rumpkin_mm::gaps::Gaps::add", "for an area that goes: less than goes with it"),
    ("rumpkin_mm::Mm::on_exhaustion", "some bytes for a process, which is asked for"),
    ("rumpuser::power::on_stop", "once, when the program is started"),
    ("<rumpkin_configuration::settings::Settings", "the workload's own document"),
];

/// What is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct InUse {
    free_frames: usize,
    bytes: usize,
}

fn in_use() -> InUse {
    InUse { free_frames: free_frames(), bytes: meter::in_use() }
}

/// Waits until no more is in use than there was, which may be never; what is.
fn settle(before: InUse) -> InUse {
    sleep(PEACE);
    // Threads of the process end after they have handed over.
    for _ in 0..200 {
        if in_use().bytes <= before.bytes {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    in_use()
}

/// A workload.
pub struct Workload<Prepare, Work> {
    /// Its name, for messages.
    pub name: &'static str,
    /// What stands in for the code of programs.
    pub user_code: Option<UserCode>,
    /// Memory that it takes is back after it.
    pub leaves_nothing: bool,
    /// Makes what it runs on.
    pub prepare: Prepare,
    /// Runs it once.
    pub work: Work,
}

/// Runs a workload on a machine of its own with each request refused that it makes, or each of so many; how many were refused.
///
/// # Panics
/// When a refusal makes the kernel panic, the same workload fail afterwards, or memory stay in use.
pub fn refuse_each<W>(workload: Workload<impl FnOnce() -> W, impl Fn(&W) -> Result<(), Errno>>, stride: u64) -> u64 {
    let Workload { name, user_code, leaves_nothing, prepare, work } = workload;
    // The heap is metered for the whole process.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let requests = Arc::new(Requests::default());
    let machine = Machine { requests: requests.clone(), user_code, ..Machine::default() };
    machine.simulate(1, || {
        let world = prepare();
        let run = |refused: u64| {
            requests.refuse(refused);
            let before = requests.refused();
            let result = work(&world);
            requests.refuse(0);
            (result, requests.refused() > before)
        };
        let must_succeed = |when: &str| assert_eq!(run(0), (Ok(()), false), "{name} {when}");
        must_succeed("without a refusal");
        must_succeed("again");
        if leaves_nothing {
            let mut unasked = meter::watch(|| must_succeed("when it is watched"));
            unasked.retain(|function| !ARGUED.iter().any(|(argued, _)| function.starts_with(argued)));
            assert!(unasked.is_empty(), "{name} has memory allocated that was not asked for: {unasked:#?}");
        }
        let mut losses = Vec::new();
        for number in (1..).step_by(stride as usize) {
            // What is kept for later grows to what it needs the first times; what is lost is lost each time.
            for attempt in 1..=4 {
                let before = settle(in_use());
                let (result, refused) = run(number);
                if !refused {
                    assert_eq!(result, Ok(()), "{name} without a refusal");
                    assert!(losses.is_empty(), "{name} loses memory: {losses:#?}");
                    return number / stride;
                }
                must_succeed(&format!("after its request {number} was refused ({result:?})"));
                if !leaves_nothing {
                    break;
                }
                let after = settle(before);
                if after.bytes <= before.bytes && after.free_frames >= before.free_frames {
                    break;
                }
                if attempt == 4 {
                    losses.push(Loss { number, result, before, after });
                }
            }
        }
        unreachable!("a workload has an end");
    })
}

/// What was not back after a request was refused.
#[derive(Debug)]
#[expect(dead_code, reason = "it is shown")]
struct Loss {
    number: u64,
    result: Result<(), Errno>,
    before: InUse,
    after: InUse,
}
