//! Layer 4: mmap and its family (mmap(2), mremap(2), madvise(2), brk(2), …), on the memory of the caller's process.
//!
//! What memory is and does, `rumpkin-mm` knows, which stands below the spine; here are the calls alone. Depends on `rumpuser`,
//! `rumpkin-mm`, `rumpkin-spine`. Invariant: what is mapped here is checked here: flags, protection, and a file's access mode.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_macros))]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)]

extern crate alloc;

use alloc::sync::Arc;
use rumpkin_mm::{Mappable, Request, Source, Terms};
use rumpkin_spine::{
    Call, Errno, Kernel, UserPointer,
    abi::linux::general::{
        MADV_COLD, MADV_DODUMP, MADV_DOFORK, MADV_DONTDUMP, MADV_DONTFORK, MADV_DONTNEED, MADV_FREE, MADV_KEEPONFORK,
        MADV_NORMAL, MADV_PAGEOUT, MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_RANDOM, MADV_SEQUENTIAL,
        MADV_WILLNEED, MADV_WIPEONFORK, MAP_32BIT, MAP_ANONYMOUS, MAP_DENYWRITE, MAP_EXECUTABLE, MAP_FIXED,
        MAP_FIXED_NOREPLACE, MAP_GROWSDOWN, MAP_HUGETLB, MAP_LOCKED, MAP_NONBLOCK, MAP_NORESERVE, MAP_POPULATE,
        MAP_PRIVATE, MAP_SHARED, MAP_SHARED_VALIDATE, MAP_STACK, MAP_TYPE, MREMAP_FIXED, MREMAP_MAYMOVE, MS_ASYNC,
        MS_INVALIDATE, MS_SYNC, PROT_EXEC, PROT_READ, PROT_SEM, PROT_WRITE,
    },
    file::OpenFile,
    system_calls,
};
use rumpuser::memory::{PAGE_SIZE, Protection};

/// Flags of mmap that mean something here, or that Linux ignores too.
const KNOWN_FLAGS: u32 = MAP_TYPE
    | MAP_ANONYMOUS
    | MAP_DENYWRITE
    | MAP_EXECUTABLE
    | MAP_FIXED
    | MAP_FIXED_NOREPLACE
    | MAP_LOCKED
    | MAP_NONBLOCK
    | MAP_NORESERVE
    | MAP_POPULATE
    | MAP_STACK;

/// Adds the component to a kernel.
pub fn register(kernel: &mut Kernel) {
    kernel.add_calls(system_calls! {
        mmap => mmap, "private, shared; ANONYMOUS, FIXED, FIXED_NOREPLACE, NORESERVE, POPULATE, LOCKED, STACK; not GROWSDOWN, HUGETLB, 32BIT";
        munmap => munmap;
        mprotect => mprotect, "not PROT_GROWSDOWN, PROT_GROWSUP";
        mremap => mremap, "MAYMOVE, FIXED";
        brk => brk;
        madvise => madvise, "DONTNEED, FREE, WILLNEED, POPULATE_READ, POPULATE_WRITE; NORMAL, RANDOM, SEQUENTIAL, COLD, PAGEOUT and what concerns dumps and forks are hints without effect";
        msync => msync;
        mincore => mincore;
        mlock => mlock;
        mlock2 => mlock;
        munlock => munlock;
        mlockall => mlockall, "what is mapped is never paged out";
        munlockall => munlockall;
    });
}

fn protection(bits: u32) -> Result<Protection, Errno> {
    if bits & !(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM) != 0 {
        return Err(Errno::EINVAL);
    }
    let mut protection = Protection::empty();
    protection.set(Protection::READ, bits & PROT_READ != 0);
    protection.set(Protection::WRITE, bits & PROT_WRITE != 0);
    protection.set(Protection::EXECUTE, bits & PROT_EXEC != 0);
    Ok(protection)
}

