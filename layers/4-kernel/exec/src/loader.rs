//! The program loader: maps an ELF64 executable and, for a dynamic one, its interpreter.
//!
//! What it reads is not trusted: every number is checked before it is used (ELF-64 object file format; elf(5)).

use alloc::{sync::Arc, vec::Vec};
use core::fmt;
use elf::{
    abi,
    endian::LittleEndian,
    file::{Class, FileHeader, parse_ident},
    segment::{ProgramHeader, SegmentTable},
};
use rumpkin_collections::{OutOfMemory, TryVec, try_collect};
use rumpkin_mm::{Mm, Request, Source};
use rumpkin_spine::{Errno, file::File};
use rumpuser::{
    memory::{PAGE_SIZE, Protection, USER_END},
    random, user,
};

/// Size of the ELF64 file header.
const HEADER_SIZE: usize = 64;
/// Size of one program header.
pub const PROGRAM_HEADER_SIZE: usize = 56;
/// More program headers than any linker makes.
const MAX_PROGRAM_HEADERS: usize = 256;
/// Where position-independent programs begin, before randomisation (Linux's `ELF_ET_DYN_BASE`).
const PROGRAM_BASE: usize = 0x5555_5555_4000;
/// Where the interpreter begins, before randomisation by up to 2^40: below all places of the stack.
const INTERPRETER_BASE: usize = 0x7e00_0000_0000;

/// Why a program cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadError {
    /// Not an ELF file.
    NotElf,
    /// Not for x86-64 Linux: class, byte order or machine.
    WrongMachine,
    /// A script; there is no fork or exec to run its interpreter.
    Script,
    /// An ELF file, but neither an executable nor a position-independent one.
    NotExecutable,
    /// The file ends before this.
    Truncated(&'static str),
    /// This is not as the format wants it.
    Malformed(&'static str),
    /// The interpreter that the program names cannot be loaded.
    Interpreter(Vec<u8>, Errno),
    /// The file cannot be read, or there is no memory.
    System(Errno),
    /// Something that every program needs could not be had.
    Setup(&'static str, Errno),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::NotElf => f.write_str("is not an ELF program"),
            LoadError::WrongMachine => f.write_str("is not an ELF program for x86-64 (64-bit, little endian)"),
            LoadError::Script => {
                f.write_str("is a script; name its interpreter as the program, and the script as its argument")
            }
            LoadError::NotExecutable => f.write_str("is an ELF file, but not a program (neither ET_EXEC nor ET_DYN)"),
            LoadError::Truncated(what) => write!(f, "is truncated: the file ends before its {what}"),
            LoadError::Malformed(what) => write!(f, "is malformed: {what}"),
            LoadError::Interpreter(path, error) => {
                write!(f, "needs the interpreter {}, which cannot be loaded: {error:?}", path.escape_ascii())
            }
            LoadError::System(error) => write!(f, "cannot be loaded: {error:?}"),
            LoadError::Setup(what, error) => write!(f, "cannot be started: {what}: {error:?}"),
        }
    }
}

impl From<OutOfMemory> for LoadError {
    fn from(error: OutOfMemory) -> Self {
        LoadError::System(error.into())
    }
}

impl From<Errno> for LoadError {
    fn from(error: Errno) -> Self {
        LoadError::System(error)
    }
}

/// A program in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// First instruction: the interpreter's, if there is one.
    pub start: usize,
    /// The program's own first instruction (`AT_ENTRY`).
    pub entry: usize,
    /// Where its program headers are (`AT_PHDR`); 0 if they are not mapped.
    pub program_headers: usize,
    /// How many there are (`AT_PHNUM`).
    pub program_header_count: usize,
    /// Where the interpreter was loaded (`AT_BASE`); 0 for none.
    pub interpreter_base: usize,
    /// First page behind the program.
    pub end: usize,
    /// Whether the stack may be executed (`PT_GNU_STACK`).
    pub executable_stack: bool,
}

