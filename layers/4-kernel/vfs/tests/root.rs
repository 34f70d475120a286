//! The root file system: an EROFS image with generated files over it, and the rules of path lookup.

mod common;

use common::{CWD, Guest};
use rumpkin_abi::{Errno, linux::general};
use rumpkin_mm::{Request, Source};
use rumpuser::memory::Protection;

#[test]
fn files_of_the_image_are_read() {
    let guest = Guest::new();
    assert_eq!(guest.content("/etc/passwd").unwrap(), b"root:x:0:0::/:/bin/sh\n");
    assert_eq!(guest.content("/usr/lib/page").unwrap(), [b'p'; 4096]);
    let big = guest.content("/usr/lib/big").unwrap();
    assert_eq!((big.len(), big[9999], big[10000]), (10001, b'x', b'y'));
    assert_eq!(guest.content("/empty").unwrap(), b"");
    assert_eq!(guest.content("/a/b/c/d").unwrap(), b"deep");
    let stat = guest.stat("/bin/tool").unwrap();
    assert_eq!((stat.mode, stat.size, stat.modify_time), (general::S_IFREG | 0o755, 4, 1_000_000_000));
}

#[test]
fn generated_files_lie_over_the_image() {
    let guest = Guest::new();
    assert_eq!(guest.content("/etc/hosts").unwrap(), b"from the image\n", "a stand-in gives way");
    assert_eq!(guest.content("/etc/hostname").unwrap(), b"rumpkin");
    assert_eq!(guest.content("/etc/resolv.conf").unwrap(), b"nameserver 10.0.2.3\n");
    assert_eq!(guest.content("/made/up/file").unwrap(), b"made up\n");
    let mut names = guest.list("/etc").unwrap();
    names.sort();
    assert_eq!(names, [".", "..", "hostname", "hosts", "passwd", "resolv.conf"]);
    let top = guest.list("/").unwrap();
    for name in ["etc", "made", "proc", "dev", "tmp", "run", "usr", "lib"] {
        assert_eq!(top.iter().filter(|other| *other == name).count(), 1, "{name}");
    }
}

#[test]
fn generated_files_on_a_temporary_file_system_are_its_own() {
    let guest = Guest::new();
    assert_eq!(guest.content("/run/secrets/deep/key").unwrap(), [7; 5000]);
    let stat = guest.stat("/run/secrets/deep/key").unwrap();
    assert_eq!((stat.mode, stat.size), (general::S_IFREG | 0o400, 5000));
    assert_eq!(guest.list("/run/secrets").unwrap(), [".", "..", "deep"]);
}

#[test]
fn large_directory_is_listed_and_searched() {
    let guest = Guest::new();
    assert_eq!(guest.list("/many").unwrap().len(), 302);
    for index in 1..=300 {
        guest.stat(&format!("/many/link-with-a-rather-long-name-{index}")).unwrap();
    }
    for absent in ["a", "link", "link-with-a-rather-long-name-1000", "zzz"] {
        assert_eq!(guest.stat(&format!("/many/{absent}")).err(), Some(Errno::ENOENT));
    }
}

#[test]
fn symbolic_links_are_followed() {
    let guest = Guest::new();
    assert_eq!(guest.content("/lib/page").unwrap().len(), 4096);
    assert_eq!(guest.content("/bin/link").unwrap(), b"root:x:0:0::/:/bin/sh\n");
    assert_eq!(guest.readlink("/lib").unwrap(), "usr/lib");
    assert_eq!(guest.readlink("/etc"), Err(Errno::EINVAL));
    assert_eq!(guest.stat("/loop1").err(), Some(Errno::ELOOP));
    assert_eq!(guest.lstat("/loop1").unwrap().mode & general::S_IFMT, general::S_IFLNK);
    assert_eq!(guest.lstat("/lib/").unwrap().mode & general::S_IFMT, general::S_IFDIR);
    assert_eq!(guest.open("/lib", general::O_NOFOLLOW), Err(Errno::ELOOP));
    assert_eq!(guest.open("/lib", general::O_NOFOLLOW | general::O_DIRECTORY), Err(Errno::ENOTDIR));
    assert!(guest.open("/lib", general::O_NOFOLLOW | general::O_PATH).is_ok());
}

