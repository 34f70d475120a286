//! A disk over a file of the host.

use super::{SECTOR, bytes};
use rumpuser::device::{Disk, DiskError, DiskInfo};
use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

/// A raw image. Sectors that are a part only of the file's end are left out.
pub struct FileDisk {
    file: File,
    info: DiskInfo,
}

impl FileDisk {
    /// Opens an image, for reading alone if so told.
    pub fn open(path: &Path, read_only: bool) -> io::Result<FileDisk> {
        let file = File::options().read(true).write(!read_only).open(path)?;
        let sectors = file.metadata()?.len() / SECTOR as u64;
        let serial = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(FileDisk { file, info: DiskInfo { sectors, block_size: 4096, read_only, serial } })
    }

    fn range(&self, sector: u64, length: usize) -> Result<u64, DiskError> {
        bytes(sector, length, self.info.sectors).map(|range| range.start as u64)
    }
}

impl Disk for FileDisk {
    fn info(&self) -> DiskInfo {
        self.info.clone()
    }

    fn read(&self, sector: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        self.file.read_exact_at(buffer, self.range(sector, buffer.len())?).map_err(|_| DiskError::Io)
    }

    fn write(&self, sector: u64, data: &[u8]) -> Result<(), DiskError> {
        if self.info.read_only {
            return Err(DiskError::ReadOnly);
        }
        self.file.write_all_at(data, self.range(sector, data.len())?).map_err(|_| DiskError::Io)
    }

    fn flush(&self) -> Result<(), DiskError> {
        if self.info.read_only {
            return Ok(());
        }
        self.file.sync_data().map_err(|_| DiskError::Io)
    }

    /// The file keeps what it has: to punch holes is the business of who made it.
    fn discard(&self, _sector: u64, _count: u64) -> Result<(), DiskError> {
        Err(DiskError::Unsupported)
    }
}
