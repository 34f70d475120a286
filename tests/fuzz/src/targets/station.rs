//! A kernel on a cable whose other end is the input's, and a program on it: what the network's targets have in common.

use crate::{
    machine::{Boot, SECOND, devices, sleep},
    packet,
    peer::Peer,
};
use arbitrary::{Result, Unstructured};
use rumpkin_abi::linux::{general, net};
use rumpkin_net::Net;
use rumpkin_program::{Program, ProgramThread};
use rumpkin_spine::{
    Errno, Kernel,
    config::{Config, Network},
};
use std::sync::Arc;

/// The most steps that an input is good for.
const MAX_STEPS: usize = 400;

/// The kernel, the other end of its cable, and a thread of a program.
pub struct Station {
    pub net: Arc<Net>,
    pub peer: Peer,
    thread: Option<ProgramThread>,
    program: Option<Program>,
}

impl Station {
    /// Runs a target: a simulation in which `steps` has the input to itself.
    pub fn run(
        data: &[u8],
        network: impl FnOnce() -> Network,
        steps: impl FnOnce(&mut Station, &mut Unstructured<'_>),
    ) {
        let mut input = Unstructured::new(data);
        let seed = u64::from(input.arbitrary::<u8>().unwrap_or(0));
        Boot::default().simulate(seed, |_| {
            let mut station = Station::new(network());
            steps(&mut station, &mut input);
        });
    }

    fn new(network: Network) -> Station {
        let peer = Peer::default();
        let mut machine = devices(Arc::new(rumpuser_hosted::Terminal::default()));
        machine.links.push(peer.link());
        let mut kernel = Kernel::new(Config { network, ..Config::default() }, machine);
        rumpkin_vfs::register(&mut kernel);
        rumpkin_tmpfs::register(&mut kernel);
        rumpkin_net::register(&mut kernel);
        let kernel = Arc::new(kernel);
        kernel.start();
        let program = Program::new(&kernel, "program").unwrap();
        let thread = program.thread().unwrap();
        let net = kernel.parts.share::<Net>().unwrap();
        Station { net, peer, thread: Some(thread), program: Some(program) }
    }

    /// The program's thread.
    pub fn thread(&self) -> &ProgramThread {
        self.thread.as_ref().unwrap()
    }

    /// Ends the program, which closes what it has open.
    pub fn end_program(&mut self) {
        drop(self.thread.take());
        drop(self.program.take());
    }

    /// Opens a datagram socket that never waits, bound to a port.
    pub fn datagram_socket(&self, port: u16) -> usize {
        let thread = self.thread();
        let socket = thread.call(general::__NR_socket, &[net::AF_INET as usize, net::SOCK_DGRAM as usize, 0]).unwrap();
        thread.set_nonblocking(socket, true).unwrap();
        thread.bind(socket, ([0; 4], port)).unwrap();
        socket
    }

    /// What a file holds.
    pub fn file(&self, path: &str) -> std::result::Result<Vec<u8>, Errno> {
        let thread = self.thread();
        let file = thread.open(path.as_bytes(), general::O_RDONLY)?;
        let mut content = Vec::new();
        loop {
            let more = thread.read(file, 4096)?;
            if more.is_empty() {
                thread.close(file)?;
                return Ok(content);
            }
            content.extend(more);
        }
    }

    /// Lets the kernel work on what has arrived: the clock moves on when nobody has anything to do.
    pub fn settle(&self) {
        sleep(SECOND / 10_000);
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        self.end_program();
    }
}

/// Has `step` take the input, piece by piece, to its end.
pub fn each_step(input: &mut Unstructured<'_>, mut step: impl FnMut(&mut Unstructured<'_>) -> Result<()>) {
    for _ in 0..MAX_STEPS {
        if input.is_empty() || step(input).is_err() {
            break;
        }
    }
}

/// At most so many bytes, as many as the next byte says.
pub fn bytes<'a>(input: &mut Unstructured<'a>, most: usize) -> Result<&'a [u8]> {
    let length = usize::from(input.arbitrary::<u8>()?).min(most).min(input.len());
    input.bytes(length)
}

/// How far a checksum is beside the right one: mostly not at all.
pub fn sum_error(input: &mut Unstructured<'_>) -> Result<u16> {
    let error: u8 = input.arbitrary()?;
    Ok(if error < 0xf8 { 0 } else { u16::from(error) })
}

/// Nanoseconds, from none to a few hours.
pub fn pause(input: &mut Unstructured<'_>) -> Result<u64> {
    let [unit, count]: [u8; 2] = input.arbitrary()?;
    let unit = [1_000, SECOND / 1000, SECOND / 10, SECOND, 10 * SECOND, 60 * SECOND][usize::from(unit) % 6];
    Ok(unit * u64::from(count))
}

/// The addresses that matter to a kernel which has 10.0.0.1/24.
pub fn address(input: &mut Unstructured<'_>) -> Result<packet::Address> {
    let choice: u8 = input.arbitrary()?;
    Ok(match choice {
        0..0x80 => [10, 0, 0, 2],
        0x80 => [10, 0, 0, 1],
        0x81 => [127, 0, 0, 1],
        0x82 => [255; 4],
        0x83 => [10, 0, 0, 255],
        0x84 => [224, 0, 0, 1],
        0x85 => [0; 4],
        0x86 => [192, 0, 2, 7],
        _ => [10, 0, 0, choice],
    })
}
