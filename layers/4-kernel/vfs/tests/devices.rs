//! /dev: memory devices, disks, the console; and /proc.

mod common;

use common::{DISK, Guest};
use proptest::prelude::*;
use rumpkin_abi::{
    Errno,
    linux::{general, ioctl},
};
use rumpuser::device::Disk;
use rumpuser_hosted::disk::{DiskFaults, MemoryDisk, PowerCut};

#[test]
fn memory_devices_behave() {
    let guest = Guest::new();
    let null = guest.open("/dev/null", general::O_RDWR).unwrap();
    assert_eq!((guest.read(null, 10), guest.write(null, b"gone")), (Ok(vec![]), Ok(4)));
    let zero = guest.open("/dev/zero", general::O_RDONLY).unwrap();
    assert_eq!(guest.read(zero, 3000), Ok(vec![0; 3000]));
    let full = guest.open("/dev/full", general::O_RDWR).unwrap();
    assert_eq!(guest.write(full, b"x"), Err(Errno::ENOSPC));
    let random = guest.open("/dev/urandom", general::O_RDONLY).unwrap();
    assert_ne!(guest.read(random, 32), guest.read(random, 32));
    let stat = guest.stat("/dev/null").unwrap();
    assert_eq!((stat.mode, stat.special_device), (general::S_IFCHR | 0o666, 0x103));
    assert_eq!(guest.open("/dev/tty", general::O_RDWR).and_then(|tty| guest.read(tty, 1)), Err(Errno::ENXIO));
}

/// What reads of a disk see.
fn on(disk: &MemoryDisk) -> Vec<u8> {
    let mut content = vec![0; DISK];
    disk.read(0, &mut content).unwrap();
    content
}

#[test]
fn disk_takes_any_position_and_length() {
    let guest = Guest::new();
    let disk = guest.open("/dev/vda", general::O_RDWR).unwrap();
    let pattern: Vec<u8> = (0..2000u32).map(|index| index as u8).collect();
    let at = guest.bytes(&pattern);
    assert_eq!(guest.call("pwrite64", &[disk, at, 2000, 100]), Ok(2000));
    assert_eq!(guest.call("pwrite64", &[disk, at, 512, 1024]), Ok(512));
    let mut expected = vec![0; 64 * 512];
    expected[100..2100].copy_from_slice(&pattern);
    expected[1024..1536].copy_from_slice(&pattern[..512]);
    assert_eq!(on(&guest.disk), expected);
    assert_eq!(guest.content("/dev/vda").unwrap(), expected);
    assert_eq!(guest.call("lseek", &[disk, 0, general::SEEK_END as usize]), Ok(64 * 512));
    assert_eq!(guest.read(disk, 10), Ok(vec![]), "the end");
    assert_eq!(guest.write(disk, b"x"), Err(Errno::ENOSPC));
    assert_eq!(guest.call("pwrite64", &[disk, at, 100, 64 * 512 - 10]), Ok(10));
    assert_eq!(guest.call("fsync", &[disk]), Ok(0));
    guest.disk.cut_power(PowerCut { kept: 0, torn: 0 });
    assert_eq!(guest.call("pread64", &[disk, at, 10, 0]), Err(Errno::EIO));
    assert_eq!(guest.call("pwrite64", &[disk, at, 10, 0]), Err(Errno::EIO));
    assert_eq!(guest.call("fdatasync", &[disk]), Err(Errno::EIO));
}

