//! The block driver, with a device on a thread of its own.

use crate::{
    Block, Error,
    tests::device::{Device, MACHINE, Random},
    transport::Transport,
};
use alloc::{sync::Arc, vec, vec::Vec};
use rumpkin_core::for_platform::interface::{Disk, DiskError};
use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

const READ_ONLY: u64 = 1 << 5;
const BLOCK_SIZE: u64 = 1 << 6;
const FLUSH: u64 = 1 << 9;
const DISCARD: u64 = 1 << 13;
const SECTORS: usize = 4096;

fn configuration() -> Vec<u8> {
    let mut bytes = vec![0; 60];
    bytes[..8].copy_from_slice(&(SECTORS as u64).to_le_bytes());
    bytes[20..24].copy_from_slice(&512_u32.to_le_bytes());
    bytes[36..40].copy_from_slice(&1000_u32.to_le_bytes());
    bytes
}

/// A disk whose device answers on a thread until it is dropped.
struct Rig {
    block: Arc<Block>,
    content: Arc<Mutex<Vec<u8>>>,
    flushes: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Rig {
    fn new(features: u64) -> Self {
        Self::answering(features, 0)
    }

    /// With a device that answers every request with this status.
    fn answering(features: u64, status: u8) -> Self {
        let device = Device::with_event_index(2, features, &configuration());
        let block = Arc::new(Block::new(&*MACHINE, device.clone()).unwrap());
        let content = Arc::new(Mutex::new(vec![0_u8; SECTORS * 512]));
        let flushes = Arc::new(AtomicUsize::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let handler = block.handler();
            let (device, content) = (device.clone(), content.clone());
            let (flushes, stop) = (flushes.clone(), stop.clone());
            move || {
                while !stop.load(Ordering::Relaxed) {
                    if answer(&device, &content, &flushes, status) {
                        handler.interrupt();
                    } else {
                        thread::sleep(Duration::from_micros(50));
                    }
                }
            }
        });
        Self { block, content, flushes, stop, thread: Some(thread) }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(thread::JoinHandle::join);
    }
}

/// Does what a well-behaved device does, with everything that was asked; last come, first served.
fn answer(device: &Device, content: &Mutex<Vec<u8>>, flushes: &AtomicUsize, status: u8) -> bool {
    device.queue(0, |side| {
        let mut requests = Vec::new();
        while let Some(request) = side.pop() {
            requests.push(request);
        }
        let any = !requests.is_empty();
        for (id, parts) in requests.into_iter().rev() {
            let header = parts[0].read();
            let kind = u32::from_le_bytes(header[..4].try_into().unwrap());
            let sector = u64::from_le_bytes(header[8..16].try_into().unwrap()) as usize;
            let mut disk = content.lock().unwrap();
            let mut written = 1;
            match kind {
                _ if status != 0 => {}
                0 => {
                    let length = parts[1].length as usize;
                    parts[1].write(&disk[sector * 512..sector * 512 + length]);
                    written += length as u32;
                }
                1 => {
                    let bytes = parts[1].read();
                    disk[sector * 512..sector * 512 + bytes.len()].copy_from_slice(&bytes);
                }
                4 => {
                    flushes.fetch_add(1, Ordering::Relaxed);
                }
                8 => parts[1].write(b"pumpkin\n-17\0\0\0\0\0\0\0\0"),
                11 => {
                    let range = parts[1].read();
                    let sector = u64::from_le_bytes(range[..8].try_into().unwrap()) as usize;
                    let count = u32::from_le_bytes(range[8..12].try_into().unwrap()) as usize;
                    assert!(count <= 1000);
                    disk[sector * 512..(sector + count) * 512].fill(0xdd);
                }
                _ => panic!("request {kind}"),
            }
            parts.last().unwrap().write(&[status]);
            side.push(u32::from(id), written);
        }
        any
    })
}

#[test]
fn what_is_written_is_read() {
    let rig = Rig::new(FLUSH | BLOCK_SIZE);
    let data: Vec<u8> = (0..700 * 512).map(|at| (at / 512) as u8 ^ at as u8).collect();
    rig.block.write(3, &data).unwrap();
    let mut back = vec![0; data.len()];
    rig.block.read(3, &mut back).unwrap();
    assert!(back == data);
    assert!(rig.content.lock().unwrap()[3 * 512..703 * 512] == data[..]);
    rig.block.flush().unwrap();
    assert_eq!(rig.flushes.load(Ordering::Relaxed), 1);
}

