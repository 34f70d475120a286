//! Finds three things in ACPI bytecode without interpreting it: the sleep type of "soft off", the generic event device,
//! and virtio-mmio slots.
//!
//! An interpreter is a large thing to trust. These objects are constants, which every firmware of this class emits as
//! plain bytes: a package, an operation region's address, a resource template. A search that fails means "not there".

use alloc::vec::Vec;

/// `DWordConst` (ACPI 6.5 §20.2.3).
const DWORD: u8 = 0x0c;
const BYTE: u8 = 0x0a;
const WORD: u8 = 0x0b;
const QWORD: u8 = 0x0e;
const PACKAGE: u8 = 0x12;
/// `DefDevice`, two bytes.
const DEVICE: [u8; 2] = [0x5b, 0x82];
/// `DefOpRegion`, two bytes.
const REGION: [u8; 2] = [0x5b, 0x80];
/// Resource descriptors (§6.4.3): fixed 32-bit memory, extended interrupt.
const FIXED_MEMORY: [u8; 3] = [0x86, 0x09, 0x00];
const INTERRUPT: u8 = 0x89;

/// A virtio-mmio slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MmioSlot {
    /// Physical address of its registers.
    pub address: u64,
    /// Their length in bytes.
    pub length: u64,
    /// Its global system interrupt.
    pub line: u32,
}

fn position(code: &[u8], what: &[u8]) -> Option<usize> {
    let (first, rest) = what.split_first()?;
    let mut from = 0;
    loop {
        // Byte by byte, since a comparison at each would be a call.
        from += 1 + code.get(from..)?.iter().position(|byte| byte == first)?;
        if code.get(from..)?.starts_with(rest) {
            return Some(from - 1);
        }
    }
}

fn after<'a>(code: &'a [u8], what: &[u8]) -> Option<&'a [u8]> {
    code.get(position(code, what)? + what.len()..)
}

fn word(code: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*code.get(at..)?.first_chunk()?))
}

/// The length field of a package or device, and the bytes that it takes (§20.2.4).
fn package_length(code: &[u8]) -> Option<(usize, usize)> {
    let lead = *code.first()?;
    let more = usize::from(lead >> 6);
    if more == 0 {
        return Some((usize::from(lead & 0x3f), 1));
    }
    let mut length = usize::from(lead & 0x0f);
    for place in 0..more {
        length |= usize::from(*code.get(1 + place)?) << (4 + 8 * place);
    }
    Some((length, 1 + more))
}

/// An integer constant and the bytes that it takes.
fn integer(code: &[u8]) -> Option<(u64, usize)> {
    let rest = code.get(1..)?;
    match *code.first()? {
        0 => Some((0, 1)),
        1 => Some((1, 1)),
        BYTE => Some((u64::from(*rest.first()?), 2)),
        WORD => Some((u64::from(u16::from_le_bytes(*rest.first_chunk()?)), 3)),
        DWORD => Some((u64::from(u32::from_le_bytes(*rest.first_chunk()?)), 5)),
        QWORD => Some((u64::from_le_bytes(*rest.first_chunk()?), 9)),
        _ => None,
    }
}

/// The first two elements of `\_S5`: the sleep types for PM1a and PM1b (§7.4.2.6).
pub fn sleep_type(code: &[u8]) -> Option<[u8; 2]> {
    let code = after(code, b"_S5_")?;
    if *code.first()? != PACKAGE {
        return None;
    }
    let code = code.get(1..)?;
    let (_, taken) = package_length(code)?;
    // The number of elements comes before them.
    let code = code.get(taken + 1..)?;
    let (first, taken) = integer(code)?;
    let second = integer(code.get(taken..)?).map_or(first, |(value, _)| value);
    Some([first as u8 & 7, second as u8 & 7])
}

/// The bodies of the devices with this hardware id.
fn devices<'a>(code: &'a [u8], id: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = code;
    core::iter::from_fn(move || {
        loop {
            let body = after(rest, &DEVICE)?;
            rest = body;
            let Some((length, _)) = package_length(body) else {
                continue;
            };
            let Some(body) = body.get(..length) else {
                continue;
            };
            // A bus holds other devices; only the innermost one carries the id itself.
            let own = position(body, &DEVICE).and_then(|end| body.get(..end)).unwrap_or(body);
            if position(own, id).is_some() {
                return Some(body);
            }
        }
    })
}

/// The first interrupt of an extended interrupt descriptor.
fn interrupt(body: &[u8]) -> Option<u32> {
    let mut rest = body;
    loop {
        rest = after(rest, &[INTERRUPT])?;
        // Length of two bytes, flags, number of interrupts, interrupts.
        let length = usize::from(u16::from_le_bytes(*rest.first_chunk()?));
        let count = usize::from(*rest.get(3)?);
        if (1..=16).contains(&count) && length >= 2 + 4 * count {
            return word(rest, 4);
        }
    }
}

/// The generic event device (`ACPI0013`): where its selector register lies, and its line. The register's address is that of
/// the operation region that its event method reads.
pub fn generic_event(code: &[u8]) -> Option<(u64, u32)> {
    let body = devices(code, b"ACPI0013\0").next()?;
    let line = interrupt(body)?;
    let region = after(body, &REGION)?;
    // Name of four letters, address space (0 is memory), address.
    if *region.get(4)? != 0 {
        return None;
    }
    let (address, _) = integer(region.get(5..)?)?;
    Some((address, line))
}

/// The virtio-mmio slots (`LNRO0005`).
pub fn mmio_slots(code: &[u8]) -> Vec<MmioSlot> {
    devices(code, b"LNRO0005\0").filter_map(mmio_slot).collect()
}

fn mmio_slot(body: &[u8]) -> Option<MmioSlot> {
    let memory = after(body, &FIXED_MEMORY)?;
    // Information byte, address, length.
    Some(MmioSlot {
        address: u64::from(word(memory, 1)?),
        length: u64::from(word(memory, 5)?),
        line: interrupt(memory.get(9..)?)?,
    })
}
