//! Runs the conformance program of rumpuser.h (conformance.c) on the hypercalls of a Linux process, with devices that fail where
//! those of a machine do not: a disk that is read-only, a disk on which nothing works, a wire whose queue fills up.

use rumpuser::{
    boot::BootData,
    device::{Checksum, Disk, Link},
};
use rumpuser_hosted::{
    disk::{DiskFaults, FileDisk, MemoryDisk},
    link::{Faults, Wire},
};
use std::{ffi::c_int, fs::File, ptr, sync::Arc, thread, time::Duration};

/// Nanoseconds that a frame takes: long enough for a burst to fill the wire's queue.
const DELAY: u64 = 50_000_000;
const MTU: usize = 1500;
const SIZE: usize = 2 << 20;
const POLL: Duration = Duration::from_millis(1);

unsafe extern "C" {
    fn conformance_init() -> c_int;
    static conformance_awaits_stop: c_int;
}

fn main() {
    let read_only = std::env::temp_dir().join(format!("rumpuser-conformance-{}", std::process::id()));
    File::create(&read_only).and_then(|file| file.set_len(4096)).expect("a file can be made");
    let file = FileDisk::open(&read_only, true).expect("the file can be read");
    std::fs::remove_file(&read_only).expect("the file can be removed");
    let broken = MemoryDisk::new(vec![0; SIZE], 0);
    let everywhere: Vec<_> = std::iter::once(0..u64::MAX).collect();
    let faults = DiskFaults {
        unreadable: everywhere.clone(),
        unwritable: everywhere,
        flush_fails: true,
        ..DiskFaults::default()
    };
    broken.set_faults(faults);
    let disks: [Arc<dyn Disk>; 3] = [MemoryDisk::new(vec![0; SIZE], 0), Arc::new(file), broken];

    let (wire, [ours, theirs]) = Wire::new(MTU, false).expect("there is memory for a wire");
    wire.set_faults(0, Faults { delay: DELAY, ..Faults::default() });
    thread::spawn(move || answer(theirs));
    thread::spawn(ask_for_stop);

    rumpuser_hosted::set_devices(vec![ours], disks.into());
    rumpuser_hosted::set_boot_data(BootData { command_line: "stop=asked", ..BootData::default() });
    // SAFETY: conformance.c defines it so, and keeps to the header.
    std::process::exit(i32::from(unsafe { rumpuser_c::run(conformance_init) }));
}

/// Answers each ARP request at this end of the wire.
fn answer(mut link: Box<dyn Link>) {
    let own = link.info().mac;
    loop {
        let mut answers = Vec::new();
        link.receive(64, &mut |frame, _| answers.extend(arp_answer(frame, own)));
        for answer in answers {
            link.transmit(answer.len(), Checksum::Unknown, &mut |buffer| buffer.copy_from_slice(&answer));
        }
        link.flush();
        thread::sleep(POLL);
    }
}

/// What the owner of the address that is asked for says.
fn arp_answer(request: &[u8], own: [u8; 6]) -> Option<Vec<u8>> {
    let mut answer = request.get(..42).filter(|frame| frame[12..14] == [8, 6] && frame[21] == 1)?.to_vec();
    answer.copy_within(6..12, 0);
    answer[6..12].copy_from_slice(&own);
    answer[21] = 2;
    answer.copy_within(22..32, 32);
    answer[22..28].copy_from_slice(&own);
    answer[28..32].copy_from_slice(&request[38..42]);
    Some(answer)
}

/// Asks for a stop when the program waits for that.
fn ask_for_stop() {
    // SAFETY: conformance.c defines it, and only ever sets it.
    while unsafe { ptr::read_volatile(&raw const conformance_awaits_stop) } == 0 {
        thread::sleep(POLL);
    }
    rumpuser_hosted::request_stop();
}
