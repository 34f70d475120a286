//! Workloads: what programs do, once, from nothing to nothing.

use crate::world::{SECOND, Task, World, as_program, kernel, sleep};
use rumpkin_abi::{
    linux::{general, net},
    system_call_number,
};
use rumpkin_base::Document;
use rumpkin_configuration::{Credential, Settings};
use rumpkin_program::ProgramThread;
use rumpkin_spine::{Errno, Kernel, strings::Strings};
use rumpuser::{
    context::{Event, Registers},
    power, user,
};
use rumpuser_hosted::link::Wire;
use std::sync::Arc;

const MICROSECONDS: u64 = 1_000_000;
const SERVER: [u8; 4] = [10, 0, 0, 2];

/// A system call by its name.
fn call(thread: &ProgramThread, name: &str, arguments: &[usize]) -> Result<usize, Errno> {
    thread.call(system_call_number(name), arguments)
}

/// Two numbers that a call has stored.
fn pair(at: usize) -> Result<[usize; 2], Errno> {
    let mut bytes = [0; 8];
    user::read(at, &mut bytes).map_err(|_| Errno::EFAULT)?;
    let number =
        |index: usize| i32::from_le_bytes([bytes[index], bytes[index + 1], bytes[index + 2], bytes[index + 3]]);
    Ok([number(0) as usize, number(4) as usize])
}

fn expect(condition: bool) -> Result<(), Errno> {
    if condition { Ok(()) } else { Err(Errno::EIO) }
}

/// A kernel is started, a file of it read, and stopped.
pub fn boot(_: &()) -> Result<(), Errno> {
    let (_, [end, _]) = Wire::new(1500, false)?;
    let kernel = kernel(end, 1);
    let read = as_program(&kernel, |thread| {
        let file = thread.open(b"/proc/version", general::O_RDONLY)?;
        expect(!thread.read(file, 100)?.is_empty())
    });
    kernel.stop();
    drop(kernel);
    sleep(SECOND);
    read
}

/// A request is answered over TCP, as HTTP does.
pub fn tcp(world: &World) -> Result<(), Errno> {
    const ANSWER: usize = 20_000;
    let [client, server] = &world.kernels;
    let answered = Task::start(server, |thread| {
        let listener = thread.tcp_socket()?;
        thread.set_integer(listener, net::SOL_SOCKET, net::SO_REUSEADDR, 1)?;
        thread.set_timeout(listener, net::SO_RCVTIMEO, 30 * MICROSECONDS)?;
        thread.bind(listener, ([0; 4], 80))?;
        thread.listen(listener, 8)?;
        let connection = thread.accept(listener)?;
        thread.set_timeout(connection, net::SO_RCVTIMEO, 30 * MICROSECONDS)?;
        thread.set_timeout(connection, net::SO_SNDTIMEO, 30 * MICROSECONDS)?;
        expect(thread.read(connection, 100)? == b"GET / HTTP/1.0\r\n\r\n")?;
        thread.write_all(connection, &[b'x'; ANSWER])?;
        thread.close(connection)
    })?;
    sleep(SECOND);
    let asked = as_program(client, |thread| {
        let socket = thread.tcp_socket()?;
        thread.set_timeout(socket, net::SO_RCVTIMEO, 30 * MICROSECONDS)?;
        thread.set_timeout(socket, net::SO_SNDTIMEO, 30 * MICROSECONDS)?;
        thread.connect(socket, (SERVER, 80))?;
        thread.write_all(socket, b"GET / HTTP/1.0\r\n\r\n")?;
        let mut length = 0;
        loop {
            match thread.read(socket, 65536)?.len() {
                0 => return expect(length == ANSWER),
                more => length += more,
            }
        }
    });
    answered.wait().and(asked)
}

