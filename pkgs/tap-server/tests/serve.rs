//! The server on one end of a bad wire, a client on another kernel at the other end, in simulated time.

use rumpkin_abi::Errno;
use rumpkin_program::Program;
use rumpkin_spine::{
    Kernel,
    config::{Address, Config, Network},
};
use rumpkin_tap_server::{SERVED, kernel, serve};
use rumpuser::{
    clock,
    device::{self, Devices, Link},
    thread,
};
use rumpuser_hosted::{
    link::{Faults, Wire},
    simulate,
};
use std::sync::Arc;

fn start(link: Box<dyn Link>, number: u8, content: Option<Vec<u8>>) -> Arc<Kernel> {
    let network =
        Network { address: Address::Static { address: [10, 0, 0, number], prefix: 24 }, ..Network::default() };
    let devices = Devices { links: vec![link], disks: Vec::new(), console: device::take().console };
    let kernel =
        kernel(Config { network, ..Config::default() }, devices, content.map(|content| move || content.clone()));
    kernel.start();
    kernel
}

#[test]
fn a_file_arrives_whole_for_each_client() {
    for seed in 0..5 {
        simulate(seed, || {
            let (wire, [one, other]) = Wire::new(1500, true).unwrap();
            let content: Vec<u8> = (0..200_000u32).map(|index| (index * 7 + index / 251) as u8).collect();
            let server = start(one, 1, Some(content.clone()));
            let client = start(other, 2, None);
            thread::spawn("serve", move || {
                serve::run(&server, 80, SERVED).unwrap();
            })
            .unwrap();
            thread::park(Some(clock::monotonic() + 10_000_000));
            let program = Program::new(&client, "client").unwrap();
            let caller = program.thread().unwrap();
            for _ in 0..3 {
                let socket = caller.tcp_socket().unwrap();
                caller.connect(socket, ([10, 0, 0, 1], 80)).unwrap();
                wire.set_faults(0, Faults { delay: 1_000_000, loss: 50, reordering: 50, ..Faults::default() });
                let mut received = Vec::new();
                loop {
                    let piece = caller.read(socket, 65536).unwrap();
                    if piece.is_empty() {
                        break;
                    }
                    received.extend(piece);
                }
                assert!(received == content);
                caller.close(socket).unwrap();
            }
        });
    }
}

#[test]
fn a_file_that_is_not_there_is_an_error_at_once() {
    simulate(0, || {
        let (_wire, [one, _other]) = Wire::new(1500, true).unwrap();
        let kernel = start(one, 1, None);
        assert_eq!(serve::run(&kernel, 80, "/nowhere"), Err(Errno::ENOENT));
    });
}
