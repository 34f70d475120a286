//! A program's image, from its file to the registers of its first instruction.

use crate::{
    loader::{self, LoadError, Loaded, PROGRAM_HEADER_SIZE},
    stack, vdso,
};
use alloc::sync::Arc;
use rumpkin_abi::Errno;
use rumpkin_mm::{Mm, Request, Source};
use rumpkin_spine::{file::File, process::Process};
use rumpuser::{
    context::Registers,
    memory::{PAGE_SIZE, Protection, USER_END},
    random,
};

/// Bytes of the first thread's stack (`RLIMIT_STACK`).
const STACK_SIZE: usize = 8 << 20;
/// Arguments and environment may take this much of it, as on Linux a quarter.
pub const MAX_ARGUMENTS: usize = STACK_SIZE / 4;
/// The same with what stands beside them: the path, the auxiliary vector.
const MAX_STACK: usize = MAX_ARGUMENTS + 16 * PAGE_SIZE;
/// RFLAGS at the start: interrupts on, and the bit that is always set.
const INITIAL_FLAGS: u64 = 0x202;

/// Loads the file of a process's program into its memory, which is that of the calling thread; the first thread's registers come
/// back. `open` opens the interpreter by its path.
pub fn load(
    process: &Process,
    file: &dyn File,
    open: impl FnOnce(&[u8]) -> Result<Arc<dyn File>, Errno>,
) -> Result<Registers, LoadError> {
    let Process { memory, program, .. } = process;
    let setup = |what| move |error| LoadError::Setup(what, error);
    let loaded = loader::load(memory, file, open)?;
    memory.set_break_start(loaded.end);
    let vdso = vdso::map(memory).map_err(setup("its vDSO"))?;
    let (bottom, top) = map_stack(memory, loaded.executable_stack).map_err(setup("its stack"))?;
    let mut seed = [0; 16];
    random::fill(&mut seed);
    let auxiliary = |strings| auxiliary_vector(&loaded, vdso, strings);
    let (stack_pointer, vector) =
        stack::build(top, top.saturating_sub(MAX_STACK).max(bottom), program, auxiliary, seed)
            .map_err(setup("its arguments and environment"))?;
    process.set_auxiliary(vector);
    Ok(Registers { rip: loaded.start as u64, rsp: stack_pointer as u64, rflags: INITIAL_FLAGS, ..Registers::default() })
}

/// Maps the stack below a random address at the end of user memory.
fn map_stack(memory: &Mm, executable: bool) -> Result<(usize, usize), Errno> {
    let gap = (random::next_u64() as usize & 0xf_ffff).saturating_mul(PAGE_SIZE);
    let top = USER_END.saturating_sub(gap);
    let bottom = top.saturating_sub(STACK_SIZE);
    let mut protection = Protection::READ | Protection::WRITE;
    protection.set(Protection::EXECUTE, executable);
    let source = Source::Anonymous { shared: false };
    memory.map(Request { address: bottom, fixed: true, replace: false, length: STACK_SIZE, protection, source })?;
    // The red zone of nobody: a program that looks just above its strings finds its own stack.
    Ok((bottom, top.saturating_sub(16)))
}

fn auxiliary_vector(loaded: &Loaded, vdso: usize, strings: stack::Strings) -> [(u64, u64); 19] {
    use rumpkin_abi::linux::auxvec::*;
    /// Clock ticks per second of times(2).
    const TICKS: u64 = 100;
    // `MINSIGSTKSZ` with room for the vector state.
    let minimal_signal_stack = 2048usize.saturating_add(rumpuser::context::fpu::size());
    [
        (u64::from(AT_SYSINFO_EHDR), vdso as u64),
        (u64::from(AT_PAGESZ), PAGE_SIZE as u64),
        (u64::from(AT_CLKTCK), TICKS),
        (u64::from(AT_PHDR), loaded.program_headers as u64),
        (u64::from(AT_PHENT), PROGRAM_HEADER_SIZE as u64),
        (u64::from(AT_PHNUM), loaded.program_header_count as u64),
        (u64::from(AT_BASE), loaded.interpreter_base as u64),
        (u64::from(AT_FLAGS), 0),
        (u64::from(AT_ENTRY), loaded.entry as u64),
        (u64::from(AT_UID), 0),
        (u64::from(AT_EUID), 0),
        (u64::from(AT_GID), 0),
        (u64::from(AT_EGID), 0),
        (u64::from(AT_SECURE), 0),
        (u64::from(AT_RANDOM), strings.random as u64),
        (u64::from(AT_EXECFN), strings.path as u64),
        (u64::from(AT_PLATFORM), strings.platform as u64),
        (u64::from(AT_MINSIGSTKSZ), minimal_signal_stack as u64),
        (u64::from(AT_NULL), 0),
    ]
}
