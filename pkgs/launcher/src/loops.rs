//! Loop devices: Xen's block backend takes block devices, and disks are often files.
use crate::file::{self, At, Store, Unusable};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use thiserror::Error;

/// How often another free device is asked for, when somebody else was quicker.
const ATTEMPTS: u32 = 10;

/// Why there is no device for a disk.
#[derive(Debug, Error)]
pub enum Error {
    /// What the disk is kept in is not there, or of another kind.
    #[error(transparent)]
    Disk(#[from] At<Unusable>),
    /// No loop device is to be had for this file.
    #[error("{}: no loop device: {error}", .path.display())]
    NoLoop {
        path: PathBuf,
        #[source]
        error: Losetup,
    },
    /// `losetup` does not say which loop device is free.
    #[error(transparent)]
    Losetup(#[from] Losetup),
}

/// Why `losetup` did nothing.
#[derive(Debug, Error)]
pub enum Losetup {
    /// It is not there.
    #[error("losetup not found; it is needed for disks that are files")]
    Missing,
    /// It cannot be started.
    #[error("losetup: {0}")]
    NotStarted(io::Error),
    /// It says why.
    #[error("{0}")]
    Refused(String),
}

/// A block device that a guest's disk is kept on; if it is a loop device, it lets go of its file when dropped.
#[derive(Debug)]
pub struct Device {
    path: PathBuf,
    is_loop: bool,
}

impl Device {
    /// `path` itself if it is a block device, else a loop device on it.
    ///
    /// # Errors
    /// The file is not there or of another kind, or no loop device is to be had.
    pub fn of(path: &Path, read_only: bool) -> Result<Device, Error> {
        if file::store(path)? == Store::Device {
            return Ok(Device { path: path.to_owned(), is_loop: false });
        }
        let mut left = ATTEMPTS;
        loop {
            let device = PathBuf::from(losetup(Command::new("losetup").arg("-f"))?.trim());
            let mut attach = Command::new("losetup");
            if read_only {
                attach.arg("-r");
            }
            match losetup(attach.arg(&device).arg(path)) {
                Ok(_) => return Ok(Device { path: device, is_loop: true }),
                Err(error) if left <= 1 => return Err(Error::NoLoop { path: path.to_owned(), error }),
                Err(_) => left -= 1,
            }
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn is_loop(&self) -> bool {
        self.is_loop
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if self.is_loop {
            detach(&self.path);
        }
    }
}

/// Has a loop device let go of `file`, unless it has done so, and may be somebody else's by now (loop(4)).
pub fn detach_from(device: &Path, file: &Path) {
    let name = device.file_name().unwrap_or_default();
    let backing = fs::read(Path::new("/sys/block").join(name).join("loop/backing_file"));
    if backing.is_ok_and(|backing| backing.trim_ascii_end() == file.as_os_str().as_bytes()) {
        detach(device);
    }
}

fn detach(device: &Path) {
    // If the backend still holds the device, Linux lets go of the file as soon as it has been released.
    if let Err(error) = losetup(Command::new("losetup").arg("-d").arg(device)) {
        eprintln!("rumpkin: {error}");
    }
}

/// Runs `losetup` in the form that util-linux and busybox share, and gives back what it prints.
fn losetup(command: &mut Command) -> Result<String, Losetup> {
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Losetup::Missing,
        _ => Losetup::NotStarted(error),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Losetup::Refused(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}
