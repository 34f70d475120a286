//! Files and directories in memory: what programs do in /tmp, and files without a name.

mod common;

use common::{CWD, Guest};
use rumpkin_abi::{Errno, Stat, linux::general};
use rumpuser::memory::PAGE_SIZE;

#[test]
fn written_bytes_come_back() {
    let guest = Guest::new();
    let content: Vec<u8> = (0..20_000u32).map(|index| index as u8).collect();
    let file = guest.create("/tmp/a", &content);
    assert_eq!(guest.content("/tmp/a").unwrap(), content);
    let at = guest.room(8);
    assert_eq!(guest.call("pread64", &[file, at, 4, 4094]), Ok(4));
    assert_eq!(guest.peek(at, 4), &content[4094..4098]);
    assert_eq!(guest.call("pread64", &[file, at, 4, usize::MAX]), Err(Errno::EINVAL));
    let stat = guest.stat("/tmp/a").unwrap();
    assert_eq!((stat.size, stat.blocks, stat.mode), (20_000, 40, general::S_IFREG | 0o644));
    let last = guest.open("/tmp/a", general::O_WRONLY | general::O_APPEND).unwrap();
    assert_eq!(guest.write(last, b"end"), Ok(3));
    assert_eq!(guest.stat("/tmp/a").unwrap().size, 20_003);
    guest.open("/tmp/a", general::O_WRONLY | general::O_TRUNC).unwrap();
    assert_eq!(guest.content("/tmp/a").unwrap(), b"");
}

#[test]
fn holes_read_as_zeroes_and_are_found() {
    let guest = Guest::new();
    let file = guest.create("/tmp/a", b"head");
    let far = 10 * PAGE_SIZE;
    assert_eq!(guest.call("pwrite64", &[file, guest.bytes(b"tail"), 4, far]), Ok(4));
    assert_eq!(guest.stat("/tmp/a").unwrap().blocks, 16);
    let seek = |offset: usize, whence: u32| guest.call("lseek", &[file, offset, whence as usize]);
    assert_eq!(seek(4, general::SEEK_HOLE), Ok(PAGE_SIZE));
    assert_eq!(seek(PAGE_SIZE, general::SEEK_DATA), Ok(far));
    assert_eq!(seek(far, general::SEEK_HOLE), Ok(far + 4));
    assert_eq!(seek(far + 4, general::SEEK_DATA), Err(Errno::ENXIO));
    assert_eq!(seek(0, general::SEEK_END), Ok(far + 4));
    assert_eq!(seek(usize::MAX, general::SEEK_SET), Err(Errno::EINVAL));
    assert_eq!(&guest.content("/tmp/a").unwrap()[..8], b"head\0\0\0\0");
}

#[test]
fn what_is_cut_off_does_not_come_back() {
    let guest = Guest::new();
    let file = guest.create("/tmp/a", &[7; 10_000]);
    assert_eq!(guest.call("ftruncate", &[file, 5000]), Ok(0));
    assert_eq!(guest.call("ftruncate", &[file, 10_000]), Ok(0));
    let content = guest.content("/tmp/a").unwrap();
    assert!(content[..5000].iter().all(|&byte| byte == 7) && content[5000..].iter().all(|&byte| byte == 0));
    let punch = general::FALLOC_FL_PUNCH_HOLE | general::FALLOC_FL_KEEP_SIZE;
    assert_eq!(guest.call("fallocate", &[file, punch as usize, 10, 4990]), Ok(0));
    let content = guest.content("/tmp/a").unwrap();
    assert!(content[..10].iter().all(|&byte| byte == 7) && content[10..].iter().all(|&byte| byte == 0));
    assert_eq!(guest.call("fallocate", &[file, 0, 0, 20_000]), Ok(0));
    assert_eq!(guest.stat("/tmp/a").unwrap().size, 20_000);
    assert_eq!(guest.call("fallocate", &[file, 0, 0, 0]), Err(Errno::EINVAL));
    assert_eq!(guest.call("fallocate", &[file, 0x20, 0, 1]), Err(Errno::EOPNOTSUPP));
    assert_eq!(guest.call("ftruncate", &[file, usize::MAX]), Err(Errno::EINVAL));
}

