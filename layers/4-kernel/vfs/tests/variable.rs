//! The folders of `/var`, of an image that has some of them.
//!
//! `variable.erofs` was made by mkfs.erofs 1.5 with `-E noinline_data`; in it are `/var/cache` (mode 0700), `/var/lib/db/file`,
//! `/var/log/web` (mode 0750, owner 33), and `/var/run`, which is a link to `/run`.

mod common;

use common::Guest;
use rumpkin_abi::{Errno, linux::general};
use rumpuser::boot::BootData;

#[repr(align(4096))]
struct Aligned<T: ?Sized>(T);
static IMAGE: &Aligned<[u8]> = &Aligned(*include_bytes!("variable.erofs"));

#[test]
fn folders_without_files_are_writable_and_others_as_they_are() {
    rumpuser_hosted::set_boot_data(BootData { root_file_system: Some(&IMAGE.0), ..BootData::default() });
    let guest = Guest::new();
    for folder in ["cache", "lock", "log", "log/web", "spool", "run", "tmp"] {
        let path = format!("/var/{folder}/file");
        guest.create(&path, b"content");
        assert_eq!(guest.content(&path), Ok(b"content".to_vec()), "{path}");
    }
    assert_eq!(guest.content("/run/file"), Ok(b"content".to_vec()), "/var/run is a link");
    assert_eq!(guest.list("/var/log").unwrap(), [".", "..", "web", "file"]);
    let (log, cache) = (guest.stat("/var/log/web").unwrap(), guest.stat("/var/cache").unwrap());
    assert_eq!((log.mode, log.uid, cache.mode), (general::S_IFDIR | 0o750, 33, general::S_IFDIR | 0o700));
    assert_eq!(guest.content("/var/lib/db/file"), Ok(b"shipped\n".to_vec()));
    assert_eq!(guest.open("/var/lib/new", general::O_WRONLY | general::O_CREAT), Err(Errno::EROFS));
    assert_eq!(guest.open("/var/new", general::O_WRONLY | general::O_CREAT), Err(Errno::EROFS));
}
