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

/// Ends the machine.
pub trait Power: Send + Sync {
    /// Tells the host and powers off or resets. Called with interrupts off, also in a panic: takes no lock for longer than a
    /// try, and does not allocate.
    fn end(&self, ending: Ending) -> !;
}
