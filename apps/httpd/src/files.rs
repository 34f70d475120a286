//! From a request's path to an open file under the root, and never to one outside it.
use percent_encoding::percent_decode_str;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::hash::{DefaultHasher, Hasher};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// The file that stands for its directory.
const INDEX: &str = "index.html";
/// Modification times up to this are no times: reproducible builds set them all to 0 or 1.
const NO_TIME: Duration = Duration::from_secs(1);
/// So many contents are remembered by their hash.
const HASHES: usize = 10_000;

/// The served directory.
#[derive(Clone, Debug)]
pub struct Site {
    /// Canonical, so that canonical paths under it begin with it.
    root: Arc<Path>,
    /// Hashes of contents whose file has no modification time, by device and inode.
    hashes: Arc<Mutex<HashMap<(u64, u64), u64>>>,
}

/// What a path leads to.
#[derive(Debug)]
pub enum Found {
    /// A regular file.
    File(Entry),
    /// A directory that was asked for without the slash at the end.
    Directory,
}

/// An open regular file and what caches may know it by.
#[derive(Debug)]
pub struct Entry {
    /// Open for reading.
    pub file: File,
    /// Bytes.
    pub size: u64,
    /// The name that it was found under.
    pub path: PathBuf,
    /// Last modification, where the file system has a time worth telling.
    pub modified: Option<SystemTime>,
    /// Strong entity tag, with its quotes.
    pub tag: String,
}

/// Why a path leads to no file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The path cannot be decoded.
    Malformed,
    /// The path leads out of the root, or the file may not be read.
    Forbidden,
    /// There is no such file.
    Absent,
    /// The file system failed.
    Failed,
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Refusal {
        match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR | libc::ENAMETOOLONG | libc::ELOOP | libc::ENXIO) => Refusal::Absent,
            Some(libc::EACCES | libc::EPERM) => Refusal::Forbidden,
            _ => Refusal::Failed,
        }
    }
}

impl Site {
    /// Opens the directory `root`.
    pub fn open(root: &Path) -> io::Result<Site> {
        let root = fs::canonicalize(root)?;
        if !fs::metadata(&root)?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Site { root: root.into(), hashes: Arc::default() })
    }

    /// Finds what `path`, a request target's path as it was sent, leads to.
    pub fn find(&self, path: &str) -> Result<Found, Refusal> {
        let relative = decode(path)?;
        let as_directory = relative.as_os_str().as_bytes().last().is_none_or(|last| *last == b'/');
        let (path, file, metadata) = self.open_within(&self.root.join(&relative))?;
        if !metadata.is_dir() {
            return self.entry(path, file, &metadata).map(Found::File);
        }
        if !as_directory {
            return Ok(Found::Directory);
        }
        let (path, file, metadata) = self.open_within(&path.join(INDEX))?;
        self.entry(path, file, &metadata).map(Found::File)
    }

    /// Opens what `path` leads to if that is within the root; gives its name without links, too.
    fn open_within(&self, path: &Path) -> Result<(PathBuf, File, Metadata), Refusal> {
        let path = fs::canonicalize(path)?;
        if !path.starts_with(&self.root) {
            return Err(Refusal::Forbidden);
        }
        // The path has no links left; if one has taken a component's place since, opening it must neither follow nor block.
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(&path)?;
        let metadata = file.metadata()?;
        Ok((path, file, metadata))
    }

    fn entry(&self, path: PathBuf, file: File, metadata: &Metadata) -> Result<Entry, Refusal> {
        if !metadata.is_file() {
            return Err(Refusal::Absent);
        }
        let modified = metadata.modified().ok().filter(|time| *time > SystemTime::UNIX_EPOCH + NO_TIME);
        let tag = match modified {
            Some(_) => format!("\"{:x}-{:x}.{:x}\"", metadata.len(), metadata.mtime(), metadata.mtime_nsec()),
            None => format!("\"{:x}-{:016x}\"", metadata.len(), self.hash(&file, metadata)?),
        };
        Ok(Entry { file, size: metadata.len(), path, modified, tag })
    }

    /// No entry is ever half written, so a panic elsewhere does not matter.
    fn hashes(&self) -> MutexGuard<'_, HashMap<(u64, u64), u64>> {
        self.hashes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The hash of a file's content, taken once: without a modification time it is what tells one version from the next.
    fn hash(&self, file: &File, metadata: &Metadata) -> Result<u64, Refusal> {
        let key = (metadata.dev(), metadata.ino());
        if let Some(hash) = self.hashes().get(&key) {
            return Ok(*hash);
        }
        let mut hasher = DefaultHasher::new();
        let mut chunk = vec![0; 64 << 10];
        let mut offset = 0;
        loop {
            let count = file.read_at(&mut chunk, offset)?;
            if count == 0 {
                break;
            }
            hasher.write(&chunk[..count]);
            offset += count as u64;
        }
        let mut hashes = self.hashes();
        if hashes.len() >= HASHES {
            hashes.clear();
        }
        hashes.insert(key, hasher.finish());
        Ok(hasher.finish())
    }
}

