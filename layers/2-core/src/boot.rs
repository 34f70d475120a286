//! What the boot entry found out: the memory map, the command line, the modules, the payload.

/// A piece of physical memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PhysicalRange {
    /// Its first byte.
    pub start: u64,
    /// Its size in bytes; 0 means that there is none.
    pub length: u64,
}

impl PhysicalRange {
    /// The first byte behind it (saturating).
    pub const fn end(self) -> u64 {
        self.start.saturating_add(self.length)
    }
}

/// What a piece of the memory map is good for (the ACPI address range types, ACPI 6.5 §15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryKind {
    /// Usable memory.
    Ram,
    /// Holds ACPI tables.
    AcpiTables,
    /// Anything else; not ours to write.
    Reserved,
}

/// One entry of the memory map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryRegion {
    /// Where.
    pub range: PhysicalRange,
    /// What.
    pub kind: MemoryKind,
}

/// Where the kernel image lies. Sections begin and end on page boundaries; a virtual address of the image is
/// where it was placed plus its physical address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImageLayout {
    /// Code.
    pub text: PhysicalRange,
    /// Constants.
    pub rodata: PhysicalRange,
    /// Variables.
    pub data: PhysicalRange,
}

/// What was baked into the image behind the kernel (page-aligned; length 0 if absent).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Payload {
    /// The root file system.
    pub root_file_system: PhysicalRange,
    /// The default configuration.
    pub configuration: PhysicalRange,
}

/// All of it, checked. It and what it refers to live as long as the kernel.
#[derive(Debug, Clone, Copy)]
pub struct BootInfo {
    /// Time-stamp counter at the first instruction.
    pub entered_at: u64,
    /// Who started us.
    pub protocol: &'static str,
    /// The command line; empty if there is none or it is not UTF-8.
    pub command_line: &'static str,
    /// The memory map, in ascending order and without overlaps.
    pub memory: &'static [MemoryRegion],
    /// Modules, in order.
    pub modules: &'static [PhysicalRange],
    /// Physical address of ACPI's root pointer, if one was given.
    pub rsdp: Option<u64>,
    /// The kernel.
    pub image: ImageLayout,
    /// What came with it.
    pub payload: Payload,
}

impl BootInfo {
    /// Bytes of usable memory, taken or not.
    pub fn ram(&self) -> u64 {
        self.memory.iter().filter(|region| region.kind == MemoryKind::Ram).map(|region| region.range.length).sum()
    }
}
