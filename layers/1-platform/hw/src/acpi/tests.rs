//! The parser against tables as QEMU lays them out, and against thousands of broken ones.

use super::*;
use alloc::{vec, vec::Vec};

/// Physical memory with tables in it.
struct Memory(Vec<u8>);

const ROOT: u64 = 0x40;

impl Memory {
    fn new() -> Self {
        Self(vec![0; 0x100])
    }

    /// Adds a table; its length and checksum are filled in.
    fn add(&mut self, signature: &[u8; 4], revision: u8, body: &[u8]) -> u64 {
        let mut table = Vec::from(*signature);
        table.extend((36 + body.len() as u32).to_le_bytes());
        table.extend([revision, 0]);
        table.extend(b"BOCHS BXPC    ");
        table.extend([1, 0, 0, 0]);
        table.extend(b"BXPC");
        table.extend([1, 0, 0, 0]);
        table.extend(body);
        table[9] = checksum(&table);
        let at = self.0.len();
        self.0.extend(table);
        self.0.resize(self.0.len().next_multiple_of(16), 0);
        at as u64
    }

    /// Puts the root pointer (and the list) to these tables.
    fn root(&mut self, tables: &[u64], extended: bool) {
        let mut pointer = Vec::from(*b"RSD PTR \0BOCHS ");
        if extended {
            let body: Vec<u8> = tables.iter().flat_map(|table| table.to_le_bytes()).collect();
            let list = self.add(b"XSDT", 1, &body);
            pointer.extend([2, 0, 0, 0, 0, 36, 0, 0, 0]);
            pointer.extend(list.to_le_bytes());
            pointer.extend([0; 4]);
            pointer[8] = checksum(&pointer[..20]);
            pointer[32] = checksum(&pointer);
        } else {
            let body: Vec<u8> = tables.iter().flat_map(|&table| (table as u32).to_le_bytes()).collect();
            let list = self.add(b"RSDT", 1, &body);
            pointer.push(0);
            pointer.extend((list as u32).to_le_bytes());
            pointer[8] = checksum(&pointer);
        }
        self.0[ROOT as usize..ROOT as usize + pointer.len()].copy_from_slice(&pointer);
    }

    fn parse(&self) -> Acpi {
        Acpi::parse(ROOT, &|address, length| {
            let start = usize::try_from(address).ok()?;
            Some(self.0.get(start..start.checked_add(length)?)?.to_vec())
        })
    }
}

fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0_u8, |sum, &byte| sum.wrapping_add(byte)).wrapping_neg()
}

fn put(body: &mut [u8], offset: usize, bytes: &[u8]) {
    // Offsets in the specification count the header.
    body[offset - 36..offset - 36 + bytes.len()].copy_from_slice(bytes);
}

/// As pc has it: local APIC, one I/O APIC, overrides for interrupts 0, 5, 9, 10, 11.
fn madt() -> Vec<u8> {
    let mut body = vec![0, 0, 0xe0, 0xfe, 1, 0, 0, 0];
    body.extend([0, 8, 0, 0, 1, 0, 0, 0]);
    body.extend([1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0]);
    body.extend([2, 10, 0, 0, 2, 0, 0, 0, 0, 0]);
    for interrupt in [5, 9, 10, 11] {
        body.extend([2, 10, 0, interrupt, interrupt, 0, 0, 0, 13, 0]);
    }
    body.extend([4, 6, 255, 0, 0, 1]);
    body
}

/// As pc has it: a first-generation FADT with fixed hardware.
fn fadt_of_pc(dsdt: u64) -> Vec<u8> {
    let mut body = vec![0; 116 - 36];
    put(&mut body, 40, &(dsdt as u32).to_le_bytes());
    put(&mut body, 46, &9_u16.to_le_bytes());
    put(&mut body, 48, &0xb2_u32.to_le_bytes());
    put(&mut body, 52, &[2, 3]);
    put(&mut body, 56, &0x600_u32.to_le_bytes());
    put(&mut body, 64, &0x604_u32.to_le_bytes());
    put(&mut body, 76, &0x608_u32.to_le_bytes());
    put(&mut body, 88, &[4, 2, 0, 4]);
    put(&mut body, 108, &[0x32]);
    body
}

