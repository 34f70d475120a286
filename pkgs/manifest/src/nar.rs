//! Checksums: of a file's bytes, and of a folder, by its Nix archive (the Nix manual, "Nix Archive (NAR) format").
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// SHA-256 in hexadecimal: of the bytes, if `path` is a file; of the Nix archive, if it is a folder.
///
/// # Errors
/// Something there cannot be read; the message names `path`.
pub fn checksum(path: &Path) -> Result<String, String> {
    let sum = || {
        if path.is_dir() {
            let mut sum = Sha256::new();
            text(&mut sum, b"nix-archive-1");
            node(&mut sum, path)?;
            Ok(sum.finalize())
        } else {
            fs::read(path).map(Sha256::digest)
        }
    };
    let digest = sum().map_err(|error: io::Error| format!("{}: {error}", path.display()))?;
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Its length, its bytes, and zeroes up to a multiple of eight.
fn text(sum: &mut Sha256, bytes: &[u8]) {
    sum.update((bytes.len() as u64).to_le_bytes());
    sum.update(bytes);
    sum.update(&[0; 8][..bytes.len().next_multiple_of(8) - bytes.len()]);
}

fn words(sum: &mut Sha256, words: &[&str]) {
    for word in words {
        text(sum, word.as_bytes());
    }
}

fn node(sum: &mut Sha256, path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path)?;
    words(sum, &["(", "type"]);
    if metadata.is_symlink() {
        words(sum, &["symlink", "target"]);
        text(sum, fs::read_link(path)?.as_os_str().as_bytes());
    } else if metadata.is_dir() {
        words(sum, &["directory"]);
        let mut names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
        names.sort();
        for name in names {
            words(sum, &["entry", "(", "name"]);
            text(sum, name.as_bytes());
            words(sum, &["node"]);
            node(sum, &path.join(name))?;
            words(sum, &[")"]);
        }
    } else {
        words(sum, &["regular"]);
        if metadata.permissions().mode() & 0o100 != 0 {
            words(sum, &["executable", ""]);
        }
        words(sum, &["contents"]);
        text(sum, &fs::read(path)?);
    }
    words(sum, &[")"]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// The expected value is what `nix hash path --base16` says of the same folder.
    #[test]
    fn a_folders_sum_is_nixs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tree");
        fs::create_dir_all(path.join("b")).unwrap();
        fs::write(path.join("a"), "one\n").unwrap();
        fs::write(path.join("b/run"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(path.join("b/run"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("../a", path.join("b/link")).unwrap();
        assert_eq!(checksum(&path).unwrap(), "4cb811e5a3bcc9aec142e2bda471ba9fa483d70c193470cf9b204bf8803df7d9");
    }

    #[test]
    fn a_files_sum_is_of_its_bytes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(checksum(file.path()).unwrap(), empty);
        assert!(checksum(Path::new("/absent")).unwrap_err().starts_with("/absent: "));
    }
}
