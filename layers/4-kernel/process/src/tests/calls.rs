//! The other calls: threads, memory, identity, limits.

use super::*;
use rumpkin_spine::abi::linux::general;

const THREAD: usize = (general::CLONE_VM
    | general::CLONE_FS
    | general::CLONE_FILES
    | general::CLONE_SIGHAND
    | general::CLONE_THREAD
    | general::CLONE_SYSVSEM) as usize;

#[test]
fn only_threads_can_be_cloned() {
    let f = fixture();
    assert_eq!(f.call("clone", &[17]), Err(Errno::ENOSYS));
    assert_eq!(f.call("clone", &[(general::CLONE_VM | general::CLONE_VFORK) as usize | 17]), Err(Errno::ENOSYS));
    assert_eq!(f.call("clone", &[general::CLONE_THREAD as usize]), Err(Errno::EINVAL));
    assert_eq!(f.call("clone", &[general::CLONE_SIGHAND as usize]), Err(Errno::EINVAL));
    assert_eq!(f.call("clone", &[THREAD | general::CLONE_NEWNS as usize]), Err(Errno::EINVAL));
    assert_eq!(f.call("clone", &[THREAD | general::CLONE_SETTLS as usize, 0, 0, 0, usize::MAX]), Err(Errno::EPERM));
    assert_eq!(f.call("clone3", &[f.page, 32]), Err(Errno::EINVAL));
    assert_eq!(f.call("clone3", &[f.page, 8192]), Err(Errno::E2BIG));
    assert_eq!(f.call("clone3", &[0x20000, 64]), Err(Errno::EFAULT));
    store(f.page + 88, &[1]);
    assert_eq!(f.call("clone3", &[f.page, 96]), Err(Errno::E2BIG));
    assert_eq!(f.call("fork", &[]), Err(Errno::ENOSYS));
    assert_eq!(f.call("wait4", &[usize::MAX, 0, 0, 0]), Err(Errno::ECHILD));
}

/// User code cannot run here, so the new thread raises SIGILL at once, which ends the process.
#[test]
fn cloned_threads_get_numbers_and_run() {
    let f = fixture();
    let flags = THREAD | (general::CLONE_PARENT_SETTID | general::CLONE_CHILD_SETTID) as usize;
    let id = f.call("clone", &[flags, f.page + 4096, f.page, f.page + 4, 0]).unwrap();
    assert_eq!((load(f.page) as usize, load(f.page + 4) as usize), (id, id));
    until(|| f.process.thread(id as u32).is_none());
    assert_eq!(f.process.status(), Some(128 + 4));
}

#[test]
fn a_process_ends_with_its_last_thread() {
    let process = process();
    crate::start(&process, Registers::default()).unwrap();
    until(|| process.has_ended());
    assert_eq!(process.status(), Some(128 + 4));
}

#[test]
fn exit_ends_the_thread_and_exit_group_the_process() {
    let f = fixture();
    assert!(!f.thread.is_ending());
    f.call("exit", &[3]).unwrap();
    assert!(f.thread.is_ending() && !f.process.exiting());
    f.call("exit_group", &[0x107]).unwrap();
    f.call("exit_group", &[1]).unwrap();
    assert_eq!((f.process.exiting(), f.process.status()), (true, Some(7)));
}

#[test]
fn mmap_checks_its_flags() {
    let f = fixture();
    let map = |address: usize, length: usize, protection: usize, flags: u32| {
        f.call("mmap", &[address, length, protection, flags as usize, usize::MAX, 0])
    };
    let anonymous = general::MAP_ANONYMOUS;
    let private = general::MAP_PRIVATE | anonymous;
    assert!(map(0, 100, 3, private | general::MAP_STACK | general::MAP_NORESERVE | general::MAP_POPULATE).is_ok());
    assert_eq!(map(0, 0, 3, private), Err(Errno::EINVAL));
    assert_eq!(map(0, 100, 3, anonymous), Err(Errno::EINVAL));
    assert_eq!(map(0, 100, 3, private | general::MAP_GROWSDOWN), Err(Errno::EINVAL));
    assert_eq!(map(0, 100, 3, general::MAP_PRIVATE), Err(Errno::EBADF));
    assert_eq!(map(0, 100, 3, general::MAP_SHARED_VALIDATE | anonymous | general::MAP_SYNC), Err(Errno::EOPNOTSUPP));
    assert_eq!(map(f.page, 100, 3, private | general::MAP_FIXED_NOREPLACE), Err(Errno::EEXIST));
    assert_eq!(map(f.page, 100, 3, private | general::MAP_FIXED), Ok(f.page));
    assert_eq!(map(0, 100, 3, private | general::MAP_FIXED), Err(Errno::EPERM));
    assert_eq!(map(0, 1 << 40, 3, private), Err(Errno::ENOMEM));
    assert!(map(0, 1 << 40, 3, private | general::MAP_NORESERVE).is_ok());
    assert!(map(0, 1 << 40, 0, private).is_ok());
    assert_eq!(f.call("mmap", &[0, 100, 3, private as usize, usize::MAX, 1]), Err(Errno::EINVAL));
    assert_eq!(f.call("mprotect", &[f.page, 100, 8 | 16]), Err(Errno::EINVAL));
    assert_eq!(f.call("mprotect", &[f.page + 1, 100, 1]), Err(Errno::EINVAL));
    assert_eq!(f.call("mprotect", &[f.page, 0, 1]), Ok(0));
}

