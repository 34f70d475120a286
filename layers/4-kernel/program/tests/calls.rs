//! Calls of a program without user code: what it writes comes back, and nothing of it stays.

use proptest::prelude::*;
use rumpkin_abi::{Errno, linux::general};
use rumpkin_program::Program;
use rumpkin_spine::{Kernel, config::Config};
use rumpuser::{device, memory::free_frames};
use rumpuser_hosted as _;
use std::sync::Arc;

fn kernel() -> Arc<Kernel> {
    let mut kernel = Kernel::new(Config::default(), device::take());
    rumpkin_vfs::register(&mut kernel);
    rumpkin_tmpfs::register(&mut kernel);
    let kernel = Arc::new(kernel);
    kernel.start();
    kernel
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Pieces of any size, larger than one call moves too, are read back in pieces of any other size.
    #[test]
    fn what_is_written_is_read(pieces in prop::collection::vec(0..200_000usize, 1..5), size in 1..100_000usize) {
        let kernel = kernel();
        let program = Program::new(&kernel, "program").unwrap();
        let thread = program.thread().unwrap();
        let file = thread.open(b"/tmp/file", general::O_RDWR | general::O_CREAT).unwrap();
        let mut written = Vec::new();
        for (index, length) in pieces.into_iter().enumerate() {
            let piece: Vec<u8> = (0..length).map(|at| (at / 7 + index) as u8).collect();
            thread.write_all(file, &piece).unwrap();
            written.extend(piece);
        }
        let file = thread.open(b"/tmp/file", general::O_RDONLY).unwrap();
        let mut read = Vec::new();
        loop {
            let piece = thread.read(file, size).unwrap();
            prop_assert!(piece.len() <= size);
            if piece.is_empty() { break }
            read.extend(piece);
        }
        prop_assert!(read == written);
        prop_assert_eq!(thread.close(file), Ok(()));
        prop_assert_eq!(thread.close(file), Err(Errno::EBADF));
    }
}

#[test]
fn a_program_takes_its_memory_and_files_along() {
    rumpuser_hosted::simulate(1, || {
        let kernel = kernel();
        // The tree of files is made with the first program.
        drop(Program::new(&kernel, "first").unwrap());
        let before = free_frames();
        let program = Program::new(&kernel, "program").unwrap();
        let thread = program.thread().unwrap();
        let file = thread.open(b"/tmp", general::O_TMPFILE | general::O_RDWR).unwrap();
        thread.write_all(file, &[1; 100_000]).unwrap();
        assert!(free_frames() < before - 24);
        drop(thread);
        assert_eq!(program.process().thread_count(), 0);
        drop(program);
        assert_eq!(free_frames(), before);
        assert!(kernel.with_processes(|processes| processes.is_empty()));
    });
}

#[test]
fn arguments_have_their_limit_and_missing_calls_their_error() {
    let kernel = kernel();
    let program = Program::new(&kernel, "program").unwrap();
    let thread = program.thread().unwrap();
    assert_eq!(thread.argument(&[0; 4097]), Err(Errno::E2BIG));
    assert!(thread.argument(&[0; 4096]).is_ok());
    assert_eq!(thread.tcp_socket(), Err(Errno::ENOSYS));
    assert_eq!(thread.call(general::__NR_fork, &[]), Err(Errno::ENOSYS));
}
