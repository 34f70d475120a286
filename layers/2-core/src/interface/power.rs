//! How the machine ends.

/// What the host shall learn of how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Power off with the program's exit status (128 + signal for a killed one).
    Exit(u8),
    /// Power off: the kernel panicked.
    Panic,
    /// Restart.
    Reboot,
}

impl Ending {
    /// Bytes of the longest word.
    pub const LONGEST: usize = 8;

    /// How hosts are told: `exit N`, `panic` or `reboot`.
    pub fn word(self, buffer: &mut [u8; Self::LONGEST]) -> &[u8] {
        match self {
            Ending::Exit(status) => {
                let digits = [b'0' + status / 100, b'0' + status / 10 % 10, b'0' + status % 10];
                let leading = usize::from(status < 10) + usize::from(status < 100);
                let digits = digits.get(leading..).unwrap_or_default();
                let text = b"exit ".iter().chain(digits);
                let length = 5 + digits.len();
                buffer.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
                buffer.get(..length).unwrap_or_default()
            }
            Ending::Panic => b"panic",
            Ending::Reboot => b"reboot",
        }
    }
}

/// Ends the machine.
pub trait Power: Send + Sync {
    /// Tells the host and powers off or resets. Called with interrupts off, also in a panic: takes no lock for longer than a
    /// try, and does not allocate.
    fn end(&self, ending: Ending) -> !;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_decimal_without_leading_zeros() {
        for status in 0..=255_u8 {
            let mut buffer = [0; Ending::LONGEST];
            let text = alloc::format!("exit {status}");
            assert_eq!(Ending::Exit(status).word(&mut buffer), text.as_bytes());
        }
    }
}
