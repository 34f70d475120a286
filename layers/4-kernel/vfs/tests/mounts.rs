//! Mounts: what lies where, under which rules, who is in the way; and what `/proc` tells of it.

mod common;

use common::{CWD, Guest};
use rumpkin_abi::{Errno, linux::general};
use rumpkin_vfs::Wish;

const BIND: u32 = general::MS_BIND;
const READ_ONLY: u32 = general::MS_RDONLY;
const REMOUNT: u32 = general::MS_REMOUNT;

fn mount(guest: &Guest, source: &str, target: &str, kind: &str, flags: u32, options: &str) -> Result<usize, Errno> {
    let kind = if kind.is_empty() { 0 } else { guest.text(kind) };
    guest.call("mount", &[guest.text(source), guest.text(target), kind, flags as usize, guest.text(options)])
}

fn unmount(guest: &Guest, target: &str, flags: u32) -> Result<usize, Errno> {
    guest.call("umount2", &[guest.text(target), flags as usize])
}

fn told(guest: &Guest, path: &str) -> String {
    String::from_utf8(guest.content(path).unwrap()).unwrap()
}

#[test]
fn what_is_mounted_covers_what_was_there_and_goes_again() {
    let guest = Guest::new();
    guest.path("mkdir", "/tmp/a").unwrap();
    guest.create("/tmp/a/below", b"x");
    mount(&guest, "name with space", "/tmp/a", "tmpfs", general::MS_NOSUID, "size=64k,mode=0700").unwrap();
    assert_eq!(guest.stat("/tmp/a/below").err(), Some(Errno::ENOENT));
    assert_eq!(guest.stat("/tmp/a").unwrap().mode, general::S_IFDIR | 0o700);
    guest.create("/tmp/a/above", &[1; 65536]);
    assert_eq!(guest.create("/tmp/b", b"y") > 0, guest.stat("/tmp/a/../b").is_ok());
    let line = "name\\040with\\040space /tmp/a tmpfs rw,nosuid,relatime,size=64k,mode=700 0 0\n";
    assert!(told(&guest, "/proc/mounts").ends_with(line), "{}", told(&guest, "/proc/mounts"));
    let more = guest.open("/tmp/a/more", general::O_CREAT | general::O_WRONLY).unwrap();
    assert_eq!(guest.write(more, b"x"), Err(Errno::ENOSPC), "its own limit");
    assert_eq!(unmount(&guest, "/tmp/a", 0), Err(Errno::EBUSY));
    guest.call("close_range", &[3, 1000, 0]).unwrap();
    assert_eq!(unmount(&guest, "/tmp/a", 0), Ok(0));
    assert!(guest.stat("/tmp/a/below").is_ok());
    assert_eq!(unmount(&guest, "/tmp/a", 0), Err(Errno::EINVAL));
    assert!(!told(&guest, "/proc/mounts").contains("/tmp/a"));
    assert_eq!(unmount(&guest, "/", 0), Err(Errno::EBUSY), "the root stays");
}

#[test]
fn memory_of_an_unmounted_file_system_is_back() {
    rumpuser_hosted::simulate(1, || {
        let guest = Guest::new();
        guest.path("mkdir", "/tmp/a").unwrap();
        let before = rumpuser::memory::free_frames();
        mount(&guest, "x", "/tmp/a", "tmpfs", 0, "").unwrap();
        let file = guest.open("/tmp/a/file", general::O_CREAT | general::O_WRONLY).unwrap();
        guest.call("fallocate", &[file, 0, 0, 200_000]).unwrap();
        guest.call("close", &[file]).unwrap();
        assert!(rumpuser::memory::free_frames() < before - 48);
        unmount(&guest, "/tmp/a", 0).unwrap();
        assert!(rumpuser::memory::free_frames() >= before - 1, "what the heap keeps");
    });
}

#[test]
fn read_only_holds_for_every_call_and_waits_for_writers() {
    let guest = Guest::new();
    guest.path("mkdir", "/tmp/a").unwrap();
    mount(&guest, "x", "/tmp/a", "tmpfs", 0, "").unwrap();
    let file = guest.create("/tmp/a/file", b"content");
    assert_eq!(mount(&guest, "", "/tmp/a", "", REMOUNT | READ_ONLY, ""), Err(Errno::EBUSY));
    guest.call("close", &[file]).unwrap();
    mount(&guest, "", "/tmp/a", "", REMOUNT | READ_ONLY, "").unwrap();
    let refused = Err(Errno::EROFS);
    assert_eq!(guest.open("/tmp/a/file", general::O_RDWR), refused);
    assert_eq!(guest.open("/tmp/a/file", general::O_TRUNC), refused);
    assert_eq!(guest.open("/tmp/a/new", general::O_CREAT), refused);
    assert_eq!(guest.open("/tmp/a", general::O_TMPFILE | general::O_RDWR), refused);
    for (call, path) in
        [("mkdir", "new"), ("chmod", "file"), ("truncate", "file"), ("unlink", "file"), ("rmdir", "file")]
    {
        assert_eq!(guest.path(call, &format!("/tmp/a/{path}")), refused, "{call}");
    }
    assert_eq!(guest.two("rename", "/tmp/a/file", "/tmp/a/other"), refused);
    assert_eq!(guest.two("link", "/tmp/a/file", "/tmp/a/other"), refused);
    assert_eq!(guest.two("symlink", "file", "/tmp/a/other"), refused);
    assert_eq!(guest.call("utimensat", &[CWD, guest.text("/tmp/a/file"), 0, 0]), refused);
    assert_eq!(guest.content("/tmp/a/file").unwrap(), b"content");
    mount(&guest, "", "/tmp/a", "", REMOUNT, "").unwrap();
    assert_eq!(guest.path("unlink", "/tmp/a/file"), Ok(0));
    assert_eq!(mount(&guest, "", "/", "", REMOUNT, ""), refused, "what cannot be written is not made writable");
}

