//! The vDSO as a program sees it: a page of the clock, and code right above it.

use alloc::vec::Vec;
use rumpkin_abi::Errno;
use rumpkin_collections::{OutOfMemory, try_arc, try_to_vec};
use rumpkin_mm::{Mappable, Mm, Request, Source};
use rumpuser::memory::{self, Frame, PAGE_SIZE, Protection};

/// The pages of the vDSO as something that can be mapped.
struct Pages {
    name: &'static str,
    frames: Vec<Frame>,
}

impl Mappable for Pages {
    fn frame(&self, index: u64) -> Result<Frame, Errno> {
        usize::try_from(index).ok().and_then(|index| self.frames.get(index)).cloned().ok_or(Errno::ENXIO)
    }

    fn name(&self) -> Result<Vec<u8>, OutOfMemory> {
        try_to_vec(self.name.as_bytes())
    }
}

/// Maps the vDSO's clock page and, right above it, its code; the address of the code comes back.
pub fn map(memory: &Mm) -> Result<usize, Errno> {
    let vdso = memory::vdso()?;
    let code_length = vdso.code.len().saturating_mul(PAGE_SIZE);
    let reserve = Request {
        address: 0,
        fixed: false,
        replace: false,
        length: code_length.saturating_add(PAGE_SIZE),
        protection: Protection::empty(),
        source: Source::Anonymous { shared: false },
    };
    let clock = memory.map(reserve)?;
    let code = clock.saturating_add(PAGE_SIZE);
    let parts = [
        (clock, PAGE_SIZE, Protection::READ, Pages { name: "[vvar]", frames: Vec::from([vdso.clock]) }),
        (code, code_length, Protection::READ | Protection::EXECUTE, Pages { name: "[vdso]", frames: vdso.code }),
    ];
    for (address, length, protection, pages) in parts {
        let source = Source::File { object: try_arc(pages)?, offset: 0, shared: true };
        memory.map(Request { address, fixed: true, replace: true, length, protection, source })?;
    }
    Ok(code)
}