/// Loads a program into the calling thread's memory. `open` opens the interpreter by its path.
pub fn load(
    memory: &Mm,
    program: &dyn File,
    open: impl FnOnce(&[u8]) -> Result<Arc<dyn File>, Errno>,
) -> Result<Loaded, LoadError> {
    let mut loaded = load_object(memory, program, PROGRAM_BASE)?;
    let mut start = loaded.entry;
    if let Some(path) = &loaded.interpreter {
        let failed = |error| LoadError::Interpreter(path.clone(), error);
        let file = open(path).map_err(failed)?;
        let interpreter = load_object(memory, &*file, INTERPRETER_BASE).map_err(|error| match error {
            LoadError::System(error) => failed(error),
            _ => failed(Errno::ENOEXEC),
        })?;
        start = interpreter.entry;
        loaded.interpreter_base = interpreter.bias;
    }
    Ok(Loaded {
        start,
        entry: loaded.entry,
        program_headers: loaded.program_headers,
        program_header_count: loaded.program_header_count,
        interpreter_base: loaded.interpreter_base,
        end: loaded.end,
        executable_stack: loaded.executable_stack,
    })
}

struct Object {
    bias: usize,
    entry: usize,
    program_headers: usize,
    program_header_count: usize,
    interpreter: Option<Vec<u8>>,
    interpreter_base: usize,
    end: usize,
    executable_stack: bool,
}

fn load_object(memory: &Mm, file: &dyn File, base: usize) -> Result<Object, LoadError> {
    let (header, segments) = read_headers(file)?;
    let loads: Vec<&ProgramHeader> = try_collect(segments.iter().filter(|segment| segment.p_type == abi::PT_LOAD))?;
    let (low, high) = span(&loads)?;
    let bias = match header.e_type {
        abi::ET_EXEC => 0,
        _ => reserve(memory, base, low, high)?,
    };
    let length = file.stat()?.size;
    for segment in &loads {
        map_segment(memory, file, u64::try_from(length).unwrap_or(0), segment, bias)?;
    }
    let entry = address(header.e_entry)?.wrapping_add(bias);
    if entry >= USER_END {
        return Err(LoadError::Malformed("its entry point is not a user address"));
    }
    // The headers are found where the segment that holds them was mapped.
    let headers_at = loads.iter().find_map(|segment| {
        let inside = header.e_phoff.checked_sub(segment.p_offset).filter(|offset| *offset < segment.p_filesz)?;
        usize::try_from(segment.p_vaddr.checked_add(inside)?).ok()
    });
    let interpreter = match segments.iter().find(|segment| segment.p_type == abi::PT_INTERP) {
        Some(segment) => Some(read_interpreter_path(file, segment)?),
        None => None,
    };
    let stack = segments.iter().find(|segment| segment.p_type == abi::PT_GNU_STACK);
    Ok(Object {
        bias,
        entry,
        program_headers: headers_at.map_or(0, |at| at.wrapping_add(bias)),
        program_header_count: segments.len(),
        interpreter,
        interpreter_base: 0,
        end: high.wrapping_add(bias),
        executable_stack: stack.is_some_and(|stack| stack.p_flags & abi::PF_X != 0),
    })
}