#[test]
fn a_mapping_through_which_stores_come_is_a_writer() {
    let guest = Guest::new();
    guest.path("mkdir", "/tmp/a").unwrap();
    mount(&guest, "x", "/tmp/a", "tmpfs", 0, "").unwrap();
    let file = guest.create("/tmp/a/file", b"content");
    let mapped = guest.process.descriptors.get(file as i32).unwrap().file().mappable_for_stores().unwrap();
    guest.call("close", &[file]).unwrap();
    assert_eq!(mount(&guest, "", "/tmp/a", "", REMOUNT | READ_ONLY, ""), Err(Errno::EBUSY));
    drop(mapped);
    assert_eq!(mount(&guest, "", "/tmp/a", "", REMOUNT | READ_ONLY, ""), Ok(0));
}

#[test]
fn one_file_system_is_seen_in_two_places_with_rules_of_each() {
    let guest = Guest::new();
    guest.path("mkdir", "/tmp/a").unwrap();
    guest.path("mkdir", "/tmp/a/deep").unwrap();
    guest.path("mkdir", "/tmp/b").unwrap();
    mount(&guest, "/tmp/a", "/tmp/b", "", BIND, "").unwrap();
    guest.create("/tmp/b/deep/file", b"x");
    assert_eq!(guest.content("/tmp/a/deep/file").unwrap(), b"x");
    guest.path("chdir", "/tmp/b/deep").unwrap();
    assert_eq!(guest.cwd().unwrap(), "/tmp/b/deep");
    guest.path("chdir", "../..").unwrap();
    assert_eq!(guest.cwd().unwrap(), "/tmp");
    let line = told(&guest, "/proc/self/mountinfo").lines().last().unwrap().to_owned();
    assert!(line.contains(" /a /tmp/b rw,relatime - tmpfs tmpfs rw"), "{line}");
    assert_eq!(mount(&guest, "", "/tmp/b", "", REMOUNT | BIND | READ_ONLY, ""), Err(Errno::EBUSY), "the file is open");
    guest.call("close_range", &[3, 1000, 0]).unwrap();
    mount(&guest, "", "/tmp/b", "", REMOUNT | BIND | READ_ONLY, "").unwrap();
    assert_eq!(guest.path("mkdir", "/tmp/b/new"), Err(Errno::EROFS));
    assert_eq!(guest.path("mkdir", "/tmp/a/new"), Ok(0));
    mount(&guest, "", "/tmp", "", REMOUNT | READ_ONLY, "").unwrap();
    mount(&guest, "", "/tmp/b", "", REMOUNT | BIND, "").unwrap();
    assert_eq!(
        guest.path("mkdir", "/tmp/b/other"),
        Err(Errno::EROFS),
        "the file system is read-only wherever it is seen"
    );
    mount(&guest, "", "/tmp", "", REMOUNT, "").unwrap();
    assert_eq!(guest.path("mkdir", "/tmp/b/other"), Ok(0));
    assert_eq!(mount(&guest, "/etc/passwd", "/tmp/b", "", BIND, ""), Err(Errno::ENOTDIR));
    assert_eq!(mount(&guest, "/", "/tmp/a", "", BIND, ""), Ok(0));
    assert!(guest.stat("/tmp/a/etc/passwd").is_ok() && guest.stat("/tmp/a/tmp/b").is_err(), "without what lies on it");
}