#[test]
fn dots_and_slashes_resolve_as_on_linux() {
    let guest = Guest::new();
    for path in [
        "/../..//etc/./passwd",
        "etc/passwd",
        "./etc/../etc/passwd",
        "/made/up/../../etc/passwd",
        "/proc/../etc/passwd",
    ] {
        assert!(guest.stat(path).is_ok(), "{path}");
    }
    assert_eq!(guest.stat("/etc/passwd/").err(), Some(Errno::ENOTDIR));
    assert_eq!(guest.stat("/etc/passwd/.").err(), Some(Errno::ENOTDIR));
    assert_eq!(guest.stat("/etc/passwd/..").err(), Some(Errno::ENOTDIR));
    assert_eq!(guest.stat("/none/..").err(), Some(Errno::ENOENT));
    assert_eq!(guest.stat("").err(), Some(Errno::ENOENT));
    assert_eq!(guest.stat(&"x".repeat(256)).err(), Some(Errno::ENAMETOOLONG));
    assert_eq!(guest.stat(&"x/".repeat(2048)).err(), Some(Errno::ENAMETOOLONG));
}

#[test]
fn nothing_of_the_image_can_be_changed() {
    let guest = Guest::new();
    assert_eq!(guest.open("/etc/passwd", general::O_RDWR), Err(Errno::EROFS));
    assert_eq!(guest.open("/etc/new", general::O_WRONLY | general::O_CREAT), Err(Errno::EROFS));
    assert_eq!(guest.open("/etc", general::O_WRONLY), Err(Errno::EISDIR));
    assert!(guest.open("/etc/passwd", general::O_RDONLY | general::O_CREAT).is_ok());
    assert_eq!(guest.path("mkdir", "/new"), Err(Errno::EROFS));
    assert_eq!(guest.path("mkdir", "/etc"), Err(Errno::EEXIST));
    assert_eq!(guest.path("unlink", "/etc/passwd"), Err(Errno::EROFS));
    assert_eq!(guest.path("rmdir", "/etc"), Err(Errno::EROFS));
    assert_eq!(guest.path("rmdir", "/tmp"), Err(Errno::EBUSY));
    assert_eq!(guest.path("chmod", "/etc"), Err(Errno::EROFS));
    assert_eq!(guest.two("rename", "/etc/passwd", "/etc/x"), Err(Errno::EROFS));
    assert_eq!(guest.two("rename", "/etc/passwd", "/tmp/x"), Err(Errno::EXDEV));
    assert_eq!(guest.two("link", "/etc/passwd", "/tmp/x"), Err(Errno::EXDEV));
    assert_eq!(guest.call("access", &[guest.text("/etc/passwd"), general::W_OK as usize]), Err(Errno::EROFS));
    assert_eq!(guest.call("access", &[guest.text("/etc/passwd"), general::X_OK as usize]), Err(Errno::EACCES));
    assert_eq!(guest.call("access", &[guest.text("/bin/tool"), general::X_OK as usize]), Ok(0));
}

#[test]
fn working_directory_is_known_by_its_path() {
    let guest = Guest::new();
    assert_eq!(guest.cwd().unwrap(), "/");
    for directory in ["/a/b/c", "/made/up", "/etc", "/tmp", "/dev/shm", "/var/tmp", "/proc", "/proc/sys/kernel"] {
        guest.path("chdir", directory).unwrap();
        assert_eq!(guest.cwd().unwrap(), directory);
    }
    guest.path("chdir", "/lib").unwrap();
    assert_eq!(guest.cwd().unwrap(), "/usr/lib");
    guest.path("chdir", "../..").unwrap();
    assert_eq!(guest.cwd().unwrap(), "/");
    guest.path("chdir", "/proc/self/fd").unwrap();
    assert_eq!(guest.cwd().unwrap(), format!("/proc/{}/fd", guest.process.id));
    guest.path("chdir", "../../../a").unwrap();
    assert_eq!(guest.cwd().unwrap(), "/a");
    assert_eq!(guest.path("chdir", "/etc/passwd"), Err(Errno::ENOTDIR));
    assert_eq!(guest.call("getcwd", &[guest.room(8), 2]), Err(Errno::ERANGE));
}

#[test]
fn openat2_keeps_a_walk_inside() {
    let guest = Guest::new();
    let directory = guest.open("/a/b", general::O_PATH | general::O_DIRECTORY).unwrap();
    let open = |path: &str, resolve: u32| {
        let how: Vec<u8> = [0u64, 0, resolve.into()].iter().flat_map(|word| word.to_le_bytes()).collect();
        guest.call("openat2", &[directory, guest.text(path), guest.bytes(&how), 24])
    };
    assert!(open("c/d", general::RESOLVE_BENEATH).is_ok());
    assert_eq!(open("../b/c/d", general::RESOLVE_BENEATH), Err(Errno::EXDEV));
    assert_eq!(open("/a/b/c/d", general::RESOLVE_BENEATH), Err(Errno::EXDEV));
    assert!(open("/c/d", general::RESOLVE_IN_ROOT).is_ok());
    assert!(open("../../c/../../c/d", general::RESOLVE_IN_ROOT).is_ok());
    assert_eq!(open("/lib/page", general::RESOLVE_NO_SYMLINKS), Err(Errno::ELOOP));
    assert_eq!(open("/proc/self/exe", general::RESOLVE_NO_MAGICLINKS), Err(Errno::ELOOP));
    assert_eq!(open("/tmp", general::RESOLVE_NO_XDEV), Err(Errno::EXDEV));
    assert_eq!(open("c", 1 << 20), Err(Errno::EINVAL));
}

