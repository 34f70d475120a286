//! The site that is served in tests: files whose sizes and names are awkward.
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::SystemTime;

/// Size of the large file, in bytes.
pub const LARGE: usize = 10 << 20;

/// Byte `index` of the generated files: no short period, so that a shifted piece shows.
fn byte(index: usize) -> u8 {
    (index.wrapping_mul(2_654_435_761) >> 16) as u8
}

/// Makes the site in `folder`, which is created. No file has a modification time, so that copies are alike.
pub fn make(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder.join("dir/sub dir"))?;
    let texts = [
        ("index.html", "<!doctype html><title>index</title>\n"),
        ("empty.txt", ""),
        ("one.txt", "1"),
        ("ten.txt", "0123456789"),
        ("dir/index.html", "dir\n"),
        ("dir/sub dir/a+b%.json", "{}\n"),
        ("dir/\u{fc}mlaut.txt", "\u{fc}\n"),
    ];
    for (name, text) in texts {
        write(&folder.join(name), text.as_bytes())?;
    }
    // Around a page, around the pieces that are read at a time, and large.
    for size in [4095, 4096, 4097, 65_535, 65_536, 65_537, LARGE] {
        let bytes: Vec<u8> = (0..size).map(byte).collect();
        write(&folder.join(format!("{size}.bin")), &bytes)?;
    }
    symlink("/etc/passwd", folder.join("outside"))?;
    symlink("ten.txt", folder.join("inside"))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::write(path, bytes)?;
    File::options().write(true).open(path)?.set_modified(SystemTime::UNIX_EPOCH)
}