fn read_headers(file: &dyn File) -> Result<(FileHeader<LittleEndian>, Vec<ProgramHeader>), LoadError> {
    let mut bytes = [0; HEADER_SIZE];
    let length = read_at(file, 0, &mut bytes)?;
    if bytes.starts_with(b"#!") {
        return Err(LoadError::Script);
    }
    if !bytes.starts_with(&abi::ELFMAGIC) {
        return Err(LoadError::NotElf);
    }
    if length < HEADER_SIZE {
        return Err(LoadError::Truncated("file header"));
    }
    let (identification, rest) = bytes.split_at(abi::EI_NIDENT);
    let identification = parse_ident(identification).map_err(|_| LoadError::WrongMachine)?;
    let header = FileHeader::parse_tail(identification, rest).map_err(|_| LoadError::Truncated("file header"))?;
    if header.class != Class::ELF64 || header.e_machine != abi::EM_X86_64 {
        return Err(LoadError::WrongMachine);
    }
    if !matches!(header.e_type, abi::ET_EXEC | abi::ET_DYN) {
        return Err(LoadError::NotExecutable);
    }
    let count = usize::from(header.e_phnum);
    if usize::from(header.e_phentsize) != PROGRAM_HEADER_SIZE || count == 0 || count > MAX_PROGRAM_HEADERS {
        return Err(LoadError::Malformed("the size or number of its program headers"));
    }
    let mut table = Vec::new();
    table.try_resize(count.saturating_mul(PROGRAM_HEADER_SIZE), 0)?;
    if read_at(file, header.e_phoff, &mut table)? < table.len() {
        return Err(LoadError::Truncated("program headers"));
    }
    let segments = try_collect(SegmentTable::new(LittleEndian, Class::ELF64, &table).iter())?;
    Ok((header, segments))
}

/// Lowest and highest page that the segments take, as offsets from the bias.
fn span(loads: &[&ProgramHeader]) -> Result<(usize, usize), LoadError> {
    let mut low = usize::MAX;
    let mut high = 0;
    for segment in loads {
        if segment.p_memsz < segment.p_filesz {
            return Err(LoadError::Malformed("a segment is smaller in memory than in the file"));
        }
        let begin = address(segment.p_vaddr)?;
        let end =
            address(segment.p_vaddr.checked_add(segment.p_memsz).ok_or(LoadError::Malformed("a segment's size"))?)?;
        if begin & (PAGE_SIZE - 1) != segment.p_offset as usize & (PAGE_SIZE - 1) {
            return Err(LoadError::Malformed("a segment's address and file offset disagree within the page"));
        }
        low = low.min(page_floor(begin));
        high = high.max(page_ceil(end));
    }
    if low >= high {
        return Err(LoadError::Malformed("it has nothing to load"));
    }
    Ok((low, high))
}

/// Reserves room for a position-independent object at a random place; the bias comes back.
fn reserve(memory: &Mm, base: usize, low: usize, high: usize) -> Result<usize, LoadError> {
    // 28 bits of page number, as Linux (`vm.mmap_rnd_bits`).
    let offset = (random::next_u64() as usize & 0x0fff_ffff).saturating_mul(PAGE_SIZE);
    let hint = base.saturating_add(offset & 0xff_ffff_f000);
    let place = memory.map(Request {
        address: hint,
        fixed: false,
        replace: false,
        length: high.saturating_sub(low),
        protection: Protection::empty(),
        source: Source::Anonymous { shared: false },
    })?;
    Ok(place.wrapping_sub(low))
}

fn map_segment(
    memory: &Mm,
    file: &dyn File,
    length: u64,
    segment: &ProgramHeader,
    bias: usize,
) -> Result<(), LoadError> {
    let protection = protection(segment.p_flags);
    let begin = address(segment.p_vaddr)?.wrapping_add(bias);
    let file_end = begin.saturating_add(address(segment.p_filesz)?);
    let end = begin.saturating_add(address(segment.p_memsz)?);
    let request = |from: usize, to: usize, source| Request {
        address: from,
        fixed: true,
        replace: true,
        length: to.saturating_sub(from),
        protection,
        source,
    };
    if segment.p_filesz > 0 {
        if segment.p_offset.checked_add(segment.p_filesz).is_none_or(|end| end > length) {
            return Err(LoadError::Truncated("segments"));
        }
        let first = page_floor(begin);
        let offset = segment.p_offset.saturating_sub(begin.saturating_sub(first) as u64);
        let source = Source::File { object: file.mappable()?, offset, shared: false };
        memory.map(request(first, page_ceil(file_end), source))?;
    }
    let zeroes = if segment.p_filesz > 0 { page_ceil(file_end) } else { page_floor(begin) };
    if page_ceil(end) > zeroes {
        memory.map(request(zeroes, page_ceil(end), Source::Anonymous { shared: false }))?;
    }
    // What the file's last page holds beyond the segment is not the program's: zero it, if the program may see it as data.
    if segment.p_filesz > 0 && end > file_end && file_end < zeroes {
        // To the end of the page, as Linux does: ld.so allocates there, and counts on zeroes.
        let tail = zeroes.saturating_sub(file_end);
        if !protection.contains(Protection::WRITE) {
            return Err(LoadError::Malformed("a segment that cannot be written has zeroes to be filled in"));
        }
        user::zero(file_end, tail).map_err(|_| Errno::ENOMEM)?;
    }
    Ok(())
}