#[test]
fn memory_runs_out_with_enospc() {
    let guest = Guest::new();
    let file = guest.create("/tmp/a", b"");
    assert_eq!(guest.call("fallocate", &[file, 0, 0, 1 << 40]), Err(Errno::ENOSPC));
    assert_eq!(guest.stat("/tmp/a").unwrap().blocks, 0);
    let far = i64::MAX as usize;
    assert_eq!(guest.call("pwrite64", &[file, guest.bytes(b"x"), 1, far]), Err(Errno::EFBIG));
    let at = guest.room(120);
    guest.call("statfs", &[guest.text("/tmp"), at]).unwrap();
    assert_eq!(guest.value::<u64>(at), 0x0102_1994);
    let free = guest.value::<u64>(at + 24);
    assert_eq!(guest.call("fallocate", &[file, 0, 0, free as usize * PAGE_SIZE]), Ok(0));
    let other = guest.create("/run/b", b"");
    assert_eq!(guest.write(other, b"x"), Err(Errno::ENOSPC));
    guest.path("unlink", "/tmp/a").unwrap();
    guest.call("close", &[file]).unwrap();
    assert_eq!(guest.write(other, b"x"), Ok(1));
}

#[test]
fn names_are_made_and_removed_as_on_linux() {
    let guest = Guest::new();
    guest.path("mkdir", "/tmp/d").unwrap();
    guest.path("mkdir", "/tmp/d/e/").unwrap();
    guest.create("/tmp/d/f", b"f");
    assert_eq!(guest.path("mkdir", "/tmp/d"), Err(Errno::EEXIST));
    assert_eq!(guest.path("mkdir", "/tmp/d/."), Err(Errno::EEXIST));
    assert_eq!(guest.path("mkdir", "/tmp/none/x"), Err(Errno::ENOENT));
    assert_eq!(guest.path("mkdir", "/tmp/d/f/x"), Err(Errno::ENOTDIR));
    assert_eq!(guest.path("rmdir", "/tmp/d"), Err(Errno::ENOTEMPTY));
    assert_eq!(guest.path("rmdir", "/tmp/d/f"), Err(Errno::ENOTDIR));
    assert_eq!(guest.path("rmdir", "/tmp/d/e/."), Err(Errno::EINVAL));
    assert_eq!(guest.path("unlink", "/tmp/d/e"), Err(Errno::EISDIR));
    assert_eq!(guest.path("unlink", "/tmp/d/f/"), Err(Errno::ENOTDIR));
    assert_eq!(guest.stat("/tmp/d").unwrap().links, 3);
    guest.path("rmdir", "/tmp/d/e").unwrap();
    assert_eq!(guest.stat("/tmp/d").unwrap().links, 2);
    guest.path("unlink", "/tmp/d/f").unwrap();
    guest.path("chdir", "/tmp/d").unwrap();
    guest.path("rmdir", "/tmp/d").unwrap();
    assert_eq!(guest.cwd(), Err(Errno::ENOENT));
    assert_eq!(guest.open("x", general::O_CREAT | general::O_WRONLY), Err(Errno::ENOENT));
    assert_eq!(guest.open("/tmp/x/", general::O_CREAT | general::O_WRONLY), Err(Errno::EISDIR));
    assert_eq!(guest.open("/tmp/x", general::O_CREAT | general::O_DIRECTORY), Err(Errno::EINVAL));
}

