//! Starting the program, and waiting for its end.

use crate::Document;
use alloc::{string::String, sync::Arc, vec::Vec};
use core::fmt;
use rumpkin_abi::{Errno, SignalInfo, linux::general, signal::SIGTERM};
use rumpkin_collections::try_to_vec;
use rumpkin_configuration::Mount;
use rumpkin_exec::LoadError;
use rumpkin_mm::Mm;
use rumpkin_spine::{
    Kernel,
    process::{self, Process},
    wait::{Events, block},
};
use rumpkin_vfs::{MountError, Wish};
use rumpuser::{
    memory::{self, PAGE_SIZE},
    power,
};

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
    let open = |path: &[u8]| rumpkin_vfs::open(&process, path, general::O_RDONLY).map(|file| file.file().clone());
    let registers = rumpkin_exec::load(&process, &**file.file(), open);
    memory::deactivate();
    let registers = registers.map_err(|error| match error {
        LoadError::Setup(what, error) => StartError::System(what, error),
        error => StartError::Load(path, error),
    })?;
    rumpkin_process::start(&process, registers).map_err(|_| StartError::System("its first thread", Errno::ENOMEM))?;
    Ok(process)
}

fn open_standard_streams(kernel: &Arc<Kernel>, process: &Process) -> Result<(), Errno> {
    let console = rumpkin_vfs::open_console(kernel)?;
    for _ in 0..3 {
        process.descriptors.insert(console.clone(), false, 0)?;
    }
    Ok(())
}
