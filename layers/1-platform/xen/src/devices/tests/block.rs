//! The block front end.

use crate::devices::{
    block::{self, Block},
    machine::Machine,
    tests::back_end::{BACK, BackRing, Simulated, copy_in, copy_out, u16_at, u32_at, u64_at},
    xenbus::{Device, Phase},
};
use alloc::{boxed::Box, format, string::ToString, sync::Arc, vec, vec::Vec};
use proptest::prelude::*;
use rumpkin_core::for_platform::{
    interface::{Disk, DiskError},
    services::Event,
};
use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

const FRONT: &str = "device/vbd/51712";
const BACKEND: &str = "/local/domain/3/backend/vbd/5/51712";
const SECTORS: u64 = 4096;
const PAGES: u16 = 32;

/// A disk with its contents, whose back end is a thread or the test.
struct Bench {
    machine: &'static Simulated,
    block: Arc<Block>,
    device: Mutex<Device>,
    event: Arc<dyn Event>,
    ring: Mutex<BackRing>,
    port: Mutex<u32>,
    contents: Mutex<Vec<u8>>,
    seen: Mutex<Vec<u8>>,
    stop: AtomicBool,
}

fn plug(machine: &Simulated, features: &[(&str, &str)]) {
    let defaults = [("sectors", "4096"), ("sector-size", "512"), ("info", "0"), ("online", "1")];
    for (name, value) in defaults.iter().chain(features) {
        machine.set(&format!("{BACKEND}/{name}"), value);
    }
    machine.set(&format!("{FRONT}/backend"), BACKEND);
    machine.set(&format!("{FRONT}/backend-id"), &BACK.to_string());
    machine.set(&format!("{BACKEND}/state"), "2");
    machine.set(&format!("{FRONT}/state"), "1");
}

