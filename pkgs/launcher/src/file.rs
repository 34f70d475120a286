//! Files of the host that a guest is made of: opened without waiting for anybody, and of a kind that can be one.
use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Something is wrong with a file of this host. Displayed with its name.
#[derive(Debug, Error)]
#[error("{}: {error}", .path.display())]
pub struct At<E> {
    path: PathBuf,
    error: E,
}

impl<E> At<E> {
    /// What is wrong with the file of this path.
    pub fn new(path: impl Into<PathBuf>, error: E) -> At<E> {
        At { path: path.into(), error }
    }
}

/// Why a file cannot be used.
#[derive(Debug, Error)]
pub enum Unusable {
    /// It cannot be opened or read.
    #[error("{0}")]
    Io(io::Error),
    /// It is this, and should be that.
    #[error("is {is}; {wanted} is needed")]
    Kind { is: &'static str, wanted: &'static str },
    /// It has more bytes than this.
    #[error("has more than {0} bytes")]
    Long(u64),
}

/// What a disk is kept in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Store {
    /// A regular file.
    File,
    /// A block device.
    Device,
}

/// Reads the regular file at `path`, of `limit` bytes at most.
///
/// # Errors
/// It cannot be read, is something else, or longer.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, At<Unusable>> {
    let failed = |error| At::new(path, error);
    let (file, kind) = open(path)?;
    if !kind.is_file() {
        return Err(failed(Unusable::Kind { is: name(kind), wanted: "a regular file" }));
    }
    let mut bytes = vec![];
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| failed(Unusable::Io(error)))?;
    if bytes.len() as u64 > limit {
        return Err(failed(Unusable::Long(limit)));
    }
    Ok(bytes)
}

/// What the disk at `path` is kept in.
///
/// # Errors
/// It is not there, or nothing that a disk can be kept in.
pub fn store(path: &Path) -> Result<Store, At<Unusable>> {
    let failed = |error| At::new(path, error);
    let kind = path.metadata().map_err(|error| failed(Unusable::Io(error)))?.file_type();
    if kind.is_file() {
        Ok(Store::File)
    } else if kind.is_block_device() {
        Ok(Store::Device)
    } else {
        Err(failed(Unusable::Kind { is: name(kind), wanted: "a regular file or block device" }))
    }
}

/// Opens a file for reading. Without waiting: a named pipe would wait for somebody who writes to it, for ever if it must be.
fn open(path: &Path) -> Result<(File, FileType), At<Unusable>> {
    let opened = || {
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        let kind = file.metadata()?.file_type();
        Ok((file, kind))
    };
    opened().map_err(|error| At::new(path, Unusable::Io(error)))
}

fn name(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_char_device() {
        "a character device"
    } else if kind.is_block_device() {
        "a block device"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "neither a file nor a device"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::process::Command;

    #[test]
    fn what_is_no_file_is_refused_by_its_kind() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let socket = folder.path().join("socket");
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        for (path, is) in [
            (&*pipe, "is a named pipe; "),
            (folder.path(), "is a folder; "),
            (Path::new("/dev/zero"), "is a character device; "),
        ] {
            let message = read(path, 10).unwrap_err().to_string();
            assert!(message.ends_with(&format!("{is}a regular file is needed")), "{message}");
            let message = store(path).unwrap_err().to_string();
            assert!(message.ends_with(&format!("{is}a regular file or block device is needed")), "{message}");
        }
        assert!(store(&socket).unwrap_err().to_string().contains("is a socket"));
        assert!(store(&folder.path().join("absent")).unwrap_err().to_string().contains("No such file"));
    }

    #[test]
    fn files_are_read_up_to_their_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nbd:file");
        fs::write(&path, "12345").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(read(&link, 5).unwrap(), b"12345");
        assert!(read(&path, 4).unwrap_err().to_string().ends_with("nbd:file: has more than 4 bytes"));
        assert_eq!(store(&link).unwrap(), Store::File);
    }
}
