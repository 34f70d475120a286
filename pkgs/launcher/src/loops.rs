//! Loop devices: Xen's block backend takes block devices, and disks are often files.
use crate::file::{self, Store};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How often another free device is asked for, when somebody else was quicker.
const ATTEMPTS: u32 = 10;

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
    pub fn of(path: &Path, read_only: bool) -> Result<Device, String> {
        if file::store(path)? == Store::Device {
            return Ok(Device { path: path.to_owned(), is_loop: false });
        }
        let mut message = String::new();
        for _ in 0..ATTEMPTS {
            let device = PathBuf::from(losetup(Command::new("losetup").arg("-f"))?.trim());
            let mut attach = Command::new("losetup");
            if read_only {
                attach.arg("-r");
            }
            match losetup(attach.arg(&device).arg(path)) {
                Ok(_) => return Ok(Device { path: device, is_loop: true }),
                Err(error) => message = error,
            }
        }
        Err(format!("{}: no loop device: {message}", path.display()))
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
    if let Err(message) = losetup(Command::new("losetup").arg("-d").arg(device)) {
        eprintln!("rumpkin: {message}");
    }
}

/// Runs `losetup` in the form that util-linux and busybox share, and gives back what it prints.
fn losetup(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "losetup not found; it is needed for disks that are files".to_owned(),
        _ => format!("losetup: {error}"),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}