fn read_interpreter_path(file: &dyn File, segment: &ProgramHeader) -> Result<Vec<u8>, LoadError> {
    let length = usize::try_from(segment.p_filesz).unwrap_or(usize::MAX);
    if !(2..=4096).contains(&length) {
        return Err(LoadError::Malformed("the path of its interpreter"));
    }
    let mut path = Vec::new();
    path.try_resize(length, 0)?;
    if read_at(file, segment.p_offset, &mut path)? < length || path.pop() != Some(0) {
        return Err(LoadError::Malformed("the path of its interpreter"));
    }
    Ok(path)
}

fn read_at(file: &dyn File, position: u64, buffer: &mut [u8]) -> Result<usize, Errno> {
    let mut done = 0usize;
    while let Some(mut rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read(position.saturating_add(done as u64), &mut rest)? {
            0 => break,
            length => done = done.saturating_add(length),
        }
    }
    Ok(done)
}

fn protection(flags: u32) -> Protection {
    let mut protection = Protection::empty();
    protection.set(Protection::READ, flags & abi::PF_R != 0);
    protection.set(Protection::WRITE, flags & abi::PF_W != 0);
    protection.set(Protection::EXECUTE, flags & abi::PF_X != 0);
    protection
}

fn address(value: u64) -> Result<usize, LoadError> {
    usize::try_from(value)
        .ok()
        .filter(|address| *address <= USER_END)
        .ok_or(LoadError::Malformed("an address or a size is not a user's"))
}

fn page_floor(address: usize) -> usize {
    address & !(PAGE_SIZE - 1)
}