#[test]
fn removed_file_lives_while_it_is_open() {
    let guest = Guest::new();
    let file = guest.create("/tmp/a", b"still here");
    guest.path("unlink", "/tmp/a").unwrap();
    assert_eq!(guest.stat("/tmp/a").err(), Some(Errno::ENOENT));
    let at = guest.room(256);
    assert_eq!(guest.call("pread64", &[file, at, 10, 0]), Ok(10));
    assert_eq!(guest.peek(at, 10), b"still here");
    guest.call("fstat", &[file, at]).unwrap();
    assert_eq!(guest.value::<Stat>(at).links, 0);
    assert_eq!(guest.readlink(&format!("/proc/self/fd/{file}")).unwrap(), "/tmp/a (deleted)");
    let again = guest.open(&format!("/proc/self/fd/{file}"), general::O_RDONLY).unwrap();
    assert_eq!(guest.read(again, 5).unwrap(), b"still");
}

#[test]
fn hard_links_share_a_file() {
    let guest = Guest::new();
    let file = guest.create("/tmp/a", b"one");
    guest.two("link", "/tmp/a", "/tmp/b").unwrap();
    assert_eq!(guest.stat("/tmp/b").unwrap().links, 2);
    assert_eq!(guest.two("link", "/tmp/a", "/tmp/b"), Err(Errno::EEXIST));
    assert_eq!(guest.two("link", "/tmp", "/tmp/c"), Err(Errno::EPERM));
    assert_eq!(guest.two("rename", "/tmp/a", "/tmp/b"), Ok(0));
    assert!(guest.stat("/tmp/a").is_ok(), "renaming a file to another name of itself does nothing");
    guest.path("unlink", "/tmp/a").unwrap();
    assert_eq!(guest.content("/tmp/b").unwrap(), b"one");
    guest.two("symlink", "b", "/tmp/s").unwrap();
    assert_eq!(guest.content("/tmp/s").unwrap(), b"one");
    guest.call("linkat", &[CWD, guest.text("/tmp/s"), CWD, guest.text("/tmp/t"), 0]).unwrap();
    assert_eq!(guest.readlink("/tmp/t").unwrap(), "b");
    guest.path("unlink", "/tmp/b").unwrap();
    assert_eq!(guest.open("/tmp/s", 0), Err(Errno::ENOENT));
    let created = guest.open("/tmp/s", general::O_CREAT | general::O_WRONLY).unwrap();
    assert!(guest.stat("/tmp/b").is_ok(), "a dangling link creates what it names");
    assert_ne!(created, file);
    assert_eq!(guest.open("/tmp/s", general::O_CREAT | general::O_EXCL), Err(Errno::EEXIST));
}

#[test]
fn unnamed_file_gets_a_name_later() {
    let guest = Guest::new();
    let flags = general::O_TMPFILE | general::O_RDWR;
    let file = guest.open("/tmp", flags).unwrap();
    guest.write(file, b"born").unwrap();
    assert_eq!(guest.list("/tmp").unwrap().len(), 2);
    let name = guest.text(&format!("/proc/self/fd/{file}"));
    let follow = general::AT_SYMLINK_FOLLOW as usize;
    guest.call("linkat", &[CWD, name, CWD, guest.text("/tmp/named"), follow]).unwrap();
    assert_eq!(guest.content("/tmp/named").unwrap(), b"born");
    assert_eq!((guest.open("/etc", flags), guest.open("/proc", flags)), (Err(Errno::EROFS), Err(Errno::EOPNOTSUPP)));
}