/// What a mapping of a file shows, and what mprotect(2) may make of it; `stores`: it is to be writable at once.
fn object_of(file: &OpenFile, shared: bool, stores: bool) -> Result<(Arc<dyn Mappable>, Protection), Errno> {
    if !file.readable() || shared && stores && !file.writable() {
        return Err(Errno::EACCES);
    }
    if !shared {
        return Ok((file.file().mappable()?, Protection::all()));
    }
    if file.writable() {
        match file.file().mappable_for_stores() {
            // Sealed against writing: it can be read all the same, and no more than that.
            Err(Errno::EPERM) if !stores => {}
            object => return Ok((object?, Protection::all())),
        }
    }
    Ok((file.file().mappable()?, Protection::READ | Protection::EXECUTE))
}

fn mmap(
    call: &mut Call<'_>,
    address: usize,
    length: usize,
    bits: u32,
    flags: u32,
    descriptor: i32,
    offset: usize,
) -> Result<usize, Errno> {
    // Like Linux, mmap ignores protection bits that it does not know.
    let protection = protection(bits & (PROT_READ | PROT_WRITE | PROT_EXEC))?;
    if !offset.is_multiple_of(PAGE_SIZE) || flags & (MAP_GROWSDOWN | MAP_HUGETLB | MAP_32BIT) != 0 {
        return Err(Errno::EINVAL);
    }
    let shared = match flags & MAP_TYPE {
        MAP_PRIVATE => false,
        MAP_SHARED => true,
        MAP_SHARED_VALIDATE if flags & !KNOWN_FLAGS != 0 => return Err(Errno::EOPNOTSUPP),
        MAP_SHARED_VALIDATE => true,
        _ => return Err(Errno::EINVAL),
    };
    let mut terms = Terms { no_reserve: flags & MAP_NORESERVE != 0, ..Terms::default() };
    let source = if flags & MAP_ANONYMOUS != 0 {
        Source::Anonymous { shared }
    } else {
        let file = call.process().descriptors.get(descriptor)?;
        let (object, maximum) = object_of(&file, shared, protection.contains(Protection::WRITE))?;
        terms.maximum = maximum;
        Source::File { object, offset: offset as u64, shared }
    };
    let no_replace = flags & MAP_FIXED_NOREPLACE != 0;
    let fixed = flags & MAP_FIXED != 0 || no_replace;
    let request = Request { address, fixed, replace: !no_replace, length, protection, source };
    let memory = &call.process().memory;
    let place = memory.map_on(request, terms)?;
    if flags & (MAP_POPULATE | MAP_LOCKED) != 0 && flags & MAP_NONBLOCK == 0 {
        // What cannot be made present now is when it is used (mmap(2)).
        let _ = memory.prefault(place, length);
    }
    Ok(place)
}

fn munmap(call: &mut Call<'_>, address: usize, length: usize) -> Result<usize, Errno> {
    call.process().memory.unmap(address, length).map(|()| 0)
}

fn mprotect(call: &mut Call<'_>, address: usize, length: usize, bits: u32) -> Result<usize, Errno> {
    let protection = protection(bits)?;
    call.process().memory.protect(address, length, protection).map(|()| 0)
}

fn mremap(
    call: &mut Call<'_>,
    address: usize,
    length: usize,
    new_length: usize,
    flags: u32,
    target: usize,
) -> Result<usize, Errno> {
    let fixed = flags & MREMAP_FIXED != 0;
    let may_move = flags & MREMAP_MAYMOVE != 0;
    if flags & !(MREMAP_MAYMOVE | MREMAP_FIXED) != 0 || fixed && !may_move {
        return Err(Errno::EINVAL);
    }
    call.process().memory.remap(address, length, new_length, may_move, fixed.then_some(target))
}

fn brk(call: &mut Call<'_>, end: usize) -> Result<usize, Errno> {
    Ok(call.process().memory.set_break(end))
}