#[test]
fn disk_tells_its_geometry() {
    let guest = Guest::new();
    let disk = guest.open("/dev/vda", general::O_RDONLY).unwrap();
    let read_only = guest.open("/dev/vdb", general::O_RDONLY).unwrap();
    let at = guest.room(16);
    let ask =
        |file: usize, command: u32| guest.call("ioctl", &[file, command as usize, at]).map(|_| guest.value::<u32>(at));
    assert_eq!(ask(disk, ioctl::BLKGETSIZE64), Ok(32768));
    assert_eq!(ask(disk, ioctl::BLKGETSIZE), Ok(64));
    assert_eq!(ask(disk, ioctl::BLKSSZGET), Ok(512));
    assert_eq!(ask(disk, ioctl::BLKPBSZGET), Ok(4096));
    assert_eq!((ask(disk, ioctl::BLKROGET), ask(read_only, ioctl::BLKROGET)), (Ok(0), Ok(1)));
    assert_eq!(ask(disk, 0x1234), Err(Errno::ENOTTY));
    assert_eq!(guest.open("/dev/vdb", general::O_RDWR), Err(Errno::EACCES));
    assert_eq!(guest.open("/dev/vdc", general::O_RDONLY), Err(Errno::ENOENT));
    let stat = guest.stat("/dev/vda").unwrap();
    assert_eq!((stat.mode, stat.special_device), (general::S_IFBLK | 0o660, 254 << 8));
    let direct = guest.open("/dev/vda", general::O_RDONLY | general::O_DIRECT).unwrap();
    let buffer = guest.room(2048).next_multiple_of(512);
    assert_eq!(guest.call("pread64", &[direct, buffer, 512, 512]), Ok(512));
    assert_eq!(guest.call("pread64", &[direct, buffer, 100, 512]), Err(Errno::EINVAL));
    assert_eq!(guest.call("pread64", &[direct, buffer + 1, 512, 512]), Err(Errno::EINVAL));
    let range = guest.bytes(&[512u64.to_le_bytes(), 512u64.to_le_bytes()].concat());
    guest.disk.write(0, &[9; DISK]).unwrap();
    guest.call("ioctl", &[disk, ioctl::BLKDISCARD as usize, range]).unwrap();
    assert_eq!(on(&guest.disk)[511..513], [9, 0]);
}