impl Bench {
    fn with(features: &[(&str, &str)], pages: u16) -> Arc<Self> {
        let machine = Simulated::new();
        plug(machine, features);
        let event = machine.services().event();
        let (block, port) = block::open(machine, 51712, pages, &event);
        let device = Device::new(machine, FRONT, Box::new(port), &event).unwrap();
        let bench = Arc::new(Self {
            machine,
            block: Arc::new(block),
            device: Mutex::new(device),
            event,
            ring: Mutex::new(BackRing::new(machine, &[0], 112)),
            port: Mutex::new(0),
            contents: Mutex::new(vec![0; SECTORS as usize * 512]),
            seen: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        bench.connect();
        bench
    }

    fn new(features: &[(&str, &str)]) -> Arc<Self> {
        Self::with(features, PAGES)
    }

    fn settle(&self) {
        while self.event.wait(Some(0)) {
            self.device.lock().unwrap().step();
        }
    }

    fn back(&self, state: &str) {
        self.machine.set(&format!("{BACKEND}/state"), state);
        self.settle();
    }

    fn phase(&self) -> Phase {
        self.device.lock().unwrap().phase()
    }

    fn connect(&self) {
        self.back("2");
        let order = self.machine.node(&format!("{FRONT}/ring-page-order")).map_or(0, |order| order.parse().unwrap());
        let references: Vec<u32> = match order {
            0 => vec![self.machine.number(&format!("{FRONT}/ring-ref"))],
            _ => (0..1 << order).map(|page| self.machine.number(&format!("{FRONT}/ring-ref{page}"))).collect(),
        };
        *self.ring.lock().unwrap() = BackRing::new(self.machine, &references, 112);
        *self.port.lock().unwrap() = self.machine.number(&format!("{FRONT}/event-channel"));
        self.back("4");
        assert_eq!(self.phase(), Phase::Connected);
    }

    fn page(&self, reference: u32) -> *mut u8 {
        self.machine.granted(reference, true).expect("granted")
    }

    /// Does what a request asks, as Linux' back end does.
    fn serve(&self, request: &[u8]) -> i16 {
        let mut contents = self.contents.lock().unwrap();
        let sector = u64_at(request, 16) as usize;
        self.seen.lock().unwrap().push(request[0]);
        let (operation, segments) = match request[0] {
            6 => {
                let count = usize::from(u16_at(request, 2));
                assert!(count <= 256);
                let list = copy_out(self.page(u32_at(request, 28)), 0, count * 8);
                (request[1], list.chunks(8).map(<[u8]>::to_vec).collect::<Vec<_>>())
            }
            operation => {
                let count = usize::from(request[1]);
                assert!(count <= 11);
                (operation, request[24..].chunks(8).take(count).map(<[u8]>::to_vec).collect())
            }
        };
        let mut at = sector * 512;
        match operation {
            0 | 1 => {
                for segment in segments {
                    let (first, last) = (usize::from(segment[4]), usize::from(segment[5]));
                    assert!(first <= last && last < 8);
                    let (offset, length) = (first * 512, (last - first + 1) * 512);
                    let page = self.page(u32_at(&segment, 0));
                    if operation == 0 {
                        copy_in(page, offset, &contents[at..at + length]);
                    } else {
                        contents[at..at + length].copy_from_slice(&copy_out(page, offset, length));
                    }
                    at += length;
                }
                0
            }
            2 | 3 => 0,
            5 => {
                let length = u64_at(request, 24) as usize * 512;
                contents[at..at + length].fill(0xdd);
                0
            }
            _ => -1,
        }
    }

    fn answer(&self, id: u64, operation: u8, status: i16) {
        let response = [&id.to_le_bytes()[..], &[operation, 0], &status.to_le_bytes(), &[0; 4]].concat();
        let wanted = self.ring.lock().unwrap().push(&response);
        if wanted {
            self.machine.interrupt(*self.port.lock().unwrap());
        }
    }

    fn next(&self) -> Vec<u8> {
        loop {
            let request = self.ring.lock().unwrap().pop();
            if let Some(request) = request {
                return request;
            }
            thread::yield_now();
        }
    }

    /// Runs a back end meanwhile, which answers the younger requests first.
    fn serving<T>(self: &Arc<Self>, run: impl FnOnce(&Block) -> T) -> T {
        self.stop.store(false, Ordering::SeqCst);
        let bench = self.clone();
        let server = thread::spawn(move || {
            while !bench.stop.load(Ordering::SeqCst) {
                let mut requests = Vec::new();
                while let Some(request) = { bench.ring.lock().unwrap().pop() } {
                    requests.push(request);
                }
                for request in requests.iter().rev() {
                    let status = bench.serve(request);
                    bench.answer(u64_at(request, 8), request[0], status);
                }
                thread::yield_now();
            }
        });
        let result = run(&self.block);
        self.stop.store(true, Ordering::SeqCst);
        server.join().unwrap();
        result
    }

    fn seen(&self) -> Vec<u8> {
        core::mem::take(&mut self.seen.lock().unwrap())
    }
}

fn pattern(seed: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| (((at + seed) * 2_654_435_761) >> 13) as u8).collect()
}

const ALL: [(&str, &str); 5] = [
    ("feature-flush-cache", "1"),
    ("feature-barrier", "1"),
    ("feature-discard", "1"),
    ("feature-max-indirect-segments", "256"),
    ("max-ring-page-order", "4"),
];

#[test]
fn a_disk_tells_what_it_is() {
    let bench = Bench::new(&[("sector-size", "4096"), ("info", "4")]);
    let info = bench.block.info();
    assert_eq!((info.sectors, info.block_size, info.read_only), (SECTORS, 4096, true));
    let node = |key: &str| bench.machine.node(&format!("{FRONT}/{key}"));
    assert_eq!(node("protocol").as_deref(), Some("x86_64-abi"));
    assert_eq!(node("feature-persistent").as_deref(), Some("1"));
    assert_eq!(node("ring-ref0"), None);
}

#[test]
fn data_comes_back_whatever_its_size() {
    for features in [&ALL[..], &[]] {
        let bench = Bench::new(features);
        bench.serving(|block| {
            for (seed, sectors) in [1, 7, 8, 9, 88, 89, 96, 97, 300, 2048].into_iter().enumerate() {
                let data = pattern(seed, sectors * 512);
                block.write(seed as u64 * 3, &data).unwrap();
                let mut back = vec![0; data.len()];
                block.read(seed as u64 * 3, &mut back).unwrap();
                assert!(back == data, "{sectors} sectors");
            }
        });
        let indirect = bench.seen().contains(&6);
        assert_eq!(indirect, !features.is_empty());
    }
}

#[test]
fn a_large_disk_has_a_ring_of_several_pages() {
    let bench = Bench::with(&ALL, 128);
    assert_eq!(bench.machine.number(&format!("{FRONT}/ring-page-order")), 2);
    assert_eq!(bench.machine.node(&format!("{FRONT}/ring-ref")), None);
    bench.serving(|block| {
        let data = pattern(1, SECTORS as usize * 512);
        block.write(0, &data).unwrap();
        let mut back = vec![0; data.len()];
        block.read(0, &mut back).unwrap();
        assert!(back == data);
    });
    assert_eq!(
        Bench::with(&[("max-ring-page-order", "1")], 128).machine.number(&format!("{FRONT}/ring-page-order")),
        1
    );
}

#[test]
fn many_threads_do_not_mix_their_data() {
    let bench = Bench::new(&ALL);
    bench.serving(|block| {
        thread::scope(|scope| {
            for number in 0..16_usize {
                scope.spawn(move || {
                    for round in 0..30 {
                        let data = pattern(number * 1000 + round, (1 + (number * 7 + round) % 200) * 512);
                        block.write(number as u64 * 256, &data).unwrap();
                        let mut back = vec![0; data.len()];
                        block.read(number as u64 * 256, &mut back).unwrap();
                        assert!(back == data);
                    }
                });
            }
        });
    });
}

#[test]
fn no_grants_are_made_for_requests() {
    let bench = Bench::new(&ALL);
    let before = bench.machine.grants_in_force();
    bench.serving(|block| block.write(0, &[1; 512 * 100]).unwrap());
    assert_eq!(bench.machine.grants_in_force(), before);
}

#[test]
fn flushes_go_the_way_that_the_back_end_has() {
    for (features, expected) in [(&ALL[..2], vec![3]), (&ALL[1..2], vec![2]), (&[], vec![])] {
        let bench = Bench::new(features);
        assert_eq!(bench.serving(|block| block.flush()), Ok(()));
        assert_eq!(bench.seen(), expected);
    }
}

#[test]
fn discards_reach_the_back_end_that_can() {
    let bench = Bench::new(&ALL);
    assert_eq!(bench.serving(|block| block.discard(10, 4)), Ok(()));
    assert_eq!(bench.seen(), [5]);
    let contents = bench.contents.lock().unwrap();
    assert_eq!(contents.iter().position(|byte| *byte == 0xdd), Some(5120));
    assert_eq!(contents.iter().filter(|byte| **byte == 0xdd).count(), 2048);
    assert_eq!(bench.block.discard(SECTORS, 1), Err(DiskError::OutOfRange));
    assert_eq!(Bench::new(&[]).block.discard(0, 1), Err(DiskError::Unsupported));
}

#[test]
fn read_only_disks_refuse_writes() {
    for feature in [("info", "4"), ("mode", "r")] {
        let bench = Bench::new(&[feature, ("feature-flush-cache", "1")]);
        assert_eq!(bench.block.write(0, &[0; 512]), Err(DiskError::ReadOnly));
        assert_eq!(bench.block.discard(0, 1), Err(DiskError::ReadOnly));
        assert!(bench.serving(|block| block.read(0, &mut [0; 512])).is_ok());
        assert_eq!(bench.block.flush(), Ok(()), "there is nothing to be flushed");
    }
}

#[test]
fn nothing_is_asked_outside_of_the_disk() {
    let bench = Bench::new(&ALL);
    for (sector, length) in [(SECTORS, 512), (SECTORS - 1, 1024), (u64::MAX, 512), (0, 100), (0, 513)] {
        assert_eq!(bench.block.read(sector, &mut vec![0; length]), Err(DiskError::OutOfRange));
        assert_eq!(bench.block.write(sector, &vec![0; length]), Err(DiskError::OutOfRange));
    }
    assert_eq!(bench.block.read(0, &mut []), Ok(()));
    assert!(bench.ring.lock().unwrap().pop().is_none());
}

#[test]
fn what_the_back_end_reports_is_reported() {
    let bench = Bench::new(&ALL);
    for (status, expected) in [(-1, DiskError::Io), (-2, DiskError::Unsupported), (77, DiskError::Io)] {
        let block = bench.block.clone();
        let reader = thread::spawn(move || block.read(0, &mut [0; 512]));
        let request = bench.next();
        bench.answer(u64_at(&request, 8), 0, status);
        assert_eq!(reader.join().unwrap(), Err(expected));
    }
}

#[test]
fn the_back_end_is_told_only_if_it_sleeps() {
    let bench = Bench::new(&ALL);
    let port = *bench.port.lock().unwrap();
    for expected in [1, 0, 0] {
        let block = bench.block.clone();
        let reader = thread::spawn(move || block.read(0, &mut [0; 512]));
        let request = bench.next();
        bench.answer(u64_at(&request, 8), 0, 0);
        reader.join().unwrap().unwrap();
        assert_eq!(bench.machine.notified(port), expected);
    }
}

#[test]
fn requests_that_were_out_are_asked_again_of_the_next_back_end() {
    let bench = Bench::new(&ALL);
    let data = pattern(5, 40 * 512);
    let (block, written) = (bench.block.clone(), data.clone());
    let writer = thread::spawn(move || block.write(100, &written));
    let _lost = bench.next();
    bench.back("5");
    bench.back("6");
    let block = bench.block.clone();
    // This one finds no back end at all.
    let reader = thread::spawn(move || {
        let mut sector = [0; 512];
        block.read(0, &mut sector).map(|()| sector[0])
    });
    bench.connect();
    bench.serving(|block| {
        writer.join().unwrap().unwrap();
        assert_eq!(reader.join().unwrap(), Ok(0));
        let mut back = vec![0; data.len()];
        block.read(100, &mut back).unwrap();
        assert!(back == data);
    });
}

#[test]
fn an_unplugged_disk_fails_its_requests() {
    let bench = Bench::new(&ALL);
    let block = bench.block.clone();
    let reader = thread::spawn(move || block.read(0, &mut [0; 512]));
    let _lost = bench.next();
    bench.machine.set(&format!("{BACKEND}/online"), "0");
    bench.back("5");
    assert_eq!(reader.join().unwrap(), Err(DiskError::Io));
    assert_eq!(bench.block.read(0, &mut [0; 512]), Err(DiskError::Io));
    assert_eq!(bench.machine.grants_in_force(), 0);
    assert_eq!(bench.machine.open_channels(), 0);
}

#[test]
fn pages_that_a_gone_back_end_maps_are_kept_aside() {
    let bench = Bench::new(&ALL);
    let block = bench.block.clone();
    let writer = thread::spawn(move || block.write(0, &[1; 512]));
    let request = bench.next();
    let reference = u32_at(&request, 24);
    bench.machine.map(reference, true);
    bench.machine.set(&format!("{BACKEND}/online"), "0");
    bench.back("6");
    writer.join().unwrap().unwrap_err();
    assert_eq!(bench.machine.grants().quarantined(), usize::from(PAGES));
    bench.machine.map(reference, false);
}

#[test]
fn malformed_nodes_are_errors() {
    for (node, value) in [
        ("sectors", "many"),
        ("sectors", "-1"),
        ("sector-size", "0"),
        ("sector-size", "513"),
        ("sector-size", "4294967296"),
        ("info", "x"),
        ("feature-discard", "no"),
        ("feature-max-indirect-segments", "99999999999999999999999"),
        ("max-ring-page-order", "-1"),
    ] {
        let machine = Simulated::new();
        plug(machine, &[(node, value)]);
        let event = machine.services().event();
        let (block, port) = block::open(machine, 51712, PAGES, &event);
        let mut device = Device::new(machine, FRONT, Box::new(port), &event).unwrap();
        device.step();
        machine.set(&format!("{BACKEND}/state"), "4");
        device.step();
        assert_eq!(device.phase(), Phase::Failed, "{node} {value}");
        assert_eq!(machine.grants_in_force(), 0);
        assert_eq!(block.read(0, &mut []), Ok(()));
        assert_eq!(block.info().sectors, 0);
    }
}

#[test]
fn numbers_beyond_all_measure_are_cut() {
    let bench =
        Bench::with(&[("max-ring-page-order", "4000000000"), ("feature-max-indirect-segments", "4000000000")], 128);
    assert_eq!(bench.machine.number(&format!("{FRONT}/ring-page-order")), 2);
    bench.serving(|block| block.write(0, &vec![1; SECTORS as usize * 512]).unwrap());
}

#[test]
fn back_ends_that_break_rules_are_put_out_of_service() {
    let broken = |what: &dyn Fn(&Bench, u64)| {
        let bench = Bench::new(&ALL);
        let block = bench.block.clone();
        let reader = thread::spawn(move || block.read(0, &mut [0; 512]));
        let request = bench.next();
        what(&bench, u64_at(&request, 8));
        bench.machine.interrupt(*bench.port.lock().unwrap());
        bench.settle();
        assert_eq!(bench.machine.node(&format!("{FRONT}/state")).as_deref(), Some("6"));
        bench.back("6");
        bench.connect();
        // The request is asked again.
        bench.serving(|_| reader.join().unwrap().unwrap());
    };
    broken(&|bench, id| bench.answer(id + 1, 0, 0));
    broken(&|bench, _| bench.answer(u64::MAX, 0, 0));
    broken(&|bench, id| bench.answer(id + (1 << 32), 0, 0));
    broken(&|bench, _| bench.ring.lock().unwrap().set_word(8, 2));
    broken(&|bench, _| bench.ring.lock().unwrap().set_word(8, u32::MAX));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    /// Whatever a back end writes into the ring while a request is out: it ends, well or not, and the next connection works.
    #[test]
    fn any_back_end_is_survived(steps in prop::collection::vec((0..3_u8, 0..1024_usize, any::<u32>(), 0..40_u64), 1..60)) {
        let bench = Bench::new(&ALL);
        let block = bench.block.clone();
        let reader = thread::spawn(move || block.read(3, &mut vec![0; 100 * 512]));
        bench.next();
        for (step, at, value, id) in steps {
            if bench.phase() != Phase::Connected {
                break;
            }
            match step {
                0 => bench.ring.lock().unwrap().set_word(at * 4, value),
                1 => bench.answer(id, value as u8, (value >> 16) as i16),
                _ => bench.machine.interrupt(*bench.port.lock().unwrap()),
            }
            bench.settle();
        }
        bench.back("6");
        bench.settle();
        bench.back("6");
        bench.connect();
        bench.serving(|block| {
            let _ = reader.join().unwrap();
            block.write(0, &[5; 512]).unwrap();
            let mut sector = [0; 512];
            block.read(0, &mut sector).unwrap();
            assert_eq!(sector, [5; 512]);
        });
    }
}
