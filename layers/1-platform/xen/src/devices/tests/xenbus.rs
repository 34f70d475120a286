//! The handshake.

use crate::devices::{
    error::{Error, Result},
    machine::Machine,
    newcomers,
    tests::back_end::{BACK, Simulated},
    xenbus::{Device, Driver, Peer, Phase, State},
};
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use proptest::prelude::*;
use rumpkin_core::for_platform::services::Event;
use std::sync::Mutex;

const FRONT: &str = "device/vif/0";
const BACKEND: &str = "/local/domain/3/backend/vif/5/0";

#[derive(Default)]
struct Record {
    calls: Vec<&'static str>,
    refuse: bool,
    broken: bool,
}

struct Recorder(Arc<Mutex<Record>>);

impl Driver for Recorder {
    fn offer(&mut self, peer: &mut Peer) -> Result<State> {
        self.0.lock().unwrap().calls.push("offer");
        peer.publish_number("ring-ref", 8)?;
        if self.0.lock().unwrap().refuse { Err(Error::Memory) } else { Ok(State::Initialised) }
    }

    fn connect(&mut self, peer: &Peer) -> Result<()> {
        self.0.lock().unwrap().calls.push("connect");
        peer.number("sectors").map(|_| ())
    }

    fn disconnect(&mut self, back: bool) {
        let mut record = self.0.lock().unwrap();
        record.broken = false;
        record.calls.push(if back { "away" } else { "gone" });
    }

    fn is_broken(&self) -> bool {
        self.0.lock().unwrap().broken
    }
}

struct Bench {
    machine: &'static Simulated,
    device: Device,
    record: Arc<Mutex<Record>>,
    event: Arc<dyn Event>,
}

/// What a toolstack writes.
fn plug(machine: &Simulated) {
    machine.set(&alloc::format!("{FRONT}/backend"), BACKEND);
    machine.set(&alloc::format!("{FRONT}/backend-id"), &alloc::format!("{BACK}"));
    machine.set(&alloc::format!("{BACKEND}/online"), "1");
    machine.set(&alloc::format!("{BACKEND}/state"), "1");
    machine.set(&alloc::format!("{FRONT}/state"), "1");
}

impl Bench {
    fn new() -> Self {
        let machine = Simulated::new();
        plug(machine);
        let record = Arc::<Mutex<Record>>::default();
        let event = machine.services().event();
        let device = Device::new(machine, FRONT, Box::new(Recorder(record.clone())), &event).unwrap();
        let mut bench = Self { machine, device, record, event };
        bench.settle();
        bench.calls();
        bench
    }

    /// Steps as long as something has happened.
    fn settle(&mut self) {
        let mut steps = 0;
        while self.event.wait(Some(0)) {
            self.device.step();
            steps += 1;
            assert!(steps < 100, "no end");
        }
    }

    fn back(&mut self, state: &str) {
        self.machine.set(&alloc::format!("{BACKEND}/state"), state);
        self.settle();
    }

    fn front(&self) -> Option<alloc::string::String> {
        self.machine.node(&alloc::format!("{FRONT}/state"))
    }

    fn calls(&self) -> Vec<&'static str> {
        core::mem::take(&mut self.record.lock().unwrap().calls)
    }

    fn connect(&mut self) {
        self.back("2");
        self.back("4");
        assert_eq!(self.calls(), ["offer", "connect"]);
        assert_eq!(self.front().as_deref(), Some("4"));
    }
}

#[test]
fn a_device_connects() {
    let mut bench = Bench::new();
    assert_eq!(bench.device.phase(), Phase::Begun);
    bench.back("2");
    assert_eq!(bench.front().as_deref(), Some("3"));
    assert_eq!(bench.device.phase(), Phase::Offered);
    bench.back("4");
    assert_eq!(bench.front().as_deref(), Some("4"));
    assert_eq!(bench.device.phase(), Phase::Connected);
    assert_eq!(bench.calls(), ["offer", "connect"]);
}

#[test]
fn a_back_end_that_closes_is_closed_and_may_come_back() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.connect();
        bench.back("5");
        assert_eq!(bench.front().as_deref(), Some("6"));
        assert_eq!(bench.machine.node(&alloc::format!("{FRONT}/ring-ref")), None, "withdrawn");
        bench.back("6");
        assert_eq!(bench.front().as_deref(), Some("1"), "invited");
        assert_eq!(bench.calls(), ["away"]);
    }
}

#[test]
fn a_back_end_whose_nodes_go_may_come_back() {
    let mut bench = Bench::new();
    bench.connect();
    bench.machine.unset(BACKEND);
    bench.settle();
    assert_eq!(bench.front().as_deref(), Some("6"));
    assert_eq!(bench.calls(), ["gone"]);
    bench.connect();
}