/// As microvm has it: hardware-reduced, with sleep and reset registers in memory.
fn fadt_of_microvm(dsdt: u64) -> Vec<u8> {
    let mut body = vec![0; 268 - 36];
    put(&mut body, 112, &(1_u32 << 20 | 1 << 10).to_le_bytes());
    put(&mut body, 116, &[0, 8, 0, 1]);
    put(&mut body, 120, &0xfea0_0202_u64.to_le_bytes());
    put(&mut body, 128, &[0x42]);
    put(&mut body, 140, &dsdt.to_le_bytes());
    put(&mut body, 244, &[0, 8, 0, 1]);
    put(&mut body, 248, &0xfea0_0200_u64.to_le_bytes());
    body
}

/// `PkgLength`: two bytes, which counts itself.
fn package(content: &[u8]) -> Vec<u8> {
    let length = content.len() + 2;
    let mut bytes = vec![0x40 | (length & 15) as u8, (length >> 4) as u8];
    bytes.extend(content);
    bytes
}

fn device(name: &[u8; 4], id: &[u8], rest: &[u8]) -> Vec<u8> {
    let mut content = Vec::from(*name);
    content.extend(b"\x08_HID\x0d");
    content.extend(id);
    content.push(0);
    content.extend(rest);
    let mut bytes = vec![0x5b, 0x82];
    bytes.extend(package(&content));
    bytes
}

fn interrupt_descriptor(line: u32) -> Vec<u8> {
    let mut bytes = vec![0x89, 6, 0, 1, 1];
    bytes.extend(line.to_le_bytes());
    bytes
}

fn dsdt_of_microvm() -> Vec<u8> {
    let mut code = Vec::from(*b"\x08_S5_\x12\x06\x04\x0a\x05\x00\x00\x00");
    let mut event = interrupt_descriptor(9);
    event.extend(b"\x5b\x80EREG\x00\x0c\x00\x00\xa0\xfe\x0a\x04");
    let mut bus = device(b"GED_", b"ACPI0013", &event);
    for slot in [0_u32, 23] {
        let mut resources = Vec::from(*b"\x08_CRS\x11\x18\x0a\x15\x86\x09\x00\x01");
        resources.extend((0xfeb0_0000 + 512 * slot).to_le_bytes());
        resources.extend(512_u32.to_le_bytes());
        resources.extend(interrupt_descriptor(24 + slot));
        bus.extend(device(b"VR00", b"LNRO0005", &resources));
    }
    code.extend(device(b"_SB_", b"ACPI0004", &bus));
    code
}

fn pc() -> Memory {
    let mut memory = Memory::new();
    let dsdt = memory.add(b"DSDT", 1, b"\x08_S5_\x12\x06\x04\x00\x00\x00\x00");
    let fadt = memory.add(b"FACP", 1, &fadt_of_pc(dsdt));
    let madt = memory.add(b"APIC", 1, &madt());
    memory.root(&[fadt, madt], false);
    memory
}

fn microvm() -> Memory {
    let mut memory = Memory::new();
    let dsdt = memory.add(b"DSDT", 2, &dsdt_of_microvm());
    let fadt = memory.add(b"FACP", 5, &fadt_of_microvm(dsdt));
    let mut io_apics = vec![0; 8];
    io_apics.extend([1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0]);
    io_apics.extend([1, 12, 1, 0, 0, 0, 0xc1, 0xfe, 24, 0, 0, 0]);
    let madt = memory.add(b"APIC", 1, &io_apics);
    let mut windows = vec![0; 8];
    windows.extend(0xe000_0000_u64.to_le_bytes());
    windows.extend([0, 0, 0, 255, 0, 0, 0, 0]);
    let mcfg = memory.add(b"MCFG", 1, &windows);
    memory.root(&[fadt, madt, mcfg], true);
    memory
}