#[test]
fn rename_moves_replaces_and_exchanges() {
    let guest = Guest::new();
    let rename = |from: &str, to: &str, flags: u32| {
        guest.call("renameat2", &[CWD, guest.text(from), CWD, guest.text(to), flags as usize])
    };
    guest.create("/tmp/a", b"a");
    guest.create("/tmp/b", b"b");
    assert_eq!(rename("/tmp/a", "/tmp/b", general::RENAME_NOREPLACE), Err(Errno::EEXIST));
    rename("/tmp/a", "/tmp/b", general::RENAME_EXCHANGE).unwrap();
    assert_eq!((guest.content("/tmp/a").unwrap(), guest.content("/tmp/b").unwrap()), (b"b".to_vec(), b"a".to_vec()));
    rename("/tmp/a", "/tmp/b", 0).unwrap();
    assert_eq!(guest.content("/tmp/b").unwrap(), b"b");
    assert_eq!(rename("/tmp/a", "/tmp/c", 0), Err(Errno::ENOENT));
    for directory in ["/tmp/d", "/tmp/d/e", "/tmp/d/e/f", "/tmp/g", "/tmp/g/h"] {
        guest.path("mkdir", directory).unwrap();
    }
    assert_eq!(rename("/tmp/d", "/tmp/d/e/f/x", 0), Err(Errno::EINVAL));
    assert_eq!(rename("/tmp/d", "/tmp/g", 0), Err(Errno::ENOTEMPTY));
    guest.create("/tmp/g/inside", b"");
    assert_eq!(rename("/tmp/g/inside", "/tmp/g", 0), Err(Errno::ENOTEMPTY), "a file in the place of its own folder");
    guest.path("unlink", "/tmp/g/inside").unwrap();
    assert_eq!(rename("/tmp/d", "/tmp/b", 0), Err(Errno::ENOTDIR));
    assert_eq!(rename("/tmp/b", "/tmp/d", 0), Err(Errno::EISDIR));
    assert_eq!(rename("/tmp/b", "/tmp/c/", 0), Err(Errno::ENOTDIR));
    assert_eq!(rename("/tmp/d/.", "/tmp/x", 0), Err(Errno::EBUSY));
    assert_eq!(rename("/tmp/d", "/tmp/x", 8), Err(Errno::EINVAL));
    guest.path("chdir", "/tmp/d/e/f").unwrap();
    rename("/tmp/d/e", "/tmp/g/h", 0).unwrap();
    assert_eq!(guest.cwd().unwrap(), "/tmp/g/h/f", "the working directory moves along");
    assert_eq!((guest.stat("/tmp/d").unwrap().links, guest.stat("/tmp/g").unwrap().links), (2, 3));
    guest.path("chdir", "../../../d").unwrap();
    assert_eq!(guest.cwd().unwrap(), "/tmp/d");
}

#[test]
fn listing_survives_removal_of_what_was_listed() {
    let guest = Guest::new();
    for index in 0..100 {
        guest.create(&format!("/tmp/file-{index}"), b"");
    }
    assert_eq!(guest.list("/tmp").unwrap().len(), 102);
    let directory = guest.open("/tmp", general::O_RDONLY).unwrap();
    let at = guest.room(256);
    let mut removed = 0;
    loop {
        let length = guest.call("getdents64", &[directory, at, 256]).unwrap();
        if length == 0 {
            break;
        }
        let bytes = guest.peek(at, length);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let size = u16::from_le_bytes([rest[16], rest[17]]) as usize;
            let name = std::str::from_utf8(&rest[19..size]).unwrap().trim_end_matches('\0');
            if name != "." && name != ".." {
                guest.path("unlink", &format!("/tmp/{name}")).unwrap();
                removed += 1;
            }
            rest = &rest[size..];
        }
    }
    assert_eq!(removed, 100);
    assert_eq!(guest.call("getdents64", &[directory, at, 4]), Ok(0));
    assert_eq!(guest.call("lseek", &[directory, 0, 0]), Ok(0));
    assert_eq!(guest.call("getdents64", &[directory, at, 4]), Err(Errno::EINVAL));
}