#[test]
fn empty_path_means_the_descriptor() {
    let guest = Guest::new();
    let file = guest.open("/etc/passwd", general::O_PATH).unwrap();
    let at = guest.room(256);
    assert_eq!(guest.call("newfstatat", &[file, guest.text(""), at, general::AT_EMPTY_PATH as usize]), Ok(0));
    assert_eq!(guest.call("newfstatat", &[file, guest.text(""), at, 0]), Err(Errno::ENOENT));
    assert_eq!(guest.call("newfstatat", &[file, guest.text("x"), at, 0]), Err(Errno::ENOTDIR));
    assert_eq!(guest.call("newfstatat", &[99, guest.text("x"), at, 0]), Err(Errno::EBADF));
    assert_eq!(guest.call("newfstatat", &[CWD, 8, at, 0]), Err(Errno::EFAULT));
    assert_eq!(guest.read(file, 1), Err(Errno::EBADF));
    assert_eq!(guest.call("statx", &[file, guest.text(""), general::AT_EMPTY_PATH as usize, 0x7ff, at]), Ok(0));
    let mode = guest.value::<u16>(at + 28);
    assert_eq!(u32::from(mode), general::S_IFREG | 0o644);
    assert_eq!(guest.value::<u64>(at + 40), 22);
}

#[test]
fn image_is_mapped_in_place_and_its_tail_is_copied() {
    let guest = Guest::new();
    let file = rumpkin_vfs::open(&guest.process, b"/usr/lib/big", general::O_RDONLY).unwrap();
    let object = file.file().mappable().unwrap();
    assert_eq!(object.frame(0).unwrap().number(), object.frame(0).unwrap().number(), "the payload's own frame");
    assert_ne!(object.frame(2).unwrap().number(), object.frame(2).unwrap().number(), "a copy each time");
    assert_eq!(object.frame(3).err(), Some(Errno::ENXIO));
    let mut tail = [1; 4096];
    object.frame(2).unwrap().read(0, &mut tail);
    assert_eq!((tail[1808], tail[1809], tail[4095]), (b'y', 0, 0));
    assert_eq!(object.name().unwrap(), b"/usr/lib/big");
    let source = Source::File { object, offset: 0, shared: false };
    let protection = Protection::READ;
    let request = Request { address: 0, fixed: false, replace: false, length: 12288, protection, source };
    let at = guest.process.memory.map(request).unwrap();
    assert_eq!(guest.peek(at + 9999, 3), b"xy\0");
    let maps = String::from_utf8(guest.content("/proc/self/maps").unwrap()).unwrap();
    assert!(maps.contains("/usr/lib/big"), "{maps}");
}

#[test]
fn image_without_var_gets_one_that_can_be_written() {
    let guest = Guest::new();
    for folder in ["cache", "lib", "lock", "log", "run", "spool", "tmp"] {
        guest.create(&format!("/var/{folder}/a file"), b"content");
    }
    assert_eq!(guest.content("/run/a file"), Ok(b"content".to_vec()), "/var/run is /run");
    guest.call("chdir", &[guest.text("/var/run")]).unwrap();
    assert_eq!(guest.cwd().unwrap(), "/var/run");
    let names = [".", "..", "cache", "lib", "lock", "log", "run", "spool", "tmp"];
    assert_eq!(guest.list("/var").unwrap(), names);
}

#[test]
fn sendfile_reads_the_image_in_place() {
    let guest = Guest::new();
    let (from, to) = (guest.open("/usr/lib/big", 0).unwrap(), guest.create("/tmp/copy", b""));
    assert_eq!(guest.call("sendfile", &[to, from, 0, 1 << 20]), Ok(10001));
    assert_eq!(guest.content("/tmp/copy").unwrap(), guest.content("/usr/lib/big").unwrap());
    let offset = guest.bytes(&9999u64.to_le_bytes());
    assert_eq!(guest.call("sendfile", &[to, from, offset, 1]), Ok(1));
    assert_eq!(guest.value::<u64>(offset), 10000);
    let zero = guest.bytes(&0u64.to_le_bytes());
    assert_eq!(guest.call("copy_file_range", &[from, zero, to, zero, 5]), Ok(5));
}
