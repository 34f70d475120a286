//! The first stack of a program: arguments, environment and auxiliary vector (System V ABI, AMD64, §3.4.1).
//!
//! ```text
//!   top    strings: path, environment, arguments; 16 random bytes; "x86_64"
//!          auxv … AT_NULL
//!          envp … NULL
//!          argv … NULL
//!   rsp ─▶ argc                                   (16-byte aligned)
//! ```

use alloc::vec::Vec;
use rumpkin_kernel::Errno;
use rumpuser::user;

/// Writes the stack below `top`, never below `bottom`; the stack pointer and the auxiliary vector come back.
pub fn build(
    top: usize,
    bottom: usize,
    arguments: &[Vec<u8>],
    environment: &[Vec<u8>],
    auxiliary: impl FnOnce(Strings) -> Vec<(u64, u64)>,
    path: &[u8],
    random: [u8; 16],
) -> Result<(usize, Vec<u8>), Errno> {
    let mut stack = Stack { at: top, bottom };
    let strings = Strings {
        path: stack.push_string(path)?,
        random: stack.push(&random)?,
        platform: stack.push_string(b"x86_64")?,
    };
    let environment = environment.iter().map(|text| stack.push_string(text)).collect::<Result<Vec<_>, _>>()?;
    let arguments = arguments.iter().map(|text| stack.push_string(text)).collect::<Result<Vec<_>, _>>()?;

    let vector: Vec<u8> =
        auxiliary(strings).into_iter().flat_map(|(key, value)| [key, value]).flat_map(u64::to_le_bytes).collect();
    let mut words = Vec::from([arguments.len() as u64]);
    for list in [arguments, environment] {
        words.extend(list.into_iter().map(|address| address as u64));
        words.push(0);
    }
    let mut bytes: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
    bytes.extend_from_slice(&vector);
    stack.at = stack.at.checked_sub(bytes.len()).ok_or(Errno::E2BIG)? & !15;
    stack.write(&bytes)?;
    Ok((stack.at, vector))
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
    fn push(&mut self, bytes: &[u8]) -> Result<usize, Errno> {
        self.at = self.at.checked_sub(bytes.len()).ok_or(Errno::E2BIG)?;
        self.write(bytes)?;
        Ok(self.at)
    }

    fn push_string(&mut self, text: &[u8]) -> Result<usize, Errno> {
        self.push(&[0])?;
        self.push(text)
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Errno> {
        if self.at < self.bottom {
            return Err(Errno::E2BIG);
        }
        user::write(self.at, bytes).map_err(|_| Errno::ENOMEM)
    }
}