#[test]
fn what_is_detached_stays_for_those_who_use_it() {
    let guest = Guest::new();
    guest.path("mkdir", "/tmp/a").unwrap();
    mount(&guest, "x", "/tmp/a", "tmpfs", 0, "").unwrap();
    guest.path("mkdir", "/tmp/a/deep").unwrap();
    mount(&guest, "y", "/tmp/a/deep", "tmpfs", 0, "").unwrap();
    let file = guest.create("/tmp/a/deep/file", b"still here");
    assert_eq!(unmount(&guest, "/tmp/a", 0), Err(Errno::EBUSY), "for what lies on it");
    guest.path("chdir", "/tmp/a").unwrap();
    assert_eq!(unmount(&guest, "/tmp/a", general::MNT_DETACH), Ok(0));
    let at = guest.room(16);
    assert_eq!(guest.call("pread64", &[file, at, 10, 0]), Ok(10));
    assert_eq!(guest.cwd(), Err(Errno::ENOENT));
    guest.create("new", b"x");
    assert_eq!(guest.stat("..").unwrap().inode, guest.stat(".").unwrap().inode);
    assert_eq!(mount(&guest, "x", ".", "tmpfs", 0, ""), Err(Errno::EINVAL), "nothing is mounted on it any more");
    assert!(guest.list("/tmp/a").unwrap().len() == 2 && !told(&guest, "/proc/mounts").contains("/tmp/a"));
}

#[test]
fn devices_are_opened_by_their_number_unless_the_mount_forbids_it() {
    let guest = Guest::new();
    guest.path("mkdir", "/tmp/dev").unwrap();
    mount(&guest, "devices", "/tmp/dev", "devtmpfs", 0, "").unwrap();
    assert!(guest.open("/tmp/dev/null", general::O_RDWR).is_ok() && guest.open("/tmp/dev/vda", 0).is_ok());
    assert_eq!(guest.open("/tmp/dev/vdb", general::O_RDWR), Err(Errno::EACCES), "the disk is read-only");
    mount(&guest, "", "/tmp/dev", "", REMOUNT | BIND | general::MS_NODEV, "").unwrap();
    assert_eq!(guest.open("/tmp/dev/null", general::O_RDWR), Err(Errno::EACCES));
    assert!(guest.open("/tmp/dev/null", general::O_PATH).is_ok());
    assert!(told(&guest, "/proc/mounts").contains("devices /tmp/dev devtmpfs rw,nodev,relatime"));
}

#[test]
fn what_cannot_be_mounted_is_refused_as_on_linux() {
    let guest = Guest::new();
    guest.create("/tmp/file", b"x");
    for (target, kind, flags, options, error) in [
        ("/tmp", "ext4", 0, "", Errno::ENODEV),
        ("/tmp", "", 0, "", Errno::EINVAL),
        ("/tmp", "tmpfs", 0, "colour=red", Errno::EINVAL),
        ("/tmp", "tmpfs", 0, "size=large", Errno::EINVAL),
        ("/tmp", "tmpfs", 0, "mode=17777", Errno::EINVAL),
        ("/tmp", "proc", 0, "size=1m", Errno::EINVAL),
        ("/tmp", "erofs", 0, "", Errno::ENOTBLK),
        ("/tmp", "tmpfs", general::MS_NOEXEC, "", Errno::EINVAL),
        ("/tmp", "tmpfs", general::MS_MOVE, "", Errno::EINVAL),
        ("/absent", "tmpfs", 0, "", Errno::ENOENT),
        ("/tmp/file", "tmpfs", 0, "", Errno::ENOTDIR),
        ("/etc", "", REMOUNT, "", Errno::EINVAL),
    ] {
        assert_eq!(mount(&guest, "x", target, kind, flags, options), Err(error), "{target} {kind} {flags:x} {options}");
    }
    assert_eq!(mount(&guest, "x", "/tmp", "tmpfs", 0xc0ed_0000 | general::MS_RDONLY, "rw"), Ok(0), "flags of old");
    guest.two("symlink", "tmp", "/dev/link").unwrap();
    assert_eq!(unmount(&guest, "/dev/link", general::UMOUNT_NOFOLLOW), Err(Errno::EINVAL));
    assert_eq!(unmount(&guest, "/tmp", 1 << 12), Err(Errno::EINVAL));
    assert_eq!(unmount(&guest, "/tmp", general::MNT_FORCE), Ok(0));
    assert_eq!(told(&guest, "/proc/filesystems"), "\terofs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\n");
}

#[test]
fn refusals_name_the_thing_and_what_there_is() {
    let guest = Guest::new();
    let refused = |kind: &str, options: &str| {
        let wish = Wish { source: b"none", kind: kind.as_bytes(), flags: 0, options: options.as_bytes() };
        rumpkin_vfs::mount(&guest.process, b"/tmp", &wish).unwrap_err().to_string()
    };
    assert_eq!(
        refused("ext4", ""),
        "no component of this image has file systems of type `ext4`; there are erofs, tmpfs, proc, devtmpfs"
    );
    assert_eq!(
        refused("tmpfs", "ro,color=red"),
        "`color` is not a known option; there are size, mode, ro, rw, nosuid, suid, nodev, dev, relatime, defaults"
    );
    assert_eq!(
        refused("tmpfs", "size=big"),
        "`size`: must be a number of bytes, as 65536, 64k, 16m or 1g, or of percent of memory, as 10%"
    );
    assert_eq!(refused("proc", "nodev,size=1"), refused("devtmpfs", "size=1").replace("devtmpfs", "proc"));
}