#[test]
fn madvise_and_friends_check_the_range() {
    let f = fixture();
    user::write(f.page, b"!").unwrap();
    assert_eq!(f.call("madvise", &[f.page, 4096, general::MADV_DONTNEED as usize]), Ok(0));
    assert_eq!(load(f.page), 0);
    assert_eq!(f.call("madvise", &[f.page, 4096, 99]), Err(Errno::EINVAL));
    assert_eq!(f.call("madvise", &[f.page + 1, 4096, 4]), Err(Errno::EINVAL));
    assert_eq!(f.call("madvise", &[0x100000, 4096, 4]), Err(Errno::ENOMEM));
    assert_eq!(f.call("madvise", &[0x100000, 4096, 0]), Err(Errno::ENOMEM));
    assert_eq!(f.call("msync", &[f.page, 4096, 4]), Ok(0));
    assert_eq!(f.call("msync", &[f.page, 4096, 5]), Err(Errno::EINVAL));
    assert_eq!(f.call("msync", &[0x100000, 4096, 4]), Err(Errno::ENOMEM));
    assert_eq!(f.call("mincore", &[f.page, 8192, f.page + 4096]), Ok(0));
    assert_eq!(f.call("mincore", &[0x100000, 4096, f.page]), Err(Errno::ENOMEM));
    assert_eq!(f.call("mlock", &[f.page + 5, 100]), Ok(0));
    assert_eq!(f.call("mlock", &[0x100000, 100]), Err(Errno::ENOMEM));
    assert_eq!(f.call("munlock", &[f.page, 100]), Ok(0));
    assert_eq!(f.call("mlockall", &[0]), Err(Errno::EINVAL));
}

#[test]
fn limits_are_kept() {
    let f = fixture();
    assert_eq!(f.call("prlimit64", &[0, 7, 0, f.page]), Ok(0));
    store(f.page, &[100, 0, 200, 0]);
    assert_eq!(f.call("setrlimit", &[3, f.page]), Ok(0));
    assert_eq!(f.call("prlimit64", &[0, 3, 0, f.page + 32]), Ok(0));
    assert_eq!((load(f.page + 32), load(f.page + 40)), (100, 200));
    store(f.page, &[300, 0]);
    assert_eq!(f.call("setrlimit", &[3, f.page]), Err(Errno::EINVAL));
    assert_eq!(f.call("setrlimit", &[16, f.page + 32]), Err(Errno::EINVAL));
    assert_eq!(f.call("prlimit64", &[4000, 3, 0, f.page]), Err(Errno::ESRCH));
    store(f.page, &[5, 0, 10, 0]);
    assert_eq!(f.call("prlimit64", &[0, general::RLIMIT_NOFILE as usize, f.page, 0]), Ok(0));
    assert_eq!(f.process.descriptors.limit(), 5);
    for call in ["getrusage", "sysinfo"] {
        assert_eq!(f.call(call, &[if call == "sysinfo" { f.page } else { 0 }, f.page]), Ok(0));
    }
    assert_eq!(f.call("getrusage", &[5, f.page]), Err(Errno::EINVAL));
}

#[test]
fn names_and_numbers() {
    let f = fixture();
    assert_eq!(f.call("getpid", &[]), Ok(f.process.id as usize));
    assert_eq!(f.call("getppid", &[]), Ok(0));
    assert_eq!(f.call("uname", &[f.page]), Ok(0));
    let mut name = [0; 7];
    user::read(f.page + 65, &mut name).unwrap();
    assert_eq!(&name, b"rumpkin");
    user::write(f.page, b"a name that is too long\0").unwrap();
    assert_eq!(f.call("prctl", &[15, f.page]), Ok(0));
    assert_eq!(f.call("prctl", &[16, f.page + 64]), Ok(0));
    let mut name = [0; 16];
    user::read(f.page + 64, &mut name).unwrap();
    assert_eq!(&name, b"a name that is \0");
    assert_eq!(f.call("prctl", &[1, 9]), Err(Errno::EINVAL));
    assert_eq!(f.call("arch_prctl", &[0x1001, 0]), Err(Errno::EPERM));
    assert_eq!(f.call("arch_prctl", &[0x1002, usize::MAX]), Err(Errno::EPERM));
    assert_eq!(f.call("arch_prctl", &[0x3001, 0]), Err(Errno::EINVAL));
    assert_eq!(f.call("getrandom", &[f.page, 300, 0]), Ok(300));
    assert_eq!(f.call("getrandom", &[f.page, 300, 8]), Err(Errno::EINVAL));
    assert_eq!(f.call("getrandom", &[0x20000, 300, 0]), Err(Errno::EFAULT));
    assert_eq!(f.call("sched_getaffinity", &[0, 128, f.page]), Ok(8));
    assert_eq!(f.call("sched_getaffinity", &[0, 4, f.page]), Err(Errno::EINVAL));
    assert_eq!(f.call("getpriority", &[0, 0]), Ok(20));
}
