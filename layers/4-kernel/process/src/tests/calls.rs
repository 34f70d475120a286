//! The other calls: threads, identity, limits.

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
    assert_eq!(f.call("getrusage", &[0, f.page]), Ok(0));
    assert_eq!(f.call("getrusage", &[5, f.page]), Err(Errno::EINVAL));
}

#[test]
fn names_and_numbers() {
    let f = fixture();
    assert_eq!(f.call("getpid", &[]), Ok(f.process.id as usize));
    assert_eq!(f.call("getppid", &[]), Ok(0));
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
    assert_eq!(f.call("sched_getaffinity", &[0, 128, f.page]), Ok(8));
    assert_eq!(f.call("sched_getaffinity", &[0, 4, f.page]), Err(Errno::EINVAL));
    assert_eq!(f.call("getpriority", &[0, 0]), Ok(20));
}
