//! System calls, with arguments that half make sense, from the threads of a program that runs in the kernel's own loop.
//!
//! The program is the input: what stands in for user code takes the next step from it, whichever thread comes back from the kernel.
//! So signals are delivered and handlers return, interrupted calls are made again, threads start and end, faults and exceptions
//! happen, all as they do with a program of the outside. The program must end when it is killed, and nothing of it may be left.

mod arguments;
mod signatures;
mod user;

use crate::{
    machine::{Boot, SECOND, devices, sleep},
    peer::Peer,
};
use rumpkin_mm::{Mm, Request, Source};
use rumpkin_spine::{
    Kernel,
    abi::{SignalInfo, signal::SIGKILL},
    config::{Address, Config, Network},
    process::{Process, Program},
};
use rumpuser::{
    boot::BootData,
    memory::{Protection, deactivate, free_frames},
};
use rumpuser_hosted::{Terminal, disk::MemoryDisk};
use std::sync::Arc;
use user::User;

/// How long the program may run, in seconds of its own time, before it is killed.
const PATIENCE: u64 = 5;
/// Sectors of its disk.
const SECTORS: usize = 64;

pub fn run(data: &[u8]) {
    let [seed, steps @ ..] = data else { return };
    let user = Arc::new(User::new(steps));
    let code = user.clone();
    let boot = Boot { user_code: Some(Arc::new(move |registers| code.enter(registers))), ..Boot::default() };
    boot.simulate(u64::from(*seed), |_: &'static BootData| {
        let before = free_frames();
        let terminal = Arc::new(Terminal::default());
        let kernel = kernel(&terminal);
        program(&kernel, &user, &terminal);
        kernel.stop();
        drop(kernel);
        // Threads of the kernel have what they were just looking at.
        sleep(SECOND);
        assert_eq!(free_frames(), before, "frames are lost");
    });
}

/// A kernel with all that there is.
pub fn kernel(terminal: &Arc<Terminal>) -> Arc<Kernel> {
    let mut machine = devices(terminal.clone());
    machine.links.push(Peer::default().link());
    machine.disks.push(MemoryDisk::new(vec![0; SECTORS * 512], 0));
    let address = Address::Static { address: [10, 0, 0, 1], prefix: 24 };
    let network = Network { address, gateway: Some([10, 0, 0, 2]), ..Network::default() };
    let mut kernel = Kernel::new(Config { network, trace_system_calls: true, ..Config::default() }, machine);
    rumpkin_vfs::register(&mut kernel);
    rumpkin_tmpfs::register(&mut kernel);
    rumpkin_proc::register(&mut kernel);
    rumpkin_dev::register(&mut kernel);
    rumpkin_signal::register(&mut kernel);
    rumpkin_mmap::register(&mut kernel);
    rumpkin_process::register(&mut kernel);
    rumpkin_system::register(&mut kernel);
    rumpkin_event::register(&mut kernel);
    rumpkin_time::register(&mut kernel);
    rumpkin_net::register(&mut kernel);
    let kernel = Arc::new(kernel);
    kernel.start();
    kernel
}

/// Runs the program to its end.
fn program(kernel: &Arc<Kernel>, user: &User, terminal: &Terminal) {
    let mut program = Program { path: b"/bin/program".to_vec(), ..Program::default() };
    program.arguments.push([b"program"]).unwrap();
    let process = Process::new(kernel, Mm::new().unwrap(), program).unwrap();
    let request = Request {
        address: user::BASE,
        fixed: true,
        replace: false,
        length: user::LENGTH,
        protection: Protection::READ | Protection::WRITE,
        source: Source::Anonymous { shared: false },
    };
    process.memory.map(request).unwrap();
    process.memory.set_break_start(user::BASE + 16 * user::LENGTH);
    let console = rumpkin_vfs::open_console(kernel).unwrap();
    for _ in 0..3 {
        process.descriptors.insert(console.clone(), false, 0).unwrap();
    }
    drop(console);
    rumpkin_process::start(&process, User::start()).unwrap();
    for second in 0..PATIENCE {
        sleep(SECOND);
        if process.has_ended() {
            break;
        }
        terminal.type_in(&[b'a' + second as u8, b'\n']);
    }
    if !process.has_ended() {
        process.send_signal(SignalInfo::from_kernel(SIGKILL));
        sleep(SECOND);
    }
    assert!(process.has_ended(), "the program does not end though it was killed: {}", user.describe());
    deactivate();
    kernel.remove_process(process.id);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_has_a_signature() {
        let kernel = kernel(&Arc::default());
        let missing: Vec<_> =
            kernel.table().calls().map(|call| call.name()).filter(|name| signatures::of(name).is_none()).collect();
        assert_eq!(missing, [""; 0]);
    }
}
