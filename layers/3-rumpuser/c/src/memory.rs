//! `rumpuser_malloc` and its kind, on the heap that the image or process has.

use crate::header::{RUMPUSER_EINVAL, RUMPUSER_ENOMEM, RUMPUSER_ENOTSUP};
use alloc::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use core::ffi::{c_int, c_void};
use rumpuser::memory::{PAGE_SIZE, ensure};

/// What stands before each block of `rumpuser_malloc`, so that it can be freed: neither caller nor size are trusted for it.
#[derive(Clone, Copy)]
struct Header {
    layout: Layout,
    offset: usize,
}

/// The layout of a block with its header, and where in it the kernel's part begins.
fn with_header(size: usize, alignment: usize) -> Option<Header> {
    let kernel = Layout::from_size_align(size, alignment.max(align_of::<Header>())).ok()?;
    let (layout, offset) = Layout::new::<Header>().extend(kernel).ok()?;
    // The header ends where the kernel's part begins.
    (offset >= size_of::<Header>()).then_some(Header { layout, offset })
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_malloc(size: usize, alignment: c_int, memory: *mut *mut c_void) -> c_int {
    let alignment = match usize::try_from(alignment) {
        Ok(0) => align_of::<u128>(),
        Ok(alignment) if alignment.is_power_of_two() => alignment,
        _ => return RUMPUSER_EINVAL,
    };
    let header = with_header(size, alignment).filter(|header| ensure(header.layout.size()).is_ok());
    let Some(header) = header else { return RUMPUSER_ENOMEM };
    // SAFETY: the layout has room for the header, and so is not empty.
    let block = unsafe { alloc(header.layout) };
    if block.is_null() {
        return RUMPUSER_ENOMEM;
    }
    // SAFETY: the block has `offset` bytes before the kernel's part, enough for a header, and is aligned for one there; and
    // the header asks for a place to store the pointer.
    unsafe {
        let kernel = block.add(header.offset);
        kernel.cast::<Header>().sub(1).write(header);
        memory.write(kernel.cast());
    }
    0
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_free(memory: *mut c_void, _size: usize) {
    if memory.is_null() {
        return;
    }
    // SAFETY: the header asks for a pointer from `rumpuser_malloc`, which has its header before it, and gives it up.
    unsafe {
        let header = memory.cast::<Header>().sub(1).read();
        dealloc(memory.cast::<u8>().sub(header.offset), header.layout);
    }
}

/// Whole pages, aligned to a power of two.
fn pages(size: usize, alignment: usize) -> Option<Layout> {
    let layout = Layout::from_size_align(size, alignment).ok()?;
    (size > 0 && size.is_multiple_of(PAGE_SIZE)).then_some(layout)
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_anonmmap(
    _preferred: *mut c_void,
    size: usize,
    alignment: c_int,
    executable: c_int,
    memory: *mut *mut c_void,
) -> c_int {
    if executable != 0 {
        return RUMPUSER_ENOTSUP;
    }
    let alignment = u32::try_from(alignment).ok().and_then(|bits| 1usize.checked_shl(bits));
    // Freed by size alone, so all are aligned to a page and no further.
    let Some(layout) = alignment.filter(|alignment| *alignment <= PAGE_SIZE).and_then(|_| pages(size, PAGE_SIZE))
    else {
        return RUMPUSER_EINVAL;
    };
    if ensure(size).is_err() {
        return RUMPUSER_ENOMEM;
    }
    // SAFETY: the layout is not empty.
    let block = unsafe { alloc_zeroed(layout) };
    if block.is_null() {
        return RUMPUSER_ENOMEM;
    }
    // SAFETY: the header asks for a place to store the pointer.
    unsafe { memory.write(block.cast()) };
    0
}

#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn rumpuser_unmap(memory: *mut c_void, size: usize) {
    let Some(layout) = pages(size, PAGE_SIZE).filter(|_| !memory.is_null()) else { return };
    // SAFETY: the header asks for a pointer and a size from `rumpuser_anonmmap`, which made it of this layout.
    unsafe { dealloc(memory.cast(), layout) };
}