/// Datagrams go there and back, over the wire and between local sockets.
pub fn udp(world: &World) -> Result<(), Errno> {
    let [client, server] = &world.kernels;
    let bound = |thread: &ProgramThread, peer| {
        let socket = call(thread, "socket", &[net::AF_INET as usize, net::SOCK_DGRAM as usize, 0])?;
        thread.set_timeout(socket, net::SO_RCVTIMEO, 5 * MICROSECONDS)?;
        thread.bind(socket, ([0; 4], 53))?;
        thread.connect(socket, (peer, 53))?;
        Ok::<usize, Errno>(socket)
    };
    let echoed = Task::start(server, move |thread| {
        let socket = bound(thread, [10, 0, 0, 1])?;
        for _ in 0..3 {
            let datagram = thread.read(socket, 5000)?;
            thread.write(socket, &datagram)?;
        }
        Ok(())
    })?;
    sleep(SECOND);
    let sent = as_program(client, |thread| {
        let socket = bound(thread, SERVER)?;
        // The last is sent in fragments.
        for length in [1, 1000, 4000] {
            thread.write(socket, &[b'd'; 4000][..length])?;
            expect(thread.read(socket, 5000)?.len() == length)?;
        }
        let at = thread.argument(&[0; 8])?;
        call(thread, "socketpair", &[net::AF_UNIX as usize, net::SOCK_DGRAM as usize, 0, at])?;
        let [one, other] = pair(at)?;
        for length in [1, 2000] {
            thread.write(one, &[b'l'; 2000][..length])?;
        }
        expect(thread.read(other, 5000)?.len() == 1)
    });
    echoed.wait().and(sent)
}

/// Files are made, filled, listed, linked, renamed and removed.
pub fn files(world: &World) -> Result<(), Errno> {
    const HERE: usize = general::AT_FDCWD as usize;
    as_program(&world.kernels[0], |thread| {
        let in_folder = |name: &str, path: &[u8], more: &[usize]| {
            let path = thread.argument(path)?;
            call(thread, name, &[&[HERE, path], more].concat())
        };
        // What an earlier run had to leave.
        for (path, flags) in [(b"/tmp/d/a\0", 0), (b"/tmp/d/b\0", 0), (b"/tmp/d/s\0", 0)] {
            in_folder("unlinkat", path, &[flags]).ok();
        }
        in_folder("mkdirat", b"/tmp/d\0", &[0o755]).map(|_| ()).or_else(|error| expect(error == Errno::EEXIST))?;
        let work = || {
            let file = thread.open(b"/tmp/d/a", general::O_RDWR | general::O_CREAT)?;
            for _ in 0..20 {
                thread.write_all(file, &[b'f'; 1000])?;
            }
            expect(call(thread, "lseek", &[file, 0, 0])? == 0)?;
            expect(thread.read(file, 65536)?.len() == 20_000)?;
            let protection = (general::PROT_READ | general::PROT_WRITE) as usize;
            let mapped = call(thread, "mmap", &[0, 20_000, protection, general::MAP_SHARED as usize, file, 0])?;
            user::write(mapped + 5000, b"m").map_err(|_| Errno::ENOMEM)?;
            call(thread, "munmap", &[mapped, 20_000])?;
            call(thread, "ftruncate", &[file, 5])?;
            thread.close(file)?;
            let paths = thread.argument(b"/tmp/d/a\0/tmp/d/b\0/tmp/d/s\0")?;
            call(thread, "renameat", &[HERE, paths, HERE, paths + 9])?;
            call(thread, "symlinkat", &[paths + 9, HERE, paths + 18])?;
            call(thread, "linkat", &[HERE, paths + 9, HERE, paths, 0])?;
            let folder = thread.open(b"/tmp/d", general::O_RDONLY | general::O_DIRECTORY)?;
            let at = thread.argument(&[0; 1000])?;
            expect(call(thread, "getdents64", &[folder, at, 1000])? > 0)?;
            for path in [&b"/proc/self/maps"[..], b"/proc/meminfo", b"/etc/hosts"] {
                match thread.open(path, general::O_RDONLY) {
                    Ok(file) => {
                        thread.read(file, 65536)?;
                        thread.close(file)?;
                    }
                    Err(error) => expect(error == Errno::ENOENT)?,
                }
            }
            Ok(())
        };
        let result = work();
        for path in [b"/tmp/d/a\0", b"/tmp/d/b\0", b"/tmp/d/s\0"] {
            in_folder("unlinkat", path, &[0]).ok();
        }
        let removed = in_folder("unlinkat", b"/tmp/d\0", &[general::AT_REMOVEDIR as usize]);
        result.and(removed.map(|_| ()))
    })
}

