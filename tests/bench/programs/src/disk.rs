//! A disk's throughput: one request after the other over its first part, past the page cache.
use std::alloc::{Layout, alloc_zeroed};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::time::Instant;

/// Bytes of each request, and of all of them one way.
const PIECE: usize = 1 << 20;
const TOTAL: usize = 64 << 20;
/// The median counts.
const RUNS: usize = 5;

/// Prints `disk-write MB/S` and `disk-read MB/S` of the block device at `path`, of at least 64 MiB, and then `done`. What the
/// disk held is lost.
///
/// # Errors
/// The disk cannot be opened, read or written.
pub fn print(path: &str) -> io::Result<()> {
    let disk = OpenOptions::new().read(true).write(true).custom_flags(libc::O_DIRECT).open(path)?;
    let piece = page_aligned();
    let mut writes = Vec::new();
    let mut reads = Vec::new();
    for _ in 0..RUNS {
        writes.push(timed(&disk, |position| disk.write_at(piece, position))?);
        reads.push(timed(&disk, |position| disk.read_at(piece, position))?);
    }
    for (name, mut rates) in [("disk-write", writes), ("disk-read", reads)] {
        rates.sort_by(f64::total_cmp);
        println!("{name} {:.1}", rates[RUNS / 2]);
    }
    println!("done");
    Ok(())
}

/// A piece of memory as direct transfers want it, for good.
fn page_aligned() -> &'static mut [u8] {
    let layout = Layout::from_size_align(PIECE, 4096).expect("a power of two");
    // SAFETY: the layout's size is not zero; the block is zeroed, never freed and referred to by the result alone.
    unsafe {
        let start = alloc_zeroed(layout);
        assert!(!start.is_null(), "out of memory");
        std::slice::from_raw_parts_mut(start, PIECE)
    }
}

/// MB/s of `transfer` over the disk's beginning, with what the disk may still have to write.
fn timed(disk: &File, mut transfer: impl FnMut(u64) -> io::Result<usize>) -> io::Result<f64> {
    let start = Instant::now();
    for position in (0..TOTAL).step_by(PIECE) {
        if transfer(position as u64)? != PIECE {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    disk.sync_data()?;
    Ok(TOTAL as f64 / start.elapsed().as_secs_f64() / 1e6)
}
