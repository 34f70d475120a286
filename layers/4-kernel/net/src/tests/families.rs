//! What programs are told of address families, in a kernel with this component and in one without.

use alloc::sync::Arc;
use rumpkin_abi::{
    Errno,
    linux::{general, net},
};
use rumpkin_program::Program;
use rumpkin_spine::{
    Kernel,
    config::{Address, Config, Network},
};
use rumpuser::device;

const AF_NETLINK: u32 = 16;
const AF_VSOCK: u32 = 40;

fn with_program(register: fn(&mut Kernel), work: impl FnOnce(&dyn Fn(u32) -> Result<usize, Errno>)) {
    let network = Network { address: Address::None, ..Network::default() };
    let mut kernel = Kernel::new(Config { network, ..Config::default() }, device::take());
    register(&mut kernel);
    let kernel = Arc::new(kernel);
    kernel.start();
    let program = Program::new(&kernel, "families").unwrap();
    let thread = program.thread().unwrap();
    work(&|family| thread.call(general::__NR_socket, &[family as usize, net::SOCK_STREAM as usize, 0]));
}

/// As Linux has it without `CONFIG_IPV6`, `CONFIG_VSOCKETS` and so on.
#[test]
fn families_that_are_not_there_are_eafnosupport_where_there_are_sockets() {
    with_program(crate::register, |socket| {
        assert!(socket(net::AF_INET).is_ok());
        for family in [0, net::AF_INET6, AF_NETLINK, AF_VSOCK, 200, u32::MAX] {
            assert_eq!(socket(family), Err(Errno::EAFNOSUPPORT), "{family}");
        }
    });
}

/// As Linux has it without `CONFIG_NET`.
#[test]
fn every_family_is_enosys_where_there_are_no_sockets() {
    with_program(
        |_| {},
        |socket| {
            for family in [net::AF_UNIX, net::AF_INET, net::AF_INET6] {
                assert_eq!(socket(family), Err(Errno::ENOSYS), "{family}");
            }
        },
    );
}