/// `path` without its percent encoding and its leading slashes. Dots that would lead upwards are refused.
fn decode(path: &str) -> Result<PathBuf, Refusal> {
    let bytes: Vec<u8> = percent_decode_str(path).collect();
    let relative = match bytes.iter().position(|byte| *byte != b'/') {
        _ if bytes.first() != Some(&b'/') || bytes.contains(&0) => return Err(Refusal::Malformed),
        Some(start) => &bytes[start..],
        None => &[],
    };
    if relative.split(|byte| *byte == b'/').any(|segment| segment == b"..") {
        return Err(Refusal::Forbidden);
    }
    Ok(PathBuf::from(OsStr::from_bytes(relative)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn paths_are_decoded_once() {
        assert_eq!(decode("/a%20b/c"), Ok("a b/c".into()));
        assert_eq!(decode("//a"), Ok("a".into()));
        assert_eq!(decode("/"), Ok("".into()));
        assert_eq!(decode("/%252e%252e/a"), Ok("%2e%2e/a".into()));
        assert_eq!(decode("/a..b/..."), Ok("a..b/...".into()));
    }

    #[test]
    fn ways_upwards_are_refused() {
        for path in ["/..", "/../a", "/a/../../b", "/%2e%2e/a", "/.%2e/a", "/a%2f..%2fb", "//..//a"] {
            assert_eq!(decode(path), Err(Refusal::Forbidden), "{path}");
        }
        for path in ["", "a", "*", "/a%00b"] {
            assert_eq!(decode(path), Err(Refusal::Malformed), "{path}");
        }
    }

    fn site() -> (tempfile::TempDir, Site) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("dir")).unwrap();
        fs::write(folder.path().join("secret"), "secret").unwrap();
        fs::write(root.join("dir/index.html"), "index").unwrap();
        symlink("../secret", root.join("out")).unwrap();
        symlink("dir/index.html", root.join("in")).unwrap();
        symlink("..", root.join("up")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let site = Site::open(&root).unwrap();
        (folder, site)
    }

    #[test]
    fn links_are_followed_within_the_root_only() {
        let (_folder, site) = site();
        assert!(matches!(site.find("/in"), Ok(Found::File(entry)) if entry.size == 5));
        assert_eq!(site.find("/out").unwrap_err(), Refusal::Forbidden);
        assert_eq!(site.find("/up/secret").unwrap_err(), Refusal::Forbidden);
        assert_eq!(site.find("/loop").unwrap_err(), Refusal::Absent);
    }

    #[test]
    fn directories_are_their_index() {
        let (_folder, site) = site();
        assert!(matches!(site.find("/dir/"), Ok(Found::File(_))));
        assert!(matches!(site.find("/dir"), Ok(Found::Directory)));
        assert_eq!(site.find("/").unwrap_err(), Refusal::Absent);
        assert_eq!(site.find("/dir/index.html/").unwrap_err(), Refusal::Absent);
        assert!(Site::open(Path::new("/dev/null")).is_err());
    }

    #[test]
    fn without_a_time_the_content_makes_the_tag() {
        let (folder, site) = site();
        let path = folder.path().join("root/a");
        let tag = |content: &str| {
            fs::remove_file(&path).ok();
            fs::write(&path, content).unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
            let Ok(Found::File(entry)) = Site::open(&site.root).unwrap().find("/a") else { panic!("not found") };
            assert_eq!(entry.modified, None);
            entry.tag
        };
        assert_ne!(tag("one"), tag("two"));
        assert_eq!(tag("one"), tag("one"));
    }
}