/// Events, timers and pipes are waited for, one by one and by epoll.
pub fn events(world: &World) -> Result<(), Errno> {
    as_program(&world.kernels[0], |thread| {
        let at = thread.argument(&[0; 8])?;
        call(thread, "pipe2", &[at, 0])?;
        let [reader, writer] = pair(at)?;
        let event = call(thread, "eventfd2", &[0, 0])?;
        let timer = call(thread, "timerfd_create", &[general::CLOCK_MONOTONIC as usize, 0])?;
        let set = call(thread, "epoll_create1", &[0])?;
        let outer = call(thread, "epoll_create1", &[0])?;
        let members = [(set, reader), (set, event), (set, timer), (outer, set)];
        for (set, member) in members {
            let event = thread.argument(&[1, 0, 0, 0, member as u8, 0, 0, 0, 0, 0, 0, 0])?;
            call(thread, "epoll_ctl", &[set, general::EPOLL_CTL_ADD as usize, member, event])?;
        }
        let soon = [0u64, 0, 0, 1_000_000].map(u64::to_le_bytes).concat();
        let soon = thread.argument(&soon)?;
        call(thread, "timerfd_settime", &[timer, 0, soon, 0])?;
        thread.write(writer, &[b'p'; 10_000])?;
        thread.write(event, &1u64.to_le_bytes())?;
        sleep(SECOND);
        let room = thread.argument(&[0; 120])?;
        expect(call(thread, "epoll_wait", &[outer, room, 10, 5000])? == 1)?;
        expect(call(thread, "epoll_wait", &[set, room, 10, 5000])? == 3)?;
        expect(thread.read(reader, 65536)?.len() == 10_000)?;
        thread.read(event, 8)?;
        thread.read(timer, 8)?;
        let polled = [reader as u32, 1, event as u32, 1, timer as u32, 1].map(u32::to_le_bytes).concat();
        let polled = thread.argument(&polled)?;
        expect(call(thread, "poll", &[polled, 3, 10])? == 0)?;
        for (set, member) in members {
            call(thread, "epoll_ctl", &[set, general::EPOLL_CTL_DEL as usize, member, 0])?;
        }
        Ok(())
    })
}

/// Where the program of [`threads`] lies.
const BASE: u64 = 0x40_0000;
const ENTRY: u64 = BASE + 0x800;
/// Its exit status when all went well, and when a call was refused.
const WELL: u8 = 7;
const REFUSED: u8 = 1;

/// A program is loaded: it makes a thread, waits for it, gets a signal from a timer, and exits.
pub fn threads(kernel: &Arc<Kernel>) -> Result<(), Errno> {
    let (mut argv, mut env) = (Strings::default(), Strings::default());
    argv.push([&b"/run/credentials/program"[..]])?;
    env.push([&b"K=v"[..]])?;
    let program = rumpkin_base::Program { argv, env, cwd: "/".into() };
    let document = Document { program, credentials: vec![], mounts: vec![], settings: Settings::default() };
    let ended = rumpkin_base::run(kernel, &document);
    power::on_stop(|| ());
    let ids: Vec<u32> = kernel.with_processes(|processes| processes.iter().map(|process| process.id).collect());
    ids.into_iter().for_each(|id| kernel.remove_process(id));
    if std::env::var_os("RUMPKIN_VERBOSE").is_some() {
        eprintln!("the program ended with {ended:?}");
    }
    match ended {
        Ok(WELL) => Ok(()),
        _ => Err(Errno::ENOMEM),
    }
}

/// A kernel that has the program.
pub fn with_program() -> Arc<Kernel> {
    let program = Credential { name: "program".into(), content: executable() };
    let document = Document {
        program: rumpkin_base::Program { argv: Strings::default(), env: Strings::default(), cwd: "/".into() },
        credentials: vec![program],
        mounts: vec![],
        settings: Settings::default(),
    };
    let (_, [end, _]) = Wire::new(1500, false).unwrap();
    crate::world::kernel_with(end, 1, |kernel| rumpkin_base::prepare(kernel, &document))
}

/// An ELF executable of one segment, without code: [`execute`] stands for that.
fn executable() -> Vec<u8> {
    const SIZE: u64 = 0x1000;
    let mut file = vec![0; SIZE as usize];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7fELF\x02\x01\x01");
    // Executable, for x86-64, version 1.
    put(16, &[2, 0, 62, 0, 1, 0, 0, 0]);
    put(24, &ENTRY.to_le_bytes());
    put(32, &64u64.to_le_bytes());
    // Sizes of the headers, and how many there are.
    put(52, &[64, 0, 56, 0, 1, 0]);
    // To be loaded, readable and executable.
    put(64, &[1, 0, 0, 0, 5, 0, 0, 0]);
    [0, BASE, BASE, SIZE, SIZE, SIZE]
        .iter()
        .enumerate()
        .for_each(|(index, word)| put(72 + 8 * index, &word.to_le_bytes()));
    file
}

