//! What components bring to the tree of files while they register: types of file systems, devices, what is mounted at the start.

use crate::{
    devices::Device,
    file_system::{FileSystemType, MountError},
};
use alloc::{string::String, sync::Arc, vec::Vec};
use rumpkin_abi::Errno;
use rumpkin_collections::{TryVec, try_collect, try_to_string, try_to_vec, try_with_capacity};
use rumpkin_spine::{Kernel, file::File};
use rumpuser::sync::{Mutex, MutexGuard};

/// A file system that is mounted when the tree is built.
#[derive(Debug, Clone, Copy)]
pub struct StartMount {
    /// Where: an absolute path. The folder is made up if the root file system has none.
    pub target: &'static str,
    /// Its type.
    pub kind: &'static str,
    /// Options of its type.
    pub options: &'static str,
    /// What the root file system has there stays to be seen: it is mounted over nothing, or over folders in which there is nothing
    /// but folders, which are made anew in it.
    pub keeps: bool,
    /// Where the root file system has nothing, the place of this path is mounted instead.
    pub like: Option<&'static str>,
    /// The files that components have below the target are copied into it.
    pub filled: bool,
}

impl StartMount {
    /// One that covers whatever is there.
    pub const fn over(target: &'static str, kind: &'static str, options: &'static str) -> StartMount {
        StartMount { target, kind, options, keeps: false, like: None, filled: false }
    }
}

/// A part of the kernel. Components fill it before the kernel starts, in whatever order they come.
#[derive(Default)]
pub struct Registry(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    types: Vec<Arc<dyn FileSystemType>>,
    devices: Vec<Device>,
    /// Sorted by target, so that each stands behind what it lies in.
    mounts: Vec<StartMount>,
    folders: Vec<String>,
}

#[expect(clippy::disallowed_methods, reason = "components register themselves at boot, before there is a program")]
impl Registry {
    /// The registry of a kernel that is being made.
    pub fn of(kernel: &mut Kernel) -> Arc<Registry> {
        kernel.parts.share().unwrap_or_else(|| {
            let registry = Arc::new(Registry::default());
            kernel.parts.insert(registry.clone());
            registry
        })
    }

    /// Adds a type of file systems, in place of one of the same name.
    pub fn add_type(&self, kind: Arc<dyn FileSystemType>) {
        let types = &mut self.0.lock().types;
        types.retain(|other| other.name() != kind.name());
        types.push(kind);
    }

    /// Adds a device.
    pub fn add_device(&self, device: Device) {
        self.0.lock().devices.push(device);
    }

    /// Has a file system mounted at the start, if its type is registered.
    pub fn mount_at_start(&self, mount: StartMount) {
        let mounts = &mut self.0.lock().mounts;
        let place = mounts.partition_point(|other| other.target <= mount.target);
        mounts.insert(place, mount);
    }

    /// Has a folder made up where the root file system has none.
    pub fn add_folder(&self, path: &str) {
        self.0.lock().folders.push(String::from(path));
    }
}

impl Registry {
    /// What is registered with a kernel. `ENOSYS` if no component of files is.
    fn entries(kernel: &Kernel) -> Result<MutexGuard<'_, Entries>, Errno> {
        let Registry(entries) = kernel.parts.get().ok_or(Errno::ENOSYS)?;
        Ok(entries.lock())
    }

    /// Every type, in the order of registration.
    pub fn types(kernel: &Kernel) -> Result<Vec<Arc<dyn FileSystemType>>, Errno> {
        Ok(try_to_vec(&Registry::entries(kernel)?.types)?)
    }

    /// The type of this name.
    pub fn find_type(kernel: &Kernel, name: &[u8]) -> Result<Arc<dyn FileSystemType>, MountError> {
        let types = &Registry::entries(kernel)?.types;
        match types.iter().find(|kind| kind.name().as_bytes() == name) {
            Some(kind) => Ok(kind.clone()),
            None => Err(MountError::Type(try_to_vec(name)?, try_collect(types.iter().map(|kind| kind.name()))?)),
        }
    }

    /// The names, modes and numbers of all devices.
    pub fn devices(kernel: &Kernel) -> Result<Vec<(String, u32, u64)>, Errno> {
        let devices = &Registry::entries(kernel)?.devices;
        let mut told = try_with_capacity(devices.len())?;
        for device in devices {
            told.try_push((try_to_string(&device.name)?, device.mode, device.number))?;
        }
        Ok(told)
    }

    /// Opens the device of this type (`S_IFCHR` or `S_IFBLK`) and number with `O_*` flags. `ENXIO` if there is none.
    pub fn open_device(kernel: &Kernel, kind: u32, number: u64, flags: u32) -> Result<Arc<dyn File>, Errno> {
        let driver = {
            let devices = &Registry::entries(kernel)?.devices;
            let device = devices.iter().find(|device| device.kind() == kind && device.number == number);
            device.ok_or(Errno::ENXIO)?.driver.clone()
        };
        driver.open(flags)
    }

    /// What is to be mounted at the start.
    pub(crate) fn start_mounts(kernel: &Kernel) -> Result<Vec<StartMount>, Errno> {
        Ok(try_to_vec(&Registry::entries(kernel)?.mounts)?)
    }

    /// Shows the folders that are to be made up.
    pub(crate) fn with_folders<T>(kernel: &Kernel, show: impl FnOnce(&[String]) -> T) -> Result<T, Errno> {
        Ok(show(&Registry::entries(kernel)?.folders))
    }
}