#[test]
fn mode_times_and_owner_are_kept() {
    let guest = Guest::new();
    assert_eq!(guest.call("umask", &[0o77]), Ok(0o22));
    guest.create("/tmp/a", b"");
    assert_eq!(guest.stat("/tmp/a").unwrap().mode & 0o7777, 0o600);
    guest.call("chmod", &[guest.text("/tmp/a"), 0o4711]).unwrap();
    guest.call("chown", &[guest.text("/tmp/a"), 10, u32::MAX as usize]).unwrap();
    let times: Vec<u8> = [5i64, 6, 7, 8].iter().flat_map(|word| word.to_le_bytes()).collect();
    guest.call("utimensat", &[CWD, guest.text("/tmp/a"), guest.bytes(&times), 0]).unwrap();
    let stat = guest.stat("/tmp/a").unwrap();
    assert_eq!((stat.mode & 0o7777, stat.uid, stat.gid), (0o4711, 10, 0));
    assert_eq!((stat.access_time, stat.access_nanoseconds, stat.modify_time, stat.modify_nanoseconds), (5, 6, 7, 8));
    let wrong: Vec<u8> = [5i64, 1_000_000_000, 7, 8].iter().flat_map(|word| word.to_le_bytes()).collect();
    assert_eq!(guest.call("utimensat", &[CWD, guest.text("/tmp/a"), guest.bytes(&wrong), 0]), Err(Errno::EINVAL));
    let omit: Vec<u8> = [0, 0x3fff_fffe, 0, 0x3fff_fffei64].iter().flat_map(|word| word.to_le_bytes()).collect();
    guest.call("utimensat", &[CWD, guest.text("/tmp/a"), guest.bytes(&omit), 0]).unwrap();
    assert_eq!(guest.stat("/tmp/a").unwrap().modify_time, 7);
}

#[test]
fn memfd_is_sealed() {
    let guest = Guest::new();
    let file = guest.call("memfd_create", &[guest.text("x"), general::MFD_ALLOW_SEALING as usize]).unwrap();
    guest.write(file, b"fixed").unwrap();
    let seals = (general::F_SEAL_WRITE | general::F_SEAL_SHRINK | general::F_SEAL_GROW) as usize;
    assert_eq!(guest.call("fcntl", &[file, general::F_ADD_SEALS as usize, seals]), Ok(0));
    assert_eq!(guest.call("fcntl", &[file, general::F_GET_SEALS as usize]), Ok(seals));
    assert_eq!(guest.write(file, b"x"), Err(Errno::EPERM));
    assert_eq!(guest.call("ftruncate", &[file, 0]), Err(Errno::EPERM));
    assert_eq!(guest.call("ftruncate", &[file, 50]), Err(Errno::EPERM));
    assert_eq!(guest.readlink(&format!("/proc/self/fd/{file}")).unwrap(), "/memfd:x (deleted)");
    assert_eq!(guest.call("memfd_create", &[guest.text("x"), 0x80]), Err(Errno::EINVAL));
}

#[test]
fn mapping_that_lets_stores_through_keeps_a_seal_off() {
    let guest = Guest::new();
    let memory = |flags: u32| guest.call("memfd_create", &[guest.text("x"), flags as usize]).unwrap();
    let seal = |file: usize, seals: u32| guest.call("fcntl", &[file, general::F_ADD_SEALS as usize, seals as usize]);
    let number = memory(general::MFD_ALLOW_SEALING);
    let file = guest.process.descriptors.get(number as i32).unwrap();
    let pages = file.file().mappable_for_stores().unwrap();
    assert_eq!(seal(number, general::F_SEAL_WRITE), Err(Errno::EBUSY));
    assert_eq!(seal(number, general::F_SEAL_FUTURE_WRITE), Ok(0), "which leaves what is mapped alone");
    assert_eq!(file.file().mappable_for_stores().err(), Some(Errno::EPERM));
    let to_read = file.file().mappable().unwrap();
    drop(pages);
    assert_eq!(seal(number, general::F_SEAL_WRITE), Ok(0));
    drop(to_read);
    let punch = (general::FALLOC_FL_PUNCH_HOLE | general::FALLOC_FL_KEEP_SIZE) as usize;
    assert_eq!(guest.call("fallocate", &[number, punch, 0, 4096]), Err(Errno::EPERM));
    let reader = guest.open(&format!("/proc/self/fd/{number}"), general::O_RDONLY).unwrap();
    assert_eq!(seal(reader, general::F_SEAL_GROW), Err(Errno::EPERM), "whoever may not write may not seal");
}

