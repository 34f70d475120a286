//! `hvm_start_info`, version 0 and 1, read from untrusted memory into a copy of our own (Xen,
//! `public/arch-x86/hvm/start_info.h`).

use rumpkin_core::for_platform::boot::{MemoryKind, MemoryRegion, PhysicalRange};

/// Entries of the memory map that are kept; more are ignored.
pub(crate) const MAX_REGIONS: usize = 96;
const MAX_MODULES: usize = 8;
const MAX_COMMAND_LINE: usize = 4096;

const MAGIC: u32 = 0x336e_c578;

/// Access to physical memory.
pub(crate) trait Physical {
    /// A piece of it, if it is there.
    fn bytes(&self, start: u64, length: usize) -> Option<&[u8]>;
}

/// What was passed, checked and copied.
pub(crate) struct StartInfo {
    command_line: [u8; MAX_COMMAND_LINE],
    command_line_length: usize,
    memory: [MemoryRegion; MAX_REGIONS],
    memory_count: usize,
    modules: [PhysicalRange; MAX_MODULES],
    module_count: usize,
    rsdp: u64,
}

const NO_REGION: MemoryRegion =
    MemoryRegion { range: PhysicalRange { start: 0, length: 0 }, kind: MemoryKind::Reserved };

impl Default for StartInfo {
    fn default() -> Self {
        StartInfo {
            command_line: [0; MAX_COMMAND_LINE],
            command_line_length: 0,
            memory: [NO_REGION; MAX_REGIONS],
            memory_count: 0,
            modules: [PhysicalRange::default(); MAX_MODULES],
            module_count: 0,
            rsdp: 0,
        }
    }
}

fn u32_at(memory: &dyn Physical, at: u64) -> Option<u32> {
    Some(u32::from_le_bytes(memory.bytes(at, 4)?.try_into().ok()?))
}

fn u64_at(memory: &dyn Physical, at: u64) -> Option<u64> {
    Some(u64::from_le_bytes(memory.bytes(at, 8)?.try_into().ok()?))
}

impl StartInfo {
    /// Reads the structure at `at`. `None` if it is not one; what it points to is left out where it cannot be read.
    pub(crate) fn parse(memory: &dyn Physical, at: u64) -> Option<StartInfo> {
        // magic, version, flags, module count (32 bits each), then module list, command line and RSDP (64 bits each), and
        // from version 1 on the memory map and its count.
        memory.bytes(at, 40)?;
        if u32_at(memory, at)? != MAGIC {
            return None;
        }
        let version = u32_at(memory, at + 4)?;
        let mut info = StartInfo { rsdp: u64_at(memory, at + 32)?, ..StartInfo::default() };
        info.read_modules(memory, u64_at(memory, at + 16)?, u32_at(memory, at + 12)?);
        info.read_command_line(memory, u64_at(memory, at + 24)?);
        if version >= 1
            && let Some(map) = u64_at(memory, at + 40)
            && let Some(count) = u32_at(memory, at + 48)
        {
            info.read_memory_map(memory, map, count);
        }
        Some(info)
    }

    fn read_modules(&mut self, memory: &dyn Physical, list: u64, count: u32) {
        const ENTRY: u64 = 32;
        for entry in (0..u64::from(count)).take(MAX_MODULES) {
            let Some(at) = list.checked_add(entry * ENTRY) else {
                break;
            };
            let (Some(start), Some(length)) = (u64_at(memory, at), at.checked_add(8).and_then(|at| u64_at(memory, at)))
            else {
                break;
            };
            if start.checked_add(length).is_none() {
                break;
            }
            self.modules[self.module_count] = PhysicalRange { start, length };
            self.module_count += 1;
        }
    }

    fn read_command_line(&mut self, memory: &dyn Physical, start: u64) {
        for (index, slot) in self.command_line.iter_mut().enumerate() {
            let byte = start
                .checked_add(index as u64)
                .filter(|_| start != 0)
                .and_then(|at| memory.bytes(at, 1)?.first().copied());
            match byte {
                None | Some(0) => break,
                Some(byte) => *slot = byte,
            }
            self.command_line_length = index + 1;
        }
    }

    fn read_memory_map(&mut self, memory: &dyn Physical, map: u64, count: u32) {
        const ENTRY: u64 = 24;
        for entry in (0..u64::from(count)).take(MAX_REGIONS) {
            let Some(at) = map.checked_add(entry * ENTRY) else {
                break;
            };
            if at.checked_add(ENTRY).is_none() {
                break;
            }
            let (Some(start), Some(length), Some(kind)) =
                (u64_at(memory, at), u64_at(memory, at + 8), u32_at(memory, at + 16))
            else {
                break;
            };
            self.add_region(start, length, kind);
        }
        separate(&mut self.memory[..self.memory_count]);
    }

    /// Takes the memory map from elsewhere, where there is none: start, length, and type as ACPI has it.
    pub(crate) fn set_memory_map(&mut self, map: impl Iterator<Item = (u64, u64, u32)>) {
        self.memory_count = 0;
        map.for_each(|(start, length, kind)| self.add_region(start, length, kind));
        separate(&mut self.memory[..self.memory_count]);
    }

    fn add_region(&mut self, start: u64, length: u64, kind: u32) {
        const RAM: u32 = 1;
        const ACPI_TABLES: u32 = 3;
        const ACPI_STORAGE: u32 = 4;
        if let Some(slot) = self.memory.get_mut(self.memory_count) {
            *slot = MemoryRegion {
                range: PhysicalRange { start, length: length.min(u64::MAX - start) },
                kind: match kind {
                    RAM => MemoryKind::Ram,
                    ACPI_TABLES | ACPI_STORAGE => MemoryKind::AcpiTables,
                    _ => MemoryKind::Reserved,
                },
            };
            self.memory_count += 1;
        }
    }

