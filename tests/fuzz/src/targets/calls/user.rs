//! What stands in for the program's code: where it is, and which step of the input it takes next.

use super::{arguments::Maker, signatures::SIGNATURES};
use arbitrary::{Result, Unstructured};
use rumpkin_abi::system_call_number;
use rumpuser::{
    context::{Event, Registers},
    memory::Access,
};
use std::{
    collections::VecDeque,
    fmt::Write,
    sync::{Mutex, MutexGuard},
};

/// Memory that the program has at its start.
pub const BASE: usize = 0x1000_0000;
/// Bytes of it.
pub const LENGTH: usize = 256 * 1024;
/// The upper half is for stacks.
const STACK: usize = BASE + LENGTH;

/// Where the program makes its calls; behind the instruction is [`BEHIND`].
const CALL: u64 = 0x40_0000;
const BEHIND: u64 = CALL + 2;
/// Its signal handler, and where that returns to.
pub const HANDLER: u64 = 0x41_0000;
pub const RESTORER: u64 = 0x42_0000;

/// Values that calls gave back, which may be descriptors or addresses, and are worth to be used again.
const REMEMBERED: usize = 8;
/// A call that is interrupted and made again so often makes no progress.
const MAX_RESTARTS: usize = 20_000;
/// Steps that an input is good for.
const MAX_STEPS: usize = 600;

struct State {
    /// What is left of the input.
    input: VecDeque<u8>,
    maker: Maker,
    restarts: usize,
    steps: usize,
    /// Call numbers, for whoever looks at a failure.
    calls: Vec<u64>,
}

/// The program.
pub struct User(Mutex<State>);

impl User {
    /// A program that does what the input says.
    pub fn new(input: &[u8]) -> User {
        let input = input.to_vec().into();
        User(Mutex::new(State { input, maker: Maker::default(), restarts: 0, steps: 0, calls: Vec::new() }))
    }

    /// The registers of its first thread.
    pub fn start() -> Registers {
        Registers { rip: BEHIND, rsp: (STACK - 64) as u64, rflags: 0x202, ..Registers::default() }
    }

    /// Runs the program until something needs the kernel.
    pub fn enter(&self, registers: &mut Registers) -> Event {
        {
            let mut state = self.0.lock().unwrap();
            if registers.rip == CALL {
                state.restarts += 1;
                assert!(state.restarts < MAX_RESTARTS, "a call is made again and again: {}", registers.rax);
                registers.rip = BEHIND;
                return Event::SystemCall;
            }
            state.maker.remember(registers.rax as usize, REMEMBERED);
        }
        self.step(registers).unwrap_or_else(|_| call(registers, "exit_group", [0; 6]))
    }

    /// The calls that were made last.
    pub fn describe(&self) -> String {
        let state = self.0.lock().unwrap();
        let mut text = String::new();
        for &number in state.calls.iter().rev().take(5) {
            let name = rumpkin_abi::system_call_name(number).unwrap_or("?");
            write!(text, "{name} ").unwrap();
        }
        text
    }

    /// The next piece of the input, which `f` makes something of.
    fn take<T>(
        state: &mut MutexGuard<'_, State>,
        f: impl FnOnce(&mut Unstructured<'_>, &mut Maker) -> Result<T>,
    ) -> Result<T> {
        let State { input, maker, .. } = &mut **state;
        let bytes = input.make_contiguous();
        let mut left = Unstructured::new(bytes);
        let made = f(&mut left, maker);
        let used = bytes.len() - left.len();
        input.drain(..used);
        made
    }

    fn step(&self, registers: &mut Registers) -> Result<Event> {
        let (kind, event) = {
            let mut state = self.0.lock().unwrap();
            state.steps += 1;
            if state.input.is_empty() || state.steps > MAX_STEPS {
                return Err(arbitrary::Error::NotEnoughData);
            }
            User::take(&mut state, |input, maker| {
                let kind: u8 = input.arbitrary()?;
                let event = match kind {
                    0xf0..0xf4 => {
                        let access = [Access::Read, Access::Write, Access::Execute][usize::from(kind) % 3];
                        Some(Event::PageFault { address: maker.address(input)?, access })
                    }
                    0xf4..0xf6 => Some(Event::Exception { vector: input.int_in_range(0..=31)?, code: 0 }),
                    0xf6..0xf8 => Some(Event::Interrupted),
                    _ => None,
                };
                Ok((kind, event))
            })?
        };
        if let Some(event) = event {
            return Ok(event);
        }
        // A handler returns, sooner or later: over the restorer's address on its stack.
        if kind >= 0xf8 || registers.rip == HANDLER && kind & 1 == 0 {
            registers.rsp = registers.rsp.wrapping_add(8);
            return Ok(call(registers, "rt_sigreturn", [0; 6]));
        }
        let mut state = self.0.lock().unwrap();
        let (name, kinds) = SIGNATURES[User::take(&mut state, |input, _| input.choose_index(SIGNATURES.len()))?];
        let mut arguments = [0; 6];
        let mut writes = Vec::new();
        for (slot, kind) in arguments.iter_mut().zip(kinds.bytes()) {
            *slot = User::take(&mut state, |input, maker| maker.argument(kind, input, &mut writes))?;
        }
        state.calls.push(system_call_number(name).into());
        drop(state);
        // User memory is not touched under a lock: the pager may have to wait.
        for (at, bytes) in writes {
            // The program may have unmapped it, or taken its own rights away.
            let _ = rumpuser::user::write(at, &bytes);
        }
        Ok(call(registers, name, arguments))
    }
}

/// Makes a system call.
fn call(registers: &mut Registers, name: &str, arguments: [usize; 6]) -> Event {
    let [rdi, rsi, rdx, r10, r8, r9] = arguments.map(|argument| argument as u64);
    *registers =
        Registers { rax: system_call_number(name).into(), rdi, rsi, rdx, r10, r8, r9, rip: BEHIND, ..*registers };
    Event::SystemCall
}
