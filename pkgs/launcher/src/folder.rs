//! The private folders of runs, and what is left of those whose launcher was killed.
use crate::file::At;
use rustix::process::geteuid;
use std::env;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What the names of such folders begin with.
const PREFIX: &str = "rumpkin-";
/// The file that is locked as long as the launcher lives.
const LOCK: &str = "lock";

/// The folder of this run, for its user alone; it may hold credentials. It goes with this value.
#[derive(Debug)]
pub struct Folder {
    folder: TempDir,
    _lock: File,
}

impl Folder {
    /// Makes one: in memory, if the user has a runtime folder.
    ///
    /// # Errors
    /// There is no place for it.
    pub fn new() -> Result<Folder, At<io::Error>> {
        let mut failure = None;
        // The variable may be another user's, as after sudo.
        for base in bases() {
            match Folder::below(&base) {
                Ok(folder) => return Ok(folder),
                Err(error) => failure = Some(At::new(base, error)),
            }
        }
        Err(failure.unwrap_or_else(|| At::new(env::temp_dir(), io::ErrorKind::NotFound.into())))
    }

    fn below(base: &Path) -> io::Result<Folder> {
        let mut builder = tempfile::Builder::new();
        let folder = builder.prefix(PREFIX).permissions(Permissions::from_mode(0o700)).tempdir_in(base)?;
        // It gets its name when it is locked: who sees it sees it locked.
        let unnamed = folder.path().join("unlocked");
        let lock = File::create(&unnamed)?;
        lock.lock()?;
        fs::rename(unnamed, folder.path().join(LOCK))?;
        Ok(Folder { folder, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Where such folders are made, the best place first.
fn bases() -> impl Iterator<Item = PathBuf> {
    let runtime = ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"].into_iter().filter_map(env::var_os).next();
    let runtime = runtime.and_then(|folders| env::split_paths(&folders).next());
    runtime.into_iter().chain([env::temp_dir()])
}

/// Removes this user's folders whose launcher was killed, credentials and all. `release` first lets go of what else the launcher held,
/// of which it has left word in its folder; if that fails, the word is kept for the next time.
pub fn clean(release: impl Fn(&Path) -> bool) {
    for base in bases() {
        let entries = fs::read_dir(base).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
            // Removed by somebody else at the same time, or not to be removed: a matter of the next time, too.
            let _ = clean_one(&entry.path(), &release);
        }
    }
}

fn clean_one(folder: &Path, release: impl Fn(&Path) -> bool) -> io::Result<()> {
    let metadata = folder.symlink_metadata()?;
    // In a folder like /tmp others could lay out what this one would then believe.
    if !metadata.is_dir() || metadata.uid() != geteuid().as_raw() {
        return Ok(());
    }
    let lock =
        OpenOptions::new().write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(folder.join(LOCK))?;
    if lock.try_lock().is_err() {
        return Ok(());
    }
    let _ = fs::remove_file(folder.join(CONFIGURATION));
    if release(folder) { fs::remove_dir_all(folder) } else { Ok(()) }
}

/// The configuration's name in such a folder.
pub const CONFIGURATION: &str = "configuration.json";

/// Writes a file that nobody else can read: it may hold credentials.
///
/// # Errors
/// It is there already, or there is no room for it.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), At<io::Error>> {
    let mut options = OpenOptions::new();
    let written =
        options.write(true).create_new(true).mode(0o600).open(path).and_then(|mut file| file.write_all(bytes));
    written.map_err(|error| At::new(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_the_dead_are_removed_and_others_kept() {
        let base = tempfile::tempdir().unwrap();
        let alive = Folder::below(base.path()).unwrap();
        assert_eq!(alive.path().metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let make = |name: &str, lock: bool| {
            let path = base.path().join(name);
            fs::create_dir(&path).unwrap();
            write_private(&path.join(CONFIGURATION), b"secret").unwrap();
            if lock {
                fs::write(path.join(LOCK), "").unwrap();
            }
            path
        };
        let (dead, held) = (make("rumpkin-dead", true), make("rumpkin-held", true));
        let foreign = make("rumpkin-foreign", false);
        let link = base.path().join("rumpkin-link");
        std::os::unix::fs::symlink(&foreign, &link).unwrap();
        for folder in [alive.path(), &dead, &held, &foreign, &link] {
            let _ = clean_one(folder, |path| !path.ends_with("rumpkin-held"));
        }
        assert!(alive.path().exists() && !dead.exists());
        assert!(held.join(LOCK).exists() && !held.join(CONFIGURATION).exists());
        assert!(foreign.join(CONFIGURATION).exists() && link.exists());
    }
}