#[test]
fn a_device_that_is_unplugged_and_plugged_in_again_connects() {
    let mut bench = Bench::new();
    bench.connect();
    bench.machine.set(&alloc::format!("{BACKEND}/online"), "0");
    bench.back("5");
    bench.back("6");
    assert_eq!(bench.front().as_deref(), Some("6"), "not invited");
    assert_eq!(bench.calls(), ["gone"]);
    bench.machine.unset(FRONT);
    bench.machine.unset(BACKEND);
    bench.settle();
    assert_eq!(bench.front(), None, "nothing is written where nothing is");
    plug(bench.machine);
    bench.settle();
    bench.calls();
    bench.connect();
}

#[test]
fn a_device_that_was_made_anew_unnoticed_connects() {
    let mut bench = Bench::new();
    bench.connect();
    bench.machine.unset(FRONT);
    plug(bench.machine);
    bench.settle();
    assert!(bench.calls().contains(&"gone"));
    bench.connect();
}

#[test]
fn a_back_end_that_takes_the_rings_over_is_let() {
    let mut bench = Bench::new();
    bench.connect();
    bench.back("2");
    bench.back("4");
    assert_eq!(bench.calls(), [""; 0]);
    assert_eq!(bench.front().as_deref(), Some("4"));
}

#[test]
fn a_back_end_that_was_connected_before_is_closed_first() {
    let mut bench = Bench::new();
    bench.back("4");
    assert_eq!(bench.front().as_deref(), Some("6"));
    bench.back("6");
    bench.calls();
    bench.connect();
}

#[test]
fn a_back_end_that_breaks_rules_is_closed_and_begun_anew() {
    let mut bench = Bench::new();
    bench.connect();
    bench.record.lock().unwrap().broken = true;
    bench.event.set();
    bench.settle();
    assert_eq!(bench.front().as_deref(), Some("6"));
    bench.back("6");
    bench.calls();
    bench.connect();
}

#[test]
fn a_driver_that_cannot_is_not_asked_again() {
    let mut bench = Bench::new();
    bench.record.lock().unwrap().refuse = true;
    bench.back("2");
    assert_eq!(bench.device.phase(), Phase::Failed);
    assert_eq!(bench.front().as_deref(), Some("6"));
    bench.back("6");
    bench.back("2");
    assert_eq!(bench.calls(), ["offer", "gone"]);
}

#[test]
fn malformed_nodes_are_errors() {
    for (node, value) in [("backend-id", "-1"), ("backend-id", "32752"), ("backend-id", "x"), ("backend", "")] {
        let machine = Simulated::new();
        plug(machine);
        machine.set(&alloc::format!("{FRONT}/{node}"), value);
        machine.set(&alloc::format!("{BACKEND}/state"), "2");
        let record = Arc::<Mutex<Record>>::default();
        let mut device =
            Device::new(machine, FRONT, Box::new(Recorder(record.clone())), &machine.services().event()).unwrap();
        device.step();
        assert_eq!(device.phase(), Phase::Failed, "{node} {value}");
    }
    let mut bench = Bench::new();
    bench.machine.set(&alloc::format!("{BACKEND}/sectors"), "many");
    bench.back("2");
    bench.back("4");
    assert_eq!(bench.device.phase(), Phase::Failed);
    assert_eq!(bench.front().as_deref(), Some("6"));
}

proptest! {
    /// Whatever the back end and the toolstack do, each step ends, and a driver is never connected that has not offered.
    #[test]
    fn any_order_of_states_is_survived(steps in prop::collection::vec(0..14_u8, 1..60)) {
        let mut bench = Bench::new();
        let mut calls = Vec::new();
        for step in steps {
            match step {
                0..=8 => bench.back(&alloc::format!("{step}")),
                9 => bench.machine.unset(BACKEND),
                10 => bench.machine.unset(FRONT),
                11 => plug(bench.machine),
                12 => bench.back("nonsense"),
                _ => bench.record.lock().unwrap().broken = true,
            }
            bench.settle();
            calls.extend(bench.calls());
        }
        let mut offered = false;
        for call in calls {
            match call {
                "offer" => { prop_assert!(!offered); offered = true; }
                "connect" => prop_assert!(offered),
                _ => offered = false,
            }
        }
        // And then it can still work.
        bench.machine.unset(FRONT);
        bench.settle();
        plug(bench.machine);
        bench.settle();
        bench.calls();
        bench.connect();
    }
}

#[test]
fn what_comes_after_the_start_is_noticed_once() {
    let machine = Simulated::new();
    machine.set("device/vif/0/state", "1");
    machine.set("device/vbd/51712/state", "1");
    machine.set("device/vbd/nonsense/state", "1");
    let mut known = Vec::new();
    assert_eq!(newcomers(machine, &mut known), ["device/vif/0", "device/vbd/51712"]);
    assert!(newcomers(machine, &mut known).is_empty());
    machine.set("device/vif/1/state", "1");
    assert_eq!(newcomers(machine, &mut known), ["device/vif/1"]);
    // One that comes again under its number is none.
    machine.unset("device/vif/0");
    machine.set("device/vif/0/state", "1");
    assert!(newcomers(machine, &mut known).is_empty());
}