/// What stands in for the program's code. Each step is 16 bytes, which begin with a system call of two: so that it can be made
/// again when a signal has interrupted it.
pub fn execute(registers: &mut Registers) -> Event {
    const STEP: u64 = 16;
    const RETURN: u64 = 30;
    const HANDLER: u64 = 40;
    const CHILD: u64 = 20;
    let offset = registers.rip.wrapping_sub(ENTRY);
    let (mut step, done) = (offset / STEP, offset % STEP == 2);
    let result = registers.rax;
    if done {
        step += 1;
        let failed = (result as i64) < 0 && !matches!(step, 5 | 9);
        step = match step {
            _ if failed => 15,
            1 => {
                // The memory that it has mapped.
                registers.rbx = result;
                step
            }
            // The new thread comes back with nothing.
            3 if result == 0 => CHILD,
            // The thread's number is still there: it has not ended.
            5 if user::load_u32(registers.rbx as usize) != Ok(0) => 4,
            step => step,
        };
    }
    if step == HANDLER {
        // It returns to where the stack says.
        let mut address = [0; 8];
        if user::read(registers.rsp as usize, &mut address).is_err() {
            return Event::Exception { vector: 6, code: 0 };
        }
        registers.rsp += 8;
        step = RETURN;
    }
    let rbx = registers.rbx;
    let store = |at: u64, words: &[u64]| {
        let bytes = words.iter().flat_map(|word| word.to_le_bytes());
        let mut buffer = [0; 64];
        let length = buffer.iter_mut().zip(bytes).map(|(to, from)| *to = from).count();
        // Where it does not succeed the call says so.
        let _ = user::write((rbx + at) as usize, &buffer[..length]);
    };
    let thread = general::CLONE_VM
        | general::CLONE_FS
        | general::CLONE_FILES
        | general::CLONE_SIGHAND
        | general::CLONE_THREAD
        | general::CLONE_SYSVSEM
        | general::CLONE_PARENT_SETTID
        | general::CLONE_CHILD_CLEARTID;
    const SIGNAL: u64 = 10;
    let (name, arguments): (&str, [u64; 6]) = match step {
        0 => ("mmap", [0, 16384, 3, 0x22, u64::MAX, 0]),
        1 => {
            store(64, &[ENTRY + HANDLER * STEP, 0x0400_0000, ENTRY + RETURN * STEP, 0]);
            ("rt_sigaction", [SIGNAL, rbx + 64, 0, 8, 0, 0])
        }
        2 => ("clone", [u64::from(thread), rbx + 16384, rbx, rbx, 0, 0]),
        3 => ("sched_yield", [0; 6]),
        // It waits for the thread's end.
        4 => {
            let number = user::load_u32(rbx as usize).unwrap_or(0);
            ("futex", [rbx, 0, u64::from(number), 0, 0, 0])
        }
        5 => {
            // A signal when the time has come.
            store(128, &[0, SIGNAL, 0, 0, 0, 0, 0, 0]);
            ("timer_create", [1, rbx + 128, rbx + 8, 0, 0, 0])
        }
        6 => {
            store(128, &[0, 0, 0, 1_000_000]);
            let timer = user::load_u32(rbx as usize + 8).unwrap_or(0);
            ("timer_settime", [u64::from(timer), 0, rbx + 128, 0, 0, 0])
        }
        7 => ("getpid", [0; 6]),
        8 => {
            // The signal ends it, if it has not come already.
            store(256, &[1, 0]);
            ("nanosleep", [rbx + 256, 0, 0, 0, 0, 0])
        }
        9 => ("timer_delete", [u64::from(user::load_u32(rbx as usize + 8).unwrap_or(0)), 0, 0, 0, 0, 0]),
        10 => ("munmap", [rbx, 16384, 0, 0, 0, 0]),
        11 => ("exit_group", [u64::from(WELL), 0, 0, 0, 0, 0]),
        CHILD => {
            store(256, &[0, 1_000_000]);
            ("nanosleep", [rbx + 256, 0, 0, 0, 0, 0])
        }
        21 => ("exit", [0; 6]),
        RETURN => ("rt_sigreturn", [0; 6]),
        _ => ("exit_group", [u64::from(REFUSED), 0, 0, 0, 0, 0]),
    };
    registers.rip = ENTRY + step * STEP + 2;
    registers.rax = u64::from(system_call_number(name));
    let [rdi, rsi, rdx, r10, r8, r9] = arguments;
    (registers.rdi, registers.rsi, registers.rdx) = (rdi, rsi, rdx);
    (registers.r10, registers.r8, registers.r9) = (r10, r8, r9);
    Event::SystemCall
}
