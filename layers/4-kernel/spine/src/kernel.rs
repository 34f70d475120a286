//! The kernel as a value: its devices, its components, its processes.

use crate::{config::Config, parts::Parts, timer::Timers};
use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicU32, Ordering};
use rumpkin_collections::OutOfMemory;
use rumpuser::{
    device::{Console, Devices, Disk, Link},
    sync::Mutex,
};

/// Makes the content of a [`GeneratedFile`].
pub type Content = Box<dyn Fn(&Kernel) -> Result<Vec<u8>, OutOfMemory> + Send + Sync>;
type Hook = Box<dyn Fn(&Arc<Kernel>) + Send + Sync>;
type PartsHook = Box<dyn Fn(&Kernel, &mut Parts) -> Result<(), OutOfMemory> + Send + Sync>;

/// A file whose content is made when it is opened. The file system component shows them; any component, and layer 5,
/// may add some without knowing that component.
pub struct GeneratedFile {
    /// Absolute path, e.g. `/etc/hosts`; folders on the way are made up where the root file system has none.
    pub path: String,
    /// Makes the content.
    pub content: Content,
    /// Only a stand-in: a file of that path in the root file system goes first.
    pub stand_in: bool,
}

/// A kernel. Made with [`Kernel::new`], filled by each component's `register`, then shared and started.
pub struct Kernel {
    /// Settings.
    pub config: Config,
    /// The console.
    pub console: Arc<dyn Console>,
    /// Disks, in the order of discovery.
    pub disks: Vec<Arc<dyn Disk>>,
    /// State of components.
    pub parts: Parts,
    /// What happens at a deadline.
    pub timers: Timers,
    /// Files of made-up content.
    pub generated_files: Vec<GeneratedFile>,
    links: Mutex<Vec<Box<dyn Link>>>,
    process_hooks: Vec<PartsHook>,
    thread_hooks: Vec<PartsHook>,
    start_hooks: Vec<Hook>,
    stop_hooks: Vec<Hook>,
    next_id: AtomicU32,
}

#[expect(clippy::disallowed_methods, reason = "components register themselves at boot, before there is a program")]
impl Kernel {
    /// A kernel without parts, not even the spine's own.
    pub(crate) fn bare(config: Config, devices: Devices) -> Kernel {
        Kernel {
            config,
            console: devices.console,
            disks: devices.disks,
            parts: Parts::default(),
            timers: Timers::default(),
            generated_files: Vec::new(),
            links: Mutex::new(devices.links),
            process_hooks: Vec::new(),
            thread_hooks: Vec::new(),
            start_hooks: Vec::new(),
            stop_hooks: Vec::new(),
            next_id: AtomicU32::new(1),
        }
    }

    /// Has `hook` add parts to each new process.
    pub fn on_process(
        &mut self,
        hook: impl Fn(&Kernel, &mut Parts) -> Result<(), OutOfMemory> + Send + Sync + 'static,
    ) {
        self.process_hooks.push(Box::new(hook));
    }

    /// Has `hook` add parts to each new thread.
    pub fn on_thread(&mut self, hook: impl Fn(&Kernel, &mut Parts) -> Result<(), OutOfMemory> + Send + Sync + 'static) {
        self.thread_hooks.push(Box::new(hook));
    }

    /// Adds a file whose content is made at each open, or at the start if a writable file system is mounted on a folder above.
    /// An earlier one of the same path is replaced.
    pub fn add_generated_file(
        &mut self,
        path: &str,
        content: impl Fn(&Kernel) -> Result<Vec<u8>, OutOfMemory> + Send + Sync + 'static,
    ) {
        self.generate_file(path, false, Box::new(content));
    }

    /// As [`Kernel::add_generated_file`], but a file of that path in the root file system goes first.
    pub fn add_stand_in_file(
        &mut self,
        path: &str,
        content: impl Fn(&Kernel) -> Result<Vec<u8>, OutOfMemory> + Send + Sync + 'static,
    ) {
        self.generate_file(path, true, Box::new(content));
    }

    fn generate_file(&mut self, path: &str, stand_in: bool, content: Content) {
        self.generated_files.retain(|file| file.path != path);
        self.generated_files.push(GeneratedFile { path: String::from(path), content, stand_in });
    }

    /// Has `hook` called by [`Kernel::start`]; it may start threads.
    pub fn on_start(&mut self, hook: impl Fn(&Arc<Kernel>) + Send + Sync + 'static) {
        self.start_hooks.push(Box::new(hook));
    }

    /// Has `hook` called by [`Kernel::stop`]; it may block.
    pub fn on_stop(&mut self, hook: impl Fn(&Arc<Kernel>) + Send + Sync + 'static) {
        self.stop_hooks.push(Box::new(hook));
    }
}

impl Kernel {
    /// Takes the network links; the component that drives them calls it once.
    pub fn take_links(&self) -> Vec<Box<dyn Link>> {
        core::mem::take(&mut self.links.lock())
    }

    /// Starts the components, in the order of registration.
    pub fn start(self: &Arc<Self>) {
        for hook in &self.start_hooks {
            hook(self);
        }
    }

    /// Stops the components, in reverse order, and flushes the disks.
    pub fn stop(self: &Arc<Self>) {
        for hook in self.stop_hooks.iter().rev() {
            hook(self);
        }
        for (index, disk) in self.disks.iter().enumerate() {
            match disk.flush() {
                Ok(()) | Err(rumpuser::device::DiskError::Unsupported) => {}
                Err(error) => log::error!("disk {index}: flush failed: {error:?}"),
            }
        }
    }

    /// A process or thread number that nobody has.
    pub fn allocate_id(&self) -> u32 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Lets components add their parts to a new process.
    pub fn process_parts(&self) -> Result<Parts, OutOfMemory> {
        self.parts_of(&self.process_hooks)
    }

    /// Lets components add their parts to a new thread.
    pub fn thread_parts(&self) -> Result<Parts, OutOfMemory> {
        self.parts_of(&self.thread_hooks)
    }

    fn parts_of(&self, hooks: &[PartsHook]) -> Result<Parts, OutOfMemory> {
        let mut parts = Parts::default();
        for hook in hooks {
            hook(self, &mut parts)?;
        }
        Ok(parts)
    }
}