#[test]
fn seal_keeps_a_file_executable_or_not() {
    let guest = Guest::new();
    let memory = |flags: u32| guest.call("memfd_create", &[guest.text("x"), flags as usize]);
    let seals = |file: usize| guest.call("fcntl", &[file, general::F_GET_SEALS as usize]).unwrap() as u32;
    let script = memory(general::MFD_ALLOW_SEALING).unwrap();
    guest.call("fcntl", &[script, general::F_ADD_SEALS as usize, general::F_SEAL_EXEC as usize]).unwrap();
    assert_eq!(seals(script), 0x3e, "and nobody writes what can be executed");
    assert_eq!(guest.call("fchmod", &[script, 0o644]), Err(Errno::EPERM));
    assert_eq!(guest.call("fchmod", &[script, 0o555]), Ok(0));
    let data = memory(general::MFD_NOEXEC_SEAL).unwrap();
    assert_eq!(seals(data), general::F_SEAL_EXEC);
    assert_eq!(guest.call("fchmod", &[data, 0o744]), Err(Errno::EPERM));
    assert_eq!(guest.call("fchmod", &[data, 0o600]), Ok(0));
    assert_eq!(memory(general::MFD_NOEXEC_SEAL | general::MFD_EXEC), Err(Errno::EINVAL));
}

#[test]
fn shared_mapping_and_file_are_one() {
    let guest = Guest::new();
    let number = guest.create("/dev/shm/a", &[1; 5000]);
    let file = guest.process.descriptors.get(number as i32).unwrap();
    let pages = file.file().mappable().unwrap();
    pages.frame(0).unwrap().write(10, b"by store");
    assert_eq!(&guest.content("/dev/shm/a").unwrap()[10..18], b"by store");
    assert!(pages.frame(1).is_ok());
    assert_eq!(pages.frame(2).err(), Some(Errno::ENXIO));
    guest.call("ftruncate", &[number, 4096]).unwrap();
    assert_eq!(pages.frame(1).err(), Some(Errno::ENXIO));
}

#[test]
fn locks_exclude_other_descriptions() {
    let guest = Guest::new();
    let one = guest.create("/tmp/a", b"");
    let other = guest.open("/tmp/a", general::O_RDWR).unwrap();
    let flock = |file: usize, operation: u32| guest.call("flock", &[file, (operation | general::LOCK_NB) as usize]);
    flock(one, general::LOCK_EX).unwrap();
    assert_eq!(flock(other, general::LOCK_SH), Err(Errno::EAGAIN));
    let copy = guest.call("dup", &[one]).unwrap();
    guest.call("close", &[one]).unwrap();
    assert_eq!(flock(other, general::LOCK_SH), Err(Errno::EAGAIN), "the copy holds the lock, too");
    guest.call("close", &[copy]).unwrap();
    flock(other, general::LOCK_SH).unwrap();
    let third = guest.open("/tmp/a", general::O_RDONLY).unwrap();
    flock(third, general::LOCK_SH).unwrap();
    assert_eq!(flock(third, general::LOCK_EX), Err(Errno::EAGAIN));
    flock(other, general::LOCK_UN).unwrap();
    flock(third, general::LOCK_EX).unwrap();
    assert_eq!(flock(third, 64), Err(Errno::EINVAL));
}

#[test]
fn bad_buffers_are_efault_and_keep_the_position() {
    let guest = Guest::new();
    let file = guest.create("/tmp/a", b"content");
    assert_eq!(guest.call("write", &[file, 8, 4]), Err(Errno::EFAULT));
    assert_eq!(guest.call("lseek", &[file, 0, general::SEEK_CUR as usize]), Ok(7));
    assert_eq!(guest.call("pread64", &[file, 8, 4, 0]), Err(Errno::EFAULT));
    assert_eq!(guest.call("read", &[file, 8, 0]), Ok(0));
    assert_eq!(guest.call("write", &[file, usize::MAX - 4, 100]), Err(Errno::EFAULT));
    assert_eq!(guest.stat("/tmp/a").unwrap().size, 7);
}
