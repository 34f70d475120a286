//! The first stack of a program: arguments, environment and auxiliary vector (System V ABI, AMD64, §3.4.1).
//!
//! ```text
//!   top    path; "x86_64"; 16 random bytes
//!          strings of the environment
//!          strings of the arguments
//!          auxv … AT_NULL
//!          envp … NULL
//!          argv … NULL
//!   rsp ─▶ argc                                   (16-byte aligned)
//! ```

use alloc::vec::Vec;
use rumpkin_collections::{TryVec, try_collect, try_with_capacity};
use rumpkin_spine::{Errno, process::Program, strings};
use rumpuser::user;

/// Bytes of a pointer.
const WORD: usize = 8;
/// So many pointers are written at once.
const BATCH: usize = 64;

/// Writes the stack below `top`, never below `bottom`; the stack pointer and the auxiliary vector come back.
pub fn build<const N: usize>(
    top: usize,
    bottom: usize,
    program: &Program,
    auxiliary: impl FnOnce(Strings) -> [(u64, u64); N],
    random: [u8; 16],
) -> Result<(usize, Vec<u8>), Errno> {
    let Program { path, arguments, environment } = program;
    let mut stack = Stack { at: top, bottom };
    stack.push(&[0])?;
    let strings = Strings { path: stack.push(path)?, platform: stack.push(b"x86_64\0")?, random: stack.push(&random)? };
    let environment_start = stack.push(environment.bytes())?;
    let arguments_start = stack.push(arguments.bytes())?;

    let words = auxiliary(strings).into_iter().flat_map(|(key, value)| [key, value]);
    let vector: Vec<u8> = try_collect(words.flat_map(u64::to_le_bytes))?;
    // The count, and a word of zero behind each list.
    let words = arguments.count().saturating_add(environment.count()).saturating_add(3);
    let length = words.saturating_mul(WORD).saturating_add(vector.len());
    stack.at = stack.at.checked_sub(length).ok_or(Errno::E2BIG)? & !15;
    let bottom = stack.at;
    stack.fill(&(arguments.count() as u64).to_le_bytes())?;
    stack.fill_pointers(arguments_start, arguments)?;
    stack.fill_pointers(environment_start, environment)?;
    stack.fill(&vector)?;
    Ok((bottom, vector))
}

/// Where the strings that the auxiliary vector points at are.
#[derive(Debug, Clone, Copy)]
pub struct Strings {
    /// The path of the program (`AT_EXECFN`).
    pub path: usize,
    /// 16 random bytes (`AT_RANDOM`).
    pub random: usize,
    /// The name of the machine (`AT_PLATFORM`).
    pub platform: usize,
}

struct Stack {
    at: usize,
    bottom: usize,
}

impl Stack {
    /// Writes `bytes` below what is there; their address comes back.
    fn push(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        self.at = self.at.checked_sub(bytes.len()).ok_or(Errno::E2BIG)?;
        self.write(bytes)?;
        Ok(self.at)
    }

    /// Writes `bytes` and steps over them, upwards.
    fn fill(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        self.write(bytes)?;
        self.at = self.at.saturating_add(bytes.len());
        Ok(())
    }

    /// Writes pointers to `strings`, which begin at `start`, and a zero.
    fn fill_pointers(&mut self, start: usize, strings: &strings::Strings) -> Result<(), Errno> {
        let mut at = start as u64;
        let addresses = strings.iter().map(|text| {
            let address = at;
            at = at.saturating_add(text.len() as u64).saturating_add(1);
            address
        });
        let mut batch = try_with_capacity(BATCH * WORD)?;
        for address in addresses.chain([0]) {
            batch.try_extend_from_slice(&address.to_le_bytes())?;
            if batch.len() == BATCH * WORD {
                self.fill(&batch)?;
                batch.clear();
            }
        }
        self.fill(&batch)
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Errno> {
        if self.at < self.bottom {
            return Err(Errno::E2BIG);
        }
        user::write(self.at, bytes).map_err(|_| Errno::ENOMEM)
    }
}