fn page_ceil(address: usize) -> usize {
    page_floor(address.saturating_add(PAGE_SIZE - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::sync::Arc;
    use rumpkin_abi::Stat;
    use rumpkin_mm::Mappable;
    use rumpkin_spine::io::Sink;
    use rumpuser::memory::{Frame, deactivate};
    use rumpuser_hosted as _;

    /// A file in memory.
    #[derive(Clone)]
    struct Bytes(Arc<Vec<u8>>);

    impl File for Bytes {
        fn read(&self, position: u64, destination: &mut dyn Sink) -> Result<usize, Errno> {
            destination.put(self.0.get(position.min(self.0.len() as u64) as usize..).unwrap_or_default())
        }

        fn seekable(&self) -> bool {
            true
        }

        fn stat(&self) -> Result<Stat, Errno> {
            Ok(Stat { size: self.0.len() as i64, ..Stat::default() })
        }

        fn mappable(&self) -> Result<Arc<dyn Mappable>, Errno> {
            Ok(Arc::new(self.clone()))
        }
    }

    impl Mappable for Bytes {
        fn frame(&self, index: u64) -> Result<Frame, Errno> {
            let start =
                usize::try_from(index).ok().and_then(|index| index.checked_mul(PAGE_SIZE)).ok_or(Errno::ENXIO)?;
            let page = self.0.get(start..).filter(|page| !page.is_empty()).ok_or(Errno::ENXIO)?;
            let frame = Frame::allocate().ok_or(Errno::ENOMEM)?;
            frame.write(0, page);
            Ok(frame)
        }
    }

    /// A program of one text and one data segment; the data segment has 0x100 bytes in the file and a page of zeroes.
    fn program(kind: u16, base: u64) -> Vec<u8> {
        let mut file = Vec::from(*b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        file.extend(kind.to_le_bytes());
        file.extend(62u16.to_le_bytes());
        file.extend(1u32.to_le_bytes());
        for word in [base + 0x1000, 64, 0] {
            file.extend(word.to_le_bytes());
        }
        file.extend(0u32.to_le_bytes());
        for half in [64u16, 56, 2, 0, 0, 0] {
            file.extend(half.to_le_bytes());
        }
        for (flags, offset, at, in_file, in_memory) in
            [(5u32, 0u64, base, 0x1010u64, 0x1010u64), (6, 0x1080, base + 0x2080, 0x100, 0x1000)]
        {
            file.extend(1u32.to_le_bytes());
            file.extend(flags.to_le_bytes());
            for word in [offset, at, at, in_file, in_memory, 0x1000] {
                file.extend(word.to_le_bytes());
            }
        }
        file.resize(0x1400, 0xaa);
        file
    }

    fn load_bytes(bytes: Vec<u8>) -> Result<Loaded, LoadError> {
        let memory = Mm::new().unwrap();
        memory.activate();
        let loaded = load(&memory, &Bytes(Arc::new(bytes)), |_| Err(Errno::ENOENT));
        deactivate();
        loaded
    }

    #[test]
    fn segments_are_mapped_and_the_rest_is_zero() {
        for (kind, base) in [(abi::ET_EXEC, 0x40_0000u64), (abi::ET_DYN, 0)] {
            let memory = Mm::new().unwrap();
            memory.activate();
            let loaded = load(&memory, &Bytes(Arc::new(program(kind, base))), |_| Err(Errno::ENOENT)).unwrap();
            let bias = loaded.entry - base as usize - 0x1000;
            assert_eq!(bias == 0, kind == abi::ET_EXEC);
            assert_eq!(loaded.start, loaded.entry);
            assert_eq!(loaded.program_headers, bias + base as usize + 64);
            assert_eq!(loaded.end, bias + base as usize + 0x4000);
            let data = bias + base as usize + 0x2080;
            let mut bytes = [0; 0x1000];
            user::read(data, &mut bytes).unwrap();
            assert!(bytes[..0x100].iter().all(|&byte| byte == 0xaa), "what the file has");
            assert!(bytes[0x100..].iter().all(|&byte| byte == 0), "and zeroes behind it");
            user::write(data, b"x").unwrap();
            assert!(user::write(loaded.entry, b"x").is_err(), "text cannot be written");
            deactivate();
        }
    }

    #[test]
    fn what_is_not_a_program_is_named() {
        let cases: [(&str, Vec<u8>, LoadError); 4] = [
            ("text", b"hello, world, this is no program at all, not even nearly, no, no".to_vec(), LoadError::NotElf),
            ("script", b"#!/bin/sh\n".to_vec(), LoadError::Script),
            ("empty", Vec::new(), LoadError::NotElf),
            ("short", b"\x7fELF\x02\x01\x01".to_vec(), LoadError::Truncated("file header")),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(load_bytes(bytes), Err(expected), "{name}");
        }
        let change = |at: usize, byte: u8| {
            let mut bytes = program(abi::ET_EXEC, 0x40_0000);
            bytes[at] = byte;
            load_bytes(bytes)
        };
        assert_eq!(change(4, 1), Err(LoadError::WrongMachine));
        assert_eq!(change(18, 3), Err(LoadError::WrongMachine));
        assert_eq!(change(16, 1), Err(LoadError::NotExecutable));
        assert!(matches!(change(54, 55), Err(LoadError::Malformed(_))));
    }

    #[test]
    fn every_truncation_is_an_error() {
        let whole = program(abi::ET_EXEC, 0x40_0000);
        for length in 0..0x1180 {
            assert!(load_bytes(whole[..length].to_vec()).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn every_mutation_is_an_error_or_a_program() {
        let whole = program(abi::ET_DYN, 0);
        for at in 0..64 + 2 * PROGRAM_HEADER_SIZE {
            for byte in [0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xfe, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = byte;
                let _ = load_bytes(bytes);
            }
        }
    }
}
