//! Starting the program, and waiting for its end.

use crate::{
    Document, LoadError,
    loader::{self, Loaded, PROGRAM_HEADER_SIZE},
    stack,
};
use alloc::{string::String, sync::Arc, vec::Vec};
use core::fmt;
use rumpkin_abi::{Errno, SignalInfo, linux::general, signal::SIGTERM};
use rumpkin_collections::{OutOfMemory, try_arc, try_to_vec};
use rumpkin_configuration::Mount;
use rumpkin_mm::{Mappable, Mm, Request, Source};
use rumpkin_spine::{
    Kernel,
    process::{self, Process},
    wait::{Events, block},
};
use rumpkin_vfs::{MountError, Wish};
use rumpuser::{
    context::Registers,
    memory::{self, Frame, PAGE_SIZE, Protection, USER_END},
    power, random,
};

/// Bytes of the first thread's stack (`RLIMIT_STACK`).
const STACK_SIZE: usize = 8 << 20;
/// Arguments and environment may take this much of it, as on Linux a quarter.
pub const MAX_ARGUMENTS: usize = STACK_SIZE / 4;
/// The same with what stands beside them: the path, the auxiliary vector.
const MAX_STACK: usize = MAX_ARGUMENTS + 16 * PAGE_SIZE;
/// RFLAGS at the start: interrupts on, and the bit that is always set.
const INITIAL_FLAGS: u64 = 0x202;

/// Why the program could not be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartError {
    /// Its file cannot be opened.
    Open(Vec<u8>, Errno),
    /// Its working directory cannot be entered.
    WorkingDirectory(String, Errno),
    /// A file system of the configuration cannot be mounted on this path.
    Mount(String, MountError),
    /// It cannot be loaded.
    Load(Vec<u8>, LoadError),
    /// Something that every program needs could not be had.
    System(&'static str, Errno),
}

impl StartError {
    /// The exit status that stands for it: 127 not found, 126 found but not to be run (as a shell has it), 125 not as configured.
    pub fn status(&self) -> u8 {
        match self {
            StartError::Open(_, Errno::ENOENT | Errno::ENOTDIR) => 127,
            StartError::Mount(..) => 125,
            _ => 126,
        }
    }
}

impl StartError {
    /// Whether a machine with more memory would mend it.
    fn wants_memory(&self) -> bool {
        match self {
            StartError::Load(_, LoadError::System(error) | LoadError::Interpreter(_, error))
            | StartError::Open(_, error)
            | StartError::WorkingDirectory(_, error)
            | StartError::System(_, error) => *error == Errno::ENOMEM,
            StartError::Mount(_, error) => error.errno() == Errno::ENOMEM,
            StartError::Load(..) => false,
        }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Open(path, Errno::ENOENT) => {
                write!(f, "{}: there is no such program in the image", path.escape_ascii())
            }
            StartError::Open(path, error) => write!(f, "{}: cannot be opened: {error:?}", path.escape_ascii()),
            StartError::WorkingDirectory(path, error) => {
                write!(f, "{}: cannot be the working directory: {error:?}", path.escape_default())
            }
            StartError::Mount(path, error) => write!(f, "mounts: {}: {error}", path.escape_default()),
            StartError::Load(path, error) => write!(f, "{}: {error}", path.escape_ascii()),
            StartError::System(what, error) => write!(f, "cannot start the program: {what}: {error:?}"),
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe(f)?;
        if self.wants_memory() {
            let memory = memory::total_frames().saturating_mul(PAGE_SIZE) / 1024;
            write!(f, "; {memory} KiB beside the image are too few: give the machine more")?;
        }
        Ok(())
    }
}

