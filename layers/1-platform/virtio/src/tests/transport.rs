//! The transports: registers where they belong, and configurations that lie about where they are.

use crate::{
    Addresses, Error, Mmio, Pci, Transport, Window,
    tests::device::Random,
    transport::{EVENT_INDEX, VERSION_1, negotiate},
};
use alloc::{boxed::Box, vec, vec::Vec};
use core::ptr::NonNull;
use std::sync::Mutex;
use virtio_drivers::transport::pci::bus::{ConfigurationAccess, DeviceFunction, DeviceFunctionInfo, HeaderType};

const AT: DeviceFunction = DeviceFunction { bus: 0, device: 3, function: 0 };
const BAR: u64 = 0x8_fe00_0000;

/// Configuration space of one function.
#[derive(Clone, Copy)]
struct Space(&'static Mutex<[u8; 256]>);

impl Space {
    fn new(bytes: [u8; 256]) -> Self {
        Self(Box::leak(Box::new(Mutex::new(bytes))))
    }
}

impl ConfigurationAccess for Space {
    fn read_word(&self, at: DeviceFunction, register: u8) -> u32 {
        assert_eq!((at, register % 4), (AT, 0));
        let bytes = self.0.lock().unwrap();
        u32::from_le_bytes(*bytes[usize::from(register)..].first_chunk().unwrap())
    }

    fn write_word(&mut self, _: DeviceFunction, register: u8, data: u32) {
        let register = usize::from(register);
        self.0.lock().unwrap()[register..register + 4].copy_from_slice(&data.to_le_bytes());
    }

    unsafe fn unsafe_clone(&self) -> Self {
        *self
    }
}

/// A modern network card with its registers in BAR 4 (64 bits wide), as QEMU lays it out.
fn network_card() -> [u8; 256] {
    let mut space = [0; 256];
    space[..4].copy_from_slice(&[0xf4, 0x1a, 0x41, 0x10]);
    // Status: there are capabilities.
    space[6] = 0x10;
    space[0x20..0x28].copy_from_slice(&(BAR | 0xc).to_le_bytes());
    space[0x34] = 0x40;
    let parts: [(u8, u32, u32); 4] = [(1, 0, 0x1000), (3, 0x1000, 0x1000), (4, 0x2000, 0x1000), (2, 0x3000, 0x1000)];
    for (number, (kind, offset, length)) in parts.into_iter().enumerate() {
        let at = 0x40 + 0x14 * number;
        let next = if number == 3 { 0 } else { at as u8 + 0x14 };
        space[at..at + 5].copy_from_slice(&[9, next, 20, kind, 4]);
        space[at + 8..at + 12].copy_from_slice(&offset.to_le_bytes());
        space[at + 12..at + 16].copy_from_slice(&length.to_le_bytes());
        if kind == 2 {
            space[at + 16] = 4;
        }
    }
    space
}

/// Memory that serves as registers, for good.
fn registers(length: usize) -> Window {
    let words: &'static mut [u64] = Box::leak(vec![0; length.div_ceil(8)].into_boxed_slice());
    let base = NonNull::new(words.as_mut_ptr().cast()).unwrap();
    // SAFETY: Leaked, so mapped for good.
    unsafe { Window::new(base, length) }
}

#[test]
fn a_pci_device_s_registers_are_found() {
    let bar = registers(0x4000);
    let space = Space::new(network_card());
    let map = |address: u64, length| bar.part((address - BAR) as usize, length);
    let device = Pci::new(space, AT, 1, &map).ok().unwrap();
    bar.write(0x14, 0x0f_u8);
    assert_eq!(device.status(), 0x0f);
    bar.write(0x18, 128_u16);
    assert_eq!(device.queue_limit(0), 128);
    bar.write(0x2000, 0x52_u8);
    assert_eq!(device.configuration(0), Some(0x52));
    assert_eq!(device.configuration(0x1000), None);
    bar.write(0x1000, 1_u8);
    assert!(device.acknowledge());
    let command = space.read_word(AT, 4) & 0xffff;
    assert_eq!(command, 0b110, "memory and bus master on, interrupt not disabled");
    // The doorbell of the queue whose notify offset is 3.
    bar.write(0x1e, 3_u16);
    let addresses = Addresses { descriptors: 0x1_0000_2000, available: 0x3000, used: 0x4000 };
    let doorbell = device.enable_queue(7, 16, addresses).unwrap();
    assert_eq!(bar.read::<u32>(0x24), 1);
    assert_eq!(bar.read::<u16>(0x1c), 1, "enabled");
    doorbell.ring();
    assert_eq!(bar.read::<u16>(0x3000 + 3 * 4), 7);
}

#[test]
fn a_doorbell_beyond_its_block_is_refused() {
    let bar = registers(0x4000);
    let map = |address: u64, length| bar.part((address - BAR) as usize, length);
    let device = Pci::new(Space::new(network_card()), AT, 1, &map).ok().unwrap();
    bar.write(0x1e, 0xffff_u16);
    let addresses = Addresses { descriptors: 0, available: 0, used: 0 };
    assert!(matches!(device.enable_queue(0, 16, addresses), Err(Error::Broken(_))));
}

#[test]
fn a_device_without_modern_registers_is_a_legacy_one() {
    let mut space = network_card();
    space[6] = 0;
    assert!(matches!(Pci::new(Space::new(space), AT, 1, &|_, _| None), Err(Error::Legacy)));
}

#[test]
fn transitional_ids_take_their_type_from_the_subsystem() {
    let info = |device_id| DeviceFunctionInfo {
        vendor_id: 0x1af4,
        device_id,
        class: 0,
        subclass: 0,
        prog_if: 0,
        revision: 0,
        header_type: HeaderType::Standard,
    };
    assert_eq!(Pci::identify(&info(0x1000), 1), Some(1));
    assert_eq!(Pci::identify(&info(0x1042), 0x1100), Some(2));
    assert_eq!(Pci::identify(&info(0x1110), 1), None);
}

#[test]
fn any_configuration_space_gives_a_device_or_an_error() {
    let bar = registers(0x4000);
    let map = |address: u64, length| bar.part(usize::try_from(address.checked_sub(BAR)?).ok()?, length);
    let mut random = Random(99);
    for _ in 0..20_000 {
        let mut bytes = network_card();
        for _ in 0..=random.below(6) {
            bytes[random.below(0x90) as usize] = random.next() as u8;
        }
        let space = Space::new(bytes);
        if let Ok(device) = Pci::new(space, AT, 1, &map) {
            let addresses = Addresses { descriptors: 0, available: 0, used: 0 };
            bar.write(0x1c, 0_u16);
            bar.write(0x1e, random.next() as u16);
            if let Ok(doorbell) = device.enable_queue(0, 16, addresses) {
                doorbell.ring();
            }
        }
    }
}

#[test]
fn mmio_slots_are_told_apart() {
    let slot = registers(512);
    assert!(matches!(Mmio::probe(slot), Err(Error::Unknown)));
    slot.write(0, 0x7472_6976_u32);
    slot.write(4, 2_u32);
    assert!(matches!(Mmio::probe(slot), Ok(None)), "empty");
    slot.write(8, 1_u32);
    let device = Mmio::probe(slot).unwrap().unwrap();
    assert_eq!(device.device_type(), 1);
    assert_eq!(device.configuration(255), Some(0));
    assert_eq!(device.configuration(256), None);
    slot.write(4, 1_u32);
    assert!(matches!(Mmio::probe(slot), Err(Error::Legacy)));
    slot.write(4, 3_u32);
    assert!(matches!(Mmio::probe(slot), Err(Error::Unknown)));
}

#[test]
fn features_are_negotiated_and_refusal_is_seen() {
    // Plain memory: features read back what the selector left, and the status keeps what is written.
    let slot = registers(512);
    for (offset, value) in [(0, 0x7472_6976_u32), (4, 2), (8, 1), (0x10, 1 | EVENT_INDEX as u32)] {
        slot.write(offset, value);
    }
    let device = Mmio::probe(slot).unwrap().unwrap();
    let chosen = negotiate(&device, 1).unwrap();
    assert_eq!(chosen, 1 | EVENT_INDEX | VERSION_1);
    slot.write(0x10, 2_u32);
    assert_eq!(negotiate(&device, 1), Err(Error::Legacy), "no VERSION_1");
}

#[test]
fn what_lies_outside_a_window_reads_as_ones() {
    let window = registers(16);
    window.write(12, 7_u32);
    assert_eq!(window.read::<u32>(12), 7);
    window.write(16, 7_u32);
    assert_eq!(window.read::<u32>(16), u32::MAX);
    assert_eq!(window.read::<u32>(14), u32::MAX, "not aligned");
    assert_eq!(window.read::<u8>(usize::MAX), u8::MAX);
    assert!(window.part(8, 8).is_some());
    assert!(window.part(8, 9).is_none());
    assert!(window.part(usize::MAX, 2).is_none());
    let parts: Vec<_> = (0..20).filter_map(|at| window.part(at, 4)).collect();
    assert_eq!(parts.len(), 13);
}