fn madvise(call: &mut Call<'_>, address: usize, length: usize, advice: u32) -> Result<usize, Errno> {
    let memory = &call.process().memory;
    let known = matches!(
        advice,
        MADV_DONTNEED
            | MADV_FREE
            | MADV_WILLNEED
            | MADV_POPULATE_READ
            | MADV_POPULATE_WRITE
            | MADV_NORMAL
            | MADV_RANDOM
            | MADV_SEQUENTIAL
            | MADV_COLD
            | MADV_PAGEOUT
            | MADV_DONTDUMP
            | MADV_DODUMP
            | MADV_DONTFORK
            | MADV_DOFORK
            | MADV_WIPEONFORK
            | MADV_KEEPONFORK
    );
    if !known || !address.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    if length == 0 {
        return Ok(0);
    }
    let result = match advice {
        MADV_DONTNEED => memory.discard(address, length),
        MADV_FREE => memory.free(address, length),
        MADV_POPULATE_READ | MADV_POPULATE_WRITE => memory.prefault(address, length),
        _ if memory.is_mapped(address, length) => Ok(()),
        _ => Err(Errno::ENOMEM),
    };
    result.map(|()| 0)
}

fn msync(call: &mut Call<'_>, address: usize, length: usize, flags: u32) -> Result<usize, Errno> {
    let both = MS_ASYNC | MS_SYNC;
    if flags & !(both | MS_INVALIDATE) != 0 || flags & both == both || !address.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    // Stores to a shared mapping are stores to the object already.
    if length == 0 || call.process().memory.is_mapped(address, length) { Ok(0) } else { Err(Errno::ENOMEM) }
}

fn mincore(call: &mut Call<'_>, address: usize, length: usize, vector: UserPointer<u8>) -> Result<usize, Errno> {
    /// Pages that are asked about at a time.
    const PIECE: usize = 1024;
    let memory = &call.process().memory;
    if !address.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    if !memory.is_mapped(address, length) && length != 0 {
        return Err(Errno::ENOMEM);
    }
    let pages = length.div_ceil(PAGE_SIZE);
    let mut bytes = [0; PIECE];
    for first in (0..pages).step_by(PIECE) {
        let piece = bytes.get_mut(..pages.saturating_sub(first).min(PIECE)).unwrap_or_default();
        memory.presence(address.saturating_add(first.saturating_mul(PAGE_SIZE)), piece);
        vector.slice(pages).skip(first).write(piece)?;
    }
    Ok(0)
}

/// The page-aligned range that holds a range of bytes.
fn enclosing(address: usize, length: usize) -> Result<(usize, usize), Errno> {
    let start = address & !PAGE_SIZE.wrapping_sub(1);
    let length = length.checked_add(address.wrapping_sub(start)).ok_or(Errno::EINVAL)?;
    Ok((start, length))
}

fn mlock(call: &mut Call<'_>, address: usize, length: usize) -> Result<usize, Errno> {
    let (start, length) = enclosing(address, length)?;
    if length == 0 {
        return Ok(0);
    }
    call.process().memory.prefault(start, length).map_err(|error| match error {
        Errno::EINVAL | Errno::EFAULT => Errno::ENOMEM,
        error => error,
    })?;
    Ok(0)
}

fn munlock(call: &mut Call<'_>, address: usize, length: usize) -> Result<usize, Errno> {
    let (start, length) = enclosing(address, length)?;
    if length == 0 || call.process().memory.is_mapped(start, length) { Ok(0) } else { Err(Errno::ENOMEM) }
}

fn mlockall(_: &mut Call<'_>, flags: u32) -> Result<usize, Errno> {
    /// `MCL_CURRENT`, `MCL_FUTURE`, `MCL_ONFAULT`.
    const KNOWN: u32 = 7;
    const ON_FAULT: u32 = 4;
    if flags == 0 || flags & !KNOWN != 0 || flags == ON_FAULT { Err(Errno::EINVAL) } else { Ok(0) }
}

fn munlockall(_: &mut Call<'_>) -> Result<usize, Errno> {
    Ok(0)
}