/// Runs the program of a checked document on a kernel that has been started, until it ends. Its exit status comes back.
pub fn run(kernel: &Arc<Kernel>, document: &Document) -> Result<u8, StartError> {
    let process = start(kernel, document)?;
    power::on_stop({
        let process = process.clone();
        move || {
            log::info!("asked to stop: SIGTERM to {}", process.name());
            process.send_signal(SignalInfo::from_kernel(SIGTERM));
        }
    });
    block(&[(&process.ended, Events::READ)], None, || Ok(process.has_ended().then_some(())))
        .map_err(|error| StartError::System("to wait for its end", error))?;
    kernel.remove_process(process.id);
    Ok(process.status().unwrap_or(0))
}

fn start(kernel: &Arc<Kernel>, document: &Document) -> Result<Arc<Process>, StartError> {
    let program = &document.program;
    let no_memory = |_| StartError::System("its arguments and environment", Errno::ENOMEM);
    let path = try_to_vec(program.argv.iter().next().unwrap_or_default()).map_err(no_memory)?;
    let memory = Mm::new().map_err(|_| StartError::System("an address space", Errno::ENOMEM))?;
    let given = process::Program {
        path: try_to_vec(&path).map_err(no_memory)?,
        arguments: program.argv.try_clone().map_err(no_memory)?,
        environment: program.env.try_clone().map_err(no_memory)?,
    };
    let process =
        Process::new(kernel, memory.clone(), given).map_err(|_| StartError::System("its process", Errno::ENOMEM))?;
    for Mount { source, target, r#type, options } in &document.mounts {
        let source = source.as_ref().unwrap_or(r#type).as_bytes();
        let wish = Wish { source, kind: r#type.as_bytes(), flags: 0, options: options.as_bytes() };
        rumpkin_vfs::mount(&process, target.as_bytes(), &wish)
            .map_err(|error| StartError::Mount(target.clone(), error))?;
    }
    let directory = program.cwd.as_bytes();
    rumpkin_vfs::set_working_directory(&process, directory)
        .map_err(|error| StartError::WorkingDirectory(program.cwd.clone(), error))?;
    open_standard_streams(kernel, &process).map_err(|error| StartError::System("the console", error))?;

    let file = rumpkin_vfs::open(&process, &path, general::O_RDONLY | general::O_CLOEXEC)
        .map_err(|error| StartError::Open(path.clone(), error))?;
    // The program is loaded through its own address space, by the thread that starts it.
    memory.activate();
    let registers = load(&process, &**file.file());
    memory::deactivate();
    let registers = registers?;
    rumpkin_process::start(&process, registers).map_err(|_| StartError::System("its first thread", Errno::ENOMEM))?;
    Ok(process)
}

fn load(process: &Process, file: &dyn rumpkin_spine::file::File) -> Result<Registers, StartError> {
    let Process { memory, program, .. } = process;
    let open =
        |interpreter: &[u8]| rumpkin_vfs::open(process, interpreter, general::O_RDONLY).map(|file| file.file().clone());
    let loaded = loader::load(memory, file, open).map_err(|error| StartError::Load(program.path.clone(), error))?;
    memory.set_break_start(loaded.end);
    let vdso = map_vdso(memory).map_err(|error| StartError::System("its vDSO", error))?;

    let (bottom, top) =
        map_stack(memory, loaded.executable_stack).map_err(|error| StartError::System("its stack", error))?;
    let mut seed = [0; 16];
    random::fill(&mut seed);
    let auxiliary = |strings| auxiliary_vector(&loaded, vdso, strings);
    let (stack_pointer, vector) =
        stack::build(top, top.saturating_sub(MAX_STACK).max(bottom), program, auxiliary, seed)
            .map_err(|error| StartError::System("its arguments and environment", error))?;
    process.set_auxiliary(vector);
    Ok(Registers { rip: loaded.start as u64, rsp: stack_pointer as u64, rflags: INITIAL_FLAGS, ..Registers::default() })
}

fn open_standard_streams(kernel: &Arc<Kernel>, process: &Process) -> Result<(), Errno> {
    let console = rumpkin_vfs::open_console(kernel)?;
    for _ in 0..3 {
        process.descriptors.insert(console.clone(), false, 0)?;
    }
    Ok(())
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
fn map_vdso(memory: &Mm) -> Result<usize, Errno> {
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