#[test]
fn fixed_hardware_of_pc_is_read() {
    let acpi = pc().parse();
    assert!(acpi.present);
    assert_eq!(acpi.io_apics, [IoApic { address: 0xfec0_0000, first: 0 }]);
    assert_eq!(acpi.century, 0x32);
    assert_eq!(acpi.timer, Some(0x608));
    assert_eq!(acpi.power.event, Some((0x600, 2)));
    assert_eq!(acpi.power.control, [0x604]);
    assert_eq!(acpi.power.interrupt, Some(9));
    assert_eq!(acpi.power.enable, Some((0xb2, 2)));
    assert_eq!(acpi.power.sleep_type, Some([0, 0]));
    assert_eq!(acpi.power.sleep_control, None);
}

#[test]
fn interrupts_are_overridden() {
    let acpi = pc().parse();
    let edge = |number| Line { number, trigger: Trigger::Edge, polarity: Polarity::High };
    let level = |number| Line { number, trigger: Trigger::Level, polarity: Polarity::High };
    assert_eq!(acpi.isa_line(0), edge(2));
    assert_eq!(acpi.isa_line(4), edge(4));
    assert_eq!(acpi.isa_line(9), level(9));
    assert_eq!(acpi.pci_line(11), level(11));
    assert_eq!(acpi.pci_line(16), level(16));
}

#[test]
fn reduced_hardware_of_microvm_is_read() {
    let acpi = microvm().parse();
    assert_eq!(acpi.power.event, None);
    assert_eq!(acpi.power.sleep_control, Some(Register::Memory(0xfea0_0200)));
    assert_eq!(acpi.power.reset, Some((Register::Memory(0xfea0_0202), 0x42)));
    assert_eq!(acpi.power.sleep_type, Some([5, 0]));
    assert_eq!(acpi.power.generic_event, Some((0xfea0_0000, 9)));
    assert_eq!(acpi.pci_windows, [(0xe000_0000, 0, 255)]);
    assert_eq!(acpi.io_apics[1], IoApic { address: 0xfec1_0000, first: 24 });
    let slot =
        |number: u32| MmioSlot { address: u64::from(0xfeb0_0000 + 512 * number), length: 512, line: 24 + number };
    assert_eq!(acpi.mmio_slots, [slot(0), slot(23)]);
}

#[test]
fn a_wrong_checksum_anywhere_hides_the_table() {
    let mut memory = pc();
    let fadt = memory.0.windows(4).position(|bytes| bytes == b"FACP").unwrap();
    memory.0[fadt + 50] ^= 1;
    let acpi = memory.parse();
    assert_eq!(acpi.power.event, None);
    assert!(!acpi.io_apics.is_empty());
    memory.0[ROOT as usize + 9] ^= 1;
    assert!(!memory.parse().present);
}

#[test]
fn entries_of_impossible_length_end_the_table() {
    let mut memory = Memory::new();
    for length in [0, 1, 200] {
        let madt = memory.add(b"APIC", 1, &[0, 0, 0, 0, 0, 0, 0, 0, 1, length, 0, 0]);
        memory.root(&[madt], false);
        assert!(memory.parse().io_apics.is_empty());
    }
}

#[test]
fn mutated_tables_give_a_result_and_no_panic() {
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for original in [pc(), microvm()] {
        for _ in 0..20_000 {
            let mut memory = Memory(original.0.clone());
            for _ in 0..=random() % 8 {
                let at = random() as usize % memory.0.len();
                memory.0[at] = random() as u8;
            }
            if random().is_multiple_of(4) {
                memory.0.truncate(random() as usize % memory.0.len());
            }
            // Mend the checksums, or few mutations would be looked at.
            mend(&mut memory.0);
            let _ = memory.parse();
        }
    }
}

fn mend(memory: &mut [u8]) {
    for at in (0x100..memory.len().saturating_sub(36)).step_by(16) {
        let length = u32::from_le_bytes(*memory[at + 4..].first_chunk().unwrap()) as usize;
        if let Some(table) = memory.get_mut(at..at.saturating_add(length))
            && table.len() >= 36
            && table[..4].iter().all(u8::is_ascii_uppercase)
        {
            table[9] = 0;
            table[9] = checksum(table);
        }
    }
}