    pub(crate) fn command_line(&self) -> &str {
        str::from_utf8(&self.command_line[..self.command_line_length]).unwrap_or("")
    }

    pub(crate) fn memory(&self) -> &[MemoryRegion] {
        &self.memory[..self.memory_count]
    }

    pub(crate) fn modules(&self) -> &[PhysicalRange] {
        &self.modules[..self.module_count]
    }

    pub(crate) fn rsdp(&self) -> Option<u64> {
        (self.rsdp != 0).then_some(self.rsdp)
    }
}

/// Sorts regions and cuts overlaps out of them: what is also claimed by something else is not memory.
fn separate(regions: &mut [MemoryRegion]) {
    for index in 0..regions.len() {
        let claim = regions[index];
        if claim.kind == MemoryKind::Ram || claim.range.length == 0 {
            continue;
        }
        for region in regions.iter_mut() {
            let range = &mut region.range;
            let apart = range.end() <= claim.range.start || claim.range.end() <= range.start;
            if region.kind != MemoryKind::Ram || apart {
                continue;
            }
            if range.start < claim.range.start {
                // What lies behind the claim is lost with the overlap, which no real map has.
                range.length = claim.range.start - range.start;
            } else {
                let end = range.end();
                range.start = claim.range.end();
                range.length = end.saturating_sub(range.start);
            }
        }
    }
    // They are few and nearly in order; a sort of the library takes 4 KiB of code.
    for index in 1..regions.len() {
        let (sorted, rest) = regions.split_at(index);
        let place = sorted.partition_point(|region| region.range.start <= rest[0].range.start);
        regions[place..=index].rotate_right(1);
    }
    let mut behind = 0;
    for region in regions {
        let end = region.range.end();
        region.range.start = region.range.start.max(behind);
        region.range.length = end.saturating_sub(region.range.start);
        behind = behind.max(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    extern crate std;
    use std::vec::Vec;

    struct Memory(Vec<u8>);

    impl Physical for Memory {
        fn bytes(&self, start: u64, length: usize) -> Option<&[u8]> {
            self.0.get(usize::try_from(start).ok()?..)?.get(..length)
        }
    }

    impl Memory {
        fn put(&mut self, at: usize, bytes: &[u8]) {
            self.0[at..at + bytes.len()].copy_from_slice(bytes);
        }
    }

    fn example() -> Memory {
        let mut memory = Memory(std::vec![0; 0x1000]);
        memory.put(0x100, &MAGIC.to_le_bytes());
        memory.put(0x104, &1u32.to_le_bytes());
        memory.put(0x10c, &1u32.to_le_bytes());
        memory.put(0x110, &0x200u64.to_le_bytes());
        memory.put(0x118, &0x300u64.to_le_bytes());
        memory.put(0x120, &0xe0000u64.to_le_bytes());
        memory.put(0x128, &0x400u64.to_le_bytes());
        memory.put(0x130, &3u32.to_le_bytes());
        memory.put(0x200, &0x5000u64.to_le_bytes());
        memory.put(0x208, &77u64.to_le_bytes());
        memory.put(0x300, b"log=info\0");
        for (index, (start, length, kind)) in
            [(0x100000u64, 0x700000u64, 1u32), (0, 0x9fc00, 1), (0x9fc00, 0x400, 2)].into_iter().enumerate()
        {
            memory.put(0x400 + 24 * index, &start.to_le_bytes());
            memory.put(0x408 + 24 * index, &length.to_le_bytes());
            memory.put(0x410 + 24 * index, &kind.to_le_bytes());
        }
        memory
    }

    #[test]
    fn version_1_gives_everything() {
        let info = StartInfo::parse(&example(), 0x100).unwrap();
        assert_eq!(info.command_line(), "log=info");
        assert_eq!(info.rsdp(), Some(0xe0000));
        let module = PhysicalRange { start: 0x5000, length: 77 };
        assert_eq!(info.modules(), [module]);
        let starts: Vec<_> = info.memory().iter().map(|r| r.range.start).collect();
        assert_eq!(starts, [0, 0x9fc00, 0x100000]);
    }

    #[test]
    fn version_0_has_no_memory_map_and_another_magic_is_refused() {
        let mut memory = example();
        memory.put(0x104, &0u32.to_le_bytes());
        assert!(StartInfo::parse(&memory, 0x100).unwrap().memory().is_empty());
        memory.put(0x100, &[0]);
        assert!(StartInfo::parse(&memory, 0x100).is_none());
        assert!(StartInfo::parse(&memory, u64::MAX - 8).is_none());
    }

    #[test]
    fn a_memory_map_from_elsewhere_is_put_in_order_and_what_is_too_much_left_out() {
        let mut info = StartInfo::default();
        let map = (0..200u64).rev().map(|index| (index << 20, 1 << 20, 1));
        info.set_memory_map(map);
        assert_eq!(info.memory().len(), MAX_REGIONS);
        assert!(info.memory().is_sorted_by_key(|region| region.range.start));
    }

    proptest! {
        #[test]
        fn hostile_bytes_give_ordered_regions_or_nothing(changes in proptest::collection::vec((0x100usize..0x460, any::<u8>()), 1..40)) {
            let mut memory = example();
            for (at, byte) in changes {
                memory.put(at, &[byte]);
            }
            if let Some(info) = StartInfo::parse(&memory, 0x100) {
                let mut end = 0;
                for region in info.memory().iter().filter(|region| region.range.length != 0) {
                    prop_assert!(region.range.start >= end);
                    end = region.range.end();
                }
                info.command_line();
            }
        }
    }
}