/// What a program does with a disk.
#[derive(Debug, Clone)]
enum Step {
    Write(usize, Vec<u8>),
    Read(usize, usize),
    Synchronize,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let bytes = prop_oneof![3 => 1..2000_usize, 1 => Just(512), 1 => Just(4096)];
    let step = prop_oneof![
        6 => (0..DISK, any::<u8>(), bytes.clone()).prop_map(|(at, byte, length)| Step::Write(at, vec![byte; length])),
        3 => (0..DISK, bytes).prop_map(|(at, length)| Step::Read(at, length)),
        1 => Just(Step::Synchronize),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// On a disk that fails now and then until its power goes, a byte is one of those that were written to its place since it
    /// was last synchronized, and is the last of them where no write of it failed; what fails says so.
    #[test]
    fn disk_that_fails_keeps_what_was_synchronized(steps in steps(), seed in any::<u64>(), errors in prop_oneof![Just(0), 1..200_u32]) {
        let disk = MemoryDisk::new(vec![0; DISK], seed);
        let guest = Guest::on(disk.clone(), &[]);
        let file = guest.open("/dev/vda", general::O_RDWR).unwrap();
        disk.set_faults(DiskFaults { errors, ..DiskFaults::default() });
        // What each byte may be on the disk, and what a read may see of it.
        let mut durable = vec![vec![0_u8]; DISK];
        let mut visible = durable.clone();
        let buffer = guest.room(4096);
        for step in steps {
            match step {
                Step::Write(at, bytes) => {
                    rumpuser::user::write(buffer, &bytes).unwrap();
                    let length = bytes.len().min(DISK - at);
                    let written = match guest.call("pwrite64", &[file, buffer, bytes.len(), at]) {
                        Ok(written) => {
                            prop_assert!(written == length || errors > 0 && written < length);
                            written
                        }
                        Err(error) => {
                            prop_assert_eq!((error, errors > 0), (Errno::EIO, true));
                            0
                        }
                    };
                    for place in at..at + length {
                        durable[place].push(bytes[0]);
                        if place < at + written {
                            visible[place].clear();
                        }
                        visible[place].push(bytes[0]);
                    }
                }
                Step::Read(at, length) => match guest.call("pread64", &[file, buffer, length, at]) {
                    Ok(read) => {
                        prop_assert_eq!(read, length.min(DISK - at));
                        let bytes = guest.peek(buffer, read);
                        prop_assert!(bytes.iter().zip(&visible[at..]).all(|(byte, may)| may.contains(byte)));
                    }
                    Err(error) => prop_assert_eq!((error, errors > 0), (Errno::EIO, true)),
                },
                Step::Synchronize => {
                    prop_assert_eq!(guest.call("fsync", &[file]), Ok(0));
                    durable.clone_from(&visible);
                }
            }
        }
        let left = disk.cut_power(PowerCut { kept: 300, torn: 300 });
        prop_assert!(left.iter().zip(&durable).all(|(byte, may)| may.contains(byte)));
        for call in ["pread64", "pwrite64", "fsync"] {
            prop_assert_eq!(guest.call(call, &[file, buffer, 512, 0]), Err(Errno::EIO));
        }
    }
}

#[test]
fn console_gives_lines_as_they_are_typed() {
    let guest = Guest::new();
    guest.write(1, b"hello\n").unwrap();
    assert_eq!(*guest.terminal.shown.lock().unwrap(), b"hello\n");
    guest.call("fcntl", &[0, general::F_SETFL as usize, general::O_NONBLOCK as usize]).unwrap();
    assert_eq!(guest.read(0, 10), Err(Errno::EAGAIN));
    guest.terminal.type_in(b"unfin");
    assert_eq!(guest.read(0, 10), Err(Errno::EAGAIN));
    guest.terminal.type_in(b"x\x7fished\rnext\n\x04");
    assert_eq!(guest.read(0, 4), Ok(b"unfi".to_vec()));
    assert_eq!(guest.read(0, 100), Ok(b"nished\n".to_vec()));
    assert_eq!(guest.read(0, 100), Ok(b"next\n".to_vec()));
    assert_eq!(guest.read(0, 100), Ok(vec![]), "^D is the end");
    let settings = guest.room(36);
    guest.call("ioctl", &[0, ioctl::TCGETS as usize, settings]).unwrap();
    let local = guest.value::<u32>(settings + 12) & !(general::ICANON | general::ECHO);
    rumpuser::user::write(settings + 12, &local.to_le_bytes()).unwrap();
    guest.call("ioctl", &[0, ioctl::TCSETS as usize, settings]).unwrap();
    guest.terminal.type_in(b"k");
    assert_eq!(guest.read(0, 100), Ok(b"k".to_vec()));
    assert_eq!(guest.readlink("/proc/self/fd/1").unwrap(), "/dev/console");
    assert_eq!(guest.call("lseek", &[0, 0, 0]), Err(Errno::ESPIPE));
    assert_eq!(guest.call("pread64", &[0, settings, 1, 0]), Err(Errno::ESPIPE));
    let error = guest.open("/dev/stderr", general::O_WRONLY).unwrap();
    guest.write(error, b"!").unwrap();
    assert!(guest.terminal.shown.lock().unwrap().ends_with(b"!"));
}

#[test]
fn preference_of_whom_to_kill_is_kept() {
    let guest = Guest::new();
    let path = "/proc/self/oom_score_adj";
    assert_eq!((guest.content(path), guest.stat(path).unwrap().mode & 0o777), (Ok(b"0\n".to_vec()), 0o644));
    let file = guest.open(path, general::O_RDWR | general::O_TRUNC).unwrap();
    assert_eq!(guest.write(file, b" -500\n"), Ok(6));
    assert_eq!(guest.content(path).unwrap(), b"-500\n");
    for wrong in ["", "many", "1001", "-1001", "12345678901234567890123456789012345"] {
        assert_eq!(guest.write(file, wrong.as_bytes()), Err(Errno::EINVAL), "{wrong}");
    }
    assert_eq!(guest.call("pread64", &[file, guest.room(9), 9, 0]), Ok(5));
}

#[test]
fn process_tells_of_itself() {
    let guest = Guest::new();
    let id = guest.process.id;
    assert_eq!(guest.readlink("/proc/self").unwrap(), id.to_string());
    assert_eq!(guest.readlink("/proc/thread-self").unwrap(), format!("{id}/task/{id}"));
    assert_eq!(guest.readlink("/proc/self/exe").unwrap(), "/bin/tool");
    assert_eq!(guest.content("/proc/self/exe").unwrap(), b"#!x\n");
    assert_eq!(guest.readlink("/proc/self/cwd").unwrap(), "/");
    assert_eq!(guest.content("/proc/self/cmdline").unwrap(), b"tool\0-x\0");
    assert_eq!(guest.content("/proc/self/environ").unwrap(), b"K=V\0");
    assert_eq!(guest.content("/proc/thread-self/comm").unwrap(), b"tool\n");
    let stat = String::from_utf8(guest.content("/proc/self/stat").unwrap()).unwrap();
    assert_eq!(stat.split_whitespace().count(), 52, "{stat}");
    assert!(stat.starts_with(&format!("{id} (tool) R ")));
    let mut descriptors = guest.list("/proc/self/fd").unwrap();
    descriptors.retain(|name| !name.starts_with('.'));
    assert_eq!(descriptors[..3], ["0", "1", "2"]);
    assert_eq!(guest.list("/proc/self/task").unwrap(), [".", "..", &id.to_string()]);
    assert_eq!(guest.stat("/proc/4711").err(), Some(Errno::ENOENT));
    assert_eq!(guest.write(guest.open("/proc/self/stat", general::O_WRONLY).unwrap(), b"1"), Err(Errno::EINVAL));
    assert_eq!(guest.open("/proc/self/nonsense", 0), Err(Errno::ENOENT));
    assert_eq!(guest.stat("/proc/self/fd/99").err(), Some(Errno::ENOENT));
    for file in ["status", "statm", "limits", "maps", "mountinfo", "mounts", "cgroup", "oom_score_adj", "auxv"] {
        guest.content(&format!("/proc/self/{file}")).unwrap();
    }
}

#[test]
fn kernel_tells_of_itself() {
    let guest = Guest::new();
    assert_eq!(guest.content("/proc/sys/kernel/ostype").unwrap(), b"Linux\n");
    assert_eq!(guest.content("/proc/sys/vm/overcommit_memory").unwrap(), b"0\n");
    assert_eq!(guest.content("/sys/devices/system/cpu/online").unwrap(), b"0\n");
    let memory = String::from_utf8(guest.content("/proc/meminfo").unwrap()).unwrap();
    assert!(memory.starts_with("MemTotal:         262144 kB\n"), "{memory}");
    let uuid = guest.content("/proc/sys/kernel/random/uuid").unwrap();
    assert_eq!((uuid.len(), uuid[14]), (37, b'4'));
    assert_ne!(uuid, guest.content("/proc/sys/kernel/random/uuid").unwrap());
    let boot = "/proc/sys/kernel/random/boot_id";
    assert_eq!(guest.content(boot).unwrap(), guest.content(boot).unwrap());
    let mounts = String::from_utf8(guest.content("/proc/mounts").unwrap()).unwrap();
    assert!(mounts.starts_with("erofs / erofs ro,relatime 0 0\n"), "{mounts}");
    for mount in ["devtmpfs /dev devtmpfs", "proc /proc proc", "tmpfs /tmp tmpfs"] {
        assert!(mounts.contains(&format!("\n{mount} rw,relatime")), "{mounts}");
    }
    for name in ["cpuinfo", "stat", "uptime", "version", "loadavg", "filesystems"] {
        assert!(!guest.content(&format!("/proc/{name}")).unwrap().is_empty());
    }
    assert_eq!(guest.open("/proc/new", general::O_CREAT | general::O_WRONLY), Err(Errno::EROFS));
    let names = guest.list("/proc").unwrap();
    assert!(names.contains(&"self".into()) && names.contains(&guest.process.id.to_string()));
}

#[test]
fn descriptors_are_copied_and_closed() {
    let guest = Guest::new();
    let file = guest.create("/tmp/a", b"abc");
    let copy = guest.call("fcntl", &[file, general::F_DUPFD_CLOEXEC as usize, 100]).unwrap();
    assert_eq!(copy, 100);
    assert_eq!(guest.call("fcntl", &[copy, general::F_GETFD as usize]), Ok(1));
    assert_eq!(guest.call("lseek", &[copy, 0, general::SEEK_CUR as usize]), Ok(3), "one position");
    assert_eq!(guest.call("dup3", &[file, file, 0]), Err(Errno::EINVAL));
    assert_eq!(guest.call("dup2", &[file, file]), Ok(file));
    assert_eq!(guest.call("dup2", &[99, 5]), Err(Errno::EBADF));
    assert_eq!(guest.call("dup2", &[file, 5]), Ok(5));
    assert_eq!(guest.call("close_range", &[5, u32::MAX as usize, 0]), Ok(0));
    assert_eq!(guest.call("close", &[100]), Err(Errno::EBADF));
    let flags = guest.call("fcntl", &[0, general::F_GETFL as usize]).unwrap() as u32;
    assert_eq!(flags & general::O_ACCMODE, general::O_RDWR);
    assert_eq!(guest.call("fcntl", &[0, 9999]), Err(Errno::EINVAL));
}
