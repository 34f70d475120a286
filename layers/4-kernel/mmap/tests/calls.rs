//! mmap and its family through the table, on real user memory.

use rumpkin_program::Program;
use rumpkin_spine::{
    Errno, Kernel,
    abi::{linux::general, system_call_number},
    config::Config,
};
use rumpuser::{device, user};
use rumpuser_hosted as _;
use std::sync::Arc;

/// Runs a test as a thread of a program; `page` is where it may put arguments.
fn with_program(test: impl FnOnce(&dyn Fn(&str, &[usize]) -> Result<usize, Errno>, usize)) {
    let mut kernel = Kernel::new(Config::default(), device::take());
    rumpkin_mmap::register(&mut kernel);
    let program = Program::new(&Arc::new(kernel), "program").unwrap();
    let thread = program.thread().unwrap();
    let call = |name: &str, arguments: &[usize]| thread.call(system_call_number(name), arguments);
    test(&call, thread.argument(&[]).unwrap());
}

fn first_word(address: usize) -> u32 {
    user::load_u32(address).unwrap()
}

#[test]
fn mmap_checks_its_flags() {
    with_program(|call, page| {
        let map = |address: usize, length: usize, protection: usize, flags: u32| {
            call("mmap", &[address, length, protection, flags as usize, usize::MAX, 0])
        };
        let anonymous = general::MAP_ANONYMOUS;
        let private = general::MAP_PRIVATE | anonymous;
        assert!(map(0, 100, 3, private | general::MAP_STACK | general::MAP_NORESERVE | general::MAP_POPULATE).is_ok());
        assert_eq!(map(0, 0, 3, private), Err(Errno::EINVAL));
        assert_eq!(map(0, 100, 3, anonymous), Err(Errno::EINVAL));
        assert_eq!(map(0, 100, 3, private | general::MAP_GROWSDOWN), Err(Errno::EINVAL));
        assert_eq!(map(0, 100, 3, general::MAP_PRIVATE), Err(Errno::EBADF));
        assert_eq!(
            map(0, 100, 3, general::MAP_SHARED_VALIDATE | anonymous | general::MAP_SYNC),
            Err(Errno::EOPNOTSUPP)
        );
        assert_eq!(map(page, 100, 3, private | general::MAP_FIXED_NOREPLACE), Err(Errno::EEXIST));
        assert_eq!(map(page, 100, 3, private | general::MAP_FIXED), Ok(page));
        assert_eq!(map(0, 100, 3, private | general::MAP_FIXED), Err(Errno::EPERM));
        assert_eq!(map(0, 1 << 40, 3, private), Err(Errno::ENOMEM));
        assert!(map(0, 1 << 40, 3, private | general::MAP_NORESERVE).is_ok());
        assert!(map(0, 1 << 40, 0, private).is_ok());
        assert_eq!(call("mmap", &[0, 100, 3, private as usize, usize::MAX, 1]), Err(Errno::EINVAL));
        assert_eq!(call("mprotect", &[page, 100, 8 | 16]), Err(Errno::EINVAL));
        assert_eq!(call("mprotect", &[page + 1, 100, 1]), Err(Errno::EINVAL));
        assert_eq!(call("mprotect", &[page, 0, 1]), Ok(0));
    });
}

#[test]
fn madvise_and_friends_check_the_range() {
    with_program(|call, page| {
        user::write(page, b"!").unwrap();
        assert_eq!(call("madvise", &[page, 4096, general::MADV_DONTNEED as usize]), Ok(0));
        assert_eq!(first_word(page), 0);
        assert_eq!(call("madvise", &[page, 4096, 99]), Err(Errno::EINVAL));
        assert_eq!(call("madvise", &[page + 1, 4096, 4]), Err(Errno::EINVAL));
        assert_eq!(call("madvise", &[0x100000, 4096, 4]), Err(Errno::ENOMEM));
        assert_eq!(call("madvise", &[0x100000, 4096, 0]), Err(Errno::ENOMEM));
        assert_eq!(call("msync", &[page, 4096, 4]), Ok(0));
        assert_eq!(call("msync", &[page, 4096, 5]), Err(Errno::EINVAL));
        assert_eq!(call("msync", &[0x100000, 4096, 4]), Err(Errno::ENOMEM));
        assert_eq!(call("mincore", &[page, 8192, page + 4096]), Ok(0));
        assert_eq!(call("mincore", &[0x100000, 4096, page]), Err(Errno::ENOMEM));
        assert_eq!(call("mlock", &[page + 5, 100]), Ok(0));
        assert_eq!(call("mlock", &[0x100000, 100]), Err(Errno::ENOMEM));
        assert_eq!(call("munlock", &[page, 100]), Ok(0));
        assert_eq!(call("mlockall", &[0]), Err(Errno::EINVAL));
    });
}
