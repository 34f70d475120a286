//! What the system tells of itself, through the table.

use rumpkin_program::Program;
use rumpkin_spine::{Errno, Kernel, abi::system_call_number, config::Config};
use rumpuser::{device, user};
use rumpuser_hosted as _;
use std::sync::Arc;

/// Runs a test as a thread of a program; `page` is where it may put arguments.
fn with_program(test: impl FnOnce(&dyn Fn(&str, &[usize]) -> Result<usize, Errno>, usize)) {
    let mut kernel = Kernel::new(Config::default(), device::take());
    rumpkin_system::register(&mut kernel);
    let program = Program::new(&Arc::new(kernel), "program").unwrap();
    let thread = program.thread().unwrap();
    let call = |name: &str, arguments: &[usize]| thread.call(system_call_number(name), arguments);
    test(&call, thread.argument(&[]).unwrap());
}

#[test]
fn name_is_the_configured_one() {
    with_program(|call, page| {
        assert_eq!(call("uname", &[page]), Ok(0));
        let mut name = [0; 7];
        user::read(page + 65, &mut name).unwrap();
        assert_eq!(&name, b"rumpkin");
        assert_eq!(call("sysinfo", &[page]), Ok(0));
        assert_eq!(call("sysinfo", &[0x20000]), Err(Errno::EFAULT));
    });
}

#[test]
fn random_numbers_are_asked_for_with_known_flags() {
    with_program(|call, page| {
        assert_eq!(call("getrandom", &[page, 300, 0]), Ok(300));
        assert_eq!(call("getrandom", &[page, 300, 8]), Err(Errno::EINVAL));
        assert_eq!(call("getrandom", &[0x20000, 300, 0]), Err(Errno::EFAULT));
    });
}
