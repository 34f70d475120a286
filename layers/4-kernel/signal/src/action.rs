//! What becomes of a signal that is delivered.

use rumpkin_abi::{
    SignalAction,
    signal::{SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGWINCH},
};

/// What becomes of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The program ends with status 128 + signal.
    Terminate,
    /// Nothing.
    Ignore,
    /// The program would stop; there is nobody who could continue it, so nothing happens, and it is logged.
    Stop,
    /// The program's handler runs.
    Handle,
}

/// What becomes of a signal under an action.
pub fn disposition(number: u8, action: &SignalAction) -> Disposition {
    match action.handler {
        0 => match number {
            SIGCHLD | SIGURG | SIGWINCH | SIGCONT => Disposition::Ignore,
            SIGSTOP | SIGTSTP | SIGTTIN | SIGTTOU => Disposition::Stop,
            _ => Disposition::Terminate,
        },
        1 => Disposition::Ignore,
        _ => Disposition::Handle,
    }
}