#[test]
fn many_threads_share_the_disk() {
    let rig = Rig::new(FLUSH);
    thread::scope(|scope| {
        for number in 0..64_usize {
            let block = &rig.block;
            scope.spawn(move || {
                for round in 0..20 {
                    let data = vec![(number * 31 + round) as u8; 4096];
                    block.write(number as u64 * 8, &data).unwrap();
                    let mut back = vec![0; 4096];
                    block.read(number as u64 * 8, &mut back).unwrap();
                    assert!(back == data);
                }
            });
        }
    });
}

#[test]
fn the_serial_number_is_asked_for_and_cleaned() {
    let rig = Rig::new(0);
    assert_eq!(rig.block.info().serial, "");
    rig.block.identify();
    assert_eq!(rig.block.info().serial, "pumpkin?-17");
    assert_eq!(rig.block.info().sectors, SECTORS as u64);
    assert_eq!(rig.block.info().block_size, 512);
}

#[test]
fn discard_is_cut_to_the_device_s_limit() {
    let rig = Rig::new(DISCARD);
    rig.block.discard(10, 2500).unwrap();
    let content = rig.content.lock().unwrap();
    assert!(content[10 * 512..2510 * 512].iter().all(|&byte| byte == 0xdd));
    assert_eq!(content[2510 * 512], 0);
}

#[test]
fn what_cannot_be_is_refused_without_asking() {
    let rig = Rig::new(0);
    let mut sector = [0; 512];
    let end = SECTORS as u64;
    assert_eq!(rig.block.read(end, &mut sector), Err(DiskError::OutOfRange));
    assert_eq!(rig.block.read(u64::MAX, &mut sector), Err(DiskError::OutOfRange));
    assert_eq!(rig.block.read(0, &mut sector[..100]), Err(DiskError::OutOfRange));
    assert_eq!(rig.block.write(end, &sector), Err(DiskError::OutOfRange));
    assert_eq!(rig.block.discard(0, 1), Err(DiskError::Unsupported));
    assert_eq!(rig.block.flush(), Ok(()), "no cache, nothing to flush");
    let rig = Rig::new(READ_ONLY | DISCARD);
    assert!(rig.block.info().read_only);
    assert_eq!(rig.block.write(0, &sector), Err(DiskError::ReadOnly));
    assert_eq!(rig.block.discard(0, 1), Err(DiskError::ReadOnly));
}

#[test]
fn the_device_s_errors_are_told() {
    for (status, error) in [(1, DiskError::Io), (2, DiskError::Unsupported), (0xff, DiskError::Io)] {
        let rig = Rig::answering(FLUSH, status);
        assert_eq!(rig.block.read(0, &mut [0; 512]), Err(error));
        assert_eq!(rig.block.flush(), Err(error));
    }
}

#[test]
fn a_lying_device_is_put_out_of_service_and_nobody_hangs() {
    let device = Device::with_event_index(2, FLUSH, &configuration());
    let block = Block::new(&*MACHINE, device.clone()).unwrap();
    let handler = block.handler();
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..40).map(|_| scope.spawn(|| block.read(0, &mut [0; 512]))).collect();
        thread::sleep(Duration::from_millis(50));
        device.queue(0, |side| side.push(77_777, 0));
        handler.interrupt();
        for thread in waiting {
            assert_eq!(thread.join().unwrap(), Err(DiskError::Io));
        }
    });
    assert_eq!(device.status(), 0, "reset");
    assert_eq!(block.flush(), Err(DiskError::Io));
}

#[test]
fn configurations_that_cannot_be_are_refused() {
    for length in 0..configuration().len() {
        let device = Device::with_event_index(2, u64::MAX, &configuration()[..length]);
        let _ = Block::new(&*MACHINE, device);
    }
    let mut random = Random(7);
    for _ in 0..2000 {
        let bytes: Vec<_> = (0..60).map(|_| random.next() as u8).collect();
        let device = Device::with_event_index(2, random.next(), &bytes);
        if let Ok(block) = Block::new(&*MACHINE, device) {
            assert!(block.info().block_size.is_power_of_two());
        }
    }
    let device = Device::new(2, 0, &configuration(), 2);
    assert!(matches!(Block::new(&*MACHINE, device), Err(Error::NoQueue)));
}
