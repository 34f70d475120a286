//! An ELF program and its interpreter, whatever they are: loaded, given a stack, and started. The stand-in for its code looks at what
//! it was given, touches what is mapped, and exits.
//!
//! The input is the length of the program in four bytes, the program, and the interpreter.

use crate::machine::{Boot, devices};
use rumpkin_abi::system_call_number;
use rumpkin_base::{Document, StartError};
use rumpkin_configuration::{Credential, Settings};
use rumpkin_spine::{Kernel, config::Config, strings::Strings};
use rumpuser::{
    boot::BootData,
    context::{Event, Registers},
    memory::{PAGE_SIZE, USER_END, free_frames},
    user,
};
use std::sync::Arc;

const PROGRAM: &str = "/run/credentials/program";
const ARGUMENTS: [&str; 3] = [PROGRAM, "-x", ""];
const STATUS: u8 = 7;

pub fn run(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk() else { return };
    let length = u32::from_le_bytes(*length) as usize;
    let (program, interpreter) = rest.split_at(length.min(rest.len()));
    let file = |name: &str, content: &[u8]| Credential { name: name.into(), content: content.to_vec() };
    let (mut argv, mut env) = (Strings::default(), Strings::default());
    ARGUMENTS.iter().for_each(|argument| argv.push([argument.as_bytes()]).unwrap());
    env.push([b"K=v"]).unwrap();
    let document = Document {
        program: rumpkin_base::Program { argv, env, cwd: "/".into() },
        credentials: vec![file("program", program), file("ld.so", interpreter)],
        mounts: vec![],
        settings: Settings::default(),
    };
    let boot = Boot { user_code: Some(Arc::new(execute)), ..Boot::default() };
    boot.simulate(0, |_: &'static BootData| {
        let mut kernel = Kernel::new(Config::default(), devices(Arc::new(rumpuser_hosted::Terminal::default())));
        rumpkin_vfs::register(&mut kernel);
        rumpkin_tmpfs::register(&mut kernel);
        rumpkin_signal::register(&mut kernel);
        rumpkin_process::register(&mut kernel);
        rumpkin_base::prepare(&mut kernel, &document);
        let kernel = Arc::new(kernel);
        kernel.start();
        let before = free_frames();
        match rumpkin_base::run(&kernel, &document) {
            // It is killed if there is not enough memory.
            Ok(status) => assert!(status == STATUS || status == 137, "the program ended with {status}"),
            Err(error) => {
                assert!(matches!(error, StartError::Load(..) | StartError::System(..)), "{error}");
                assert!(error.to_string().contains("program"));
                let ids: Vec<u32> =
                    kernel.with_processes(|processes| processes.iter().map(|process| process.id).collect());
                ids.into_iter().for_each(|id| kernel.remove_process(id));
            }
        }
        rumpuser::power::on_stop(|| ());
        assert!(before - free_frames() <= 64, "{} frames are lost", before - free_frames());
    });
}

/// What the program does.
fn execute(registers: &mut Registers) -> Event {
    assert!((registers.rip as usize) < USER_END && registers.rsp.is_multiple_of(16));
    look(registers.rsp as usize).expect("the stack can be read");
    registers.rax = u64::from(system_call_number("exit_group"));
    registers.rdi = u64::from(STATUS);
    Event::SystemCall
}

fn word(at: usize) -> Result<usize, user::Fault> {
    let mut bytes = [0; 8];
    user::read(at, &mut bytes)?;
    Ok(u64::from_le_bytes(bytes) as usize)
}

/// Looks at the stack as crt1 does, and at the memory that it finds by it.
fn look(stack: usize) -> Result<(), user::StringError> {
    assert_eq!(word(stack)?, ARGUMENTS.len());
    for (index, argument) in ARGUMENTS.iter().enumerate() {
        let text = user::read_string(word(stack + 8 * (index + 1))?, 4096)?.unwrap();
        assert_eq!(text, argument.as_bytes());
    }
    let environment = stack + 8 * (ARGUMENTS.len() + 2);
    assert_eq!(user::read_string(word(environment)?, 100)?.unwrap(), b"K=v");
    let mut at = environment + 16;
    while word(at)? != 0 {
        touch(word(at + 8)?);
        at += 16;
        assert!(at < stack + PAGE_SIZE, "the auxiliary vector has an end");
    }
    Ok(())
}

/// Reads and writes around an address, which may be none at all.
fn touch(address: usize) {
    for page in 0..8 {
        let at = address.saturating_add(page * PAGE_SIZE);
        let mut byte = [0];
        if user::read(at, &mut byte).is_ok() {
            let _ = user::write(at, &byte);
        }
    }
}
