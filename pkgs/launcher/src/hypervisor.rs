//! What the launcher needs of a hypervisor; one file per hypervisor gives it.
use crate::console::Console;
use crate::guest::Guest;
use crate::options::{Hypervisor, RunOptions};
use crate::qemu::{self, Qemu};
use crate::status::Report;
use crate::xen::{self, Xen};
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use thiserror::Error;

/// Why there is no guest, or why it is not reached.
#[derive(Debug, Error)]
pub enum Error {
    /// Under QEMU.
    #[error(transparent)]
    Qemu(#[from] qemu::Error),
    /// Under Xen.
    #[error(transparent)]
    Xen(#[from] xen::Error),
}

/// One guest under one hypervisor.
pub trait Monitor {
    /// What `--print-command` prints: the command line, or the file that stands for it.
    fn describe(&self) -> String;

    /// Starts the guest, with this console. The process that is given back ends when the guest has ended.
    ///
    /// # Errors
    /// The hypervisor is missing or refuses; the message says what to do.
    fn start(&mut self, console: &Arc<Console>) -> Result<Child, Error>;

    /// Asks the guest to stop, and does not wait for it.
    ///
    /// # Errors
    /// The guest cannot be asked.
    fn stop(&self) -> Result<(), Error>;

    /// Ends the guest at once, and with it `process`, which `start` gave.
    fn kill(&mut self, process: &mut Child);

    /// What is known of the guest's end, after `process` has ended with `status`. Whatever it held of the host is released.
    ///
    /// # Errors
    /// There was no guest.
    fn finish(&mut self, status: ExitStatus) -> Result<Ending, Error>;
}

/// How a guest ended.
#[derive(Debug)]
pub enum Ending {
    /// It has not run at all, and may if it is started again.
    NotRun,
    /// It has run.
    Ran {
        /// What it said about its end.
        report: Option<Report>,
        /// What the hypervisor says about it, for people.
        remark: String,
    },
}

/// `guest` under the hypervisor that `options` name. `folder` is private to this run and holds the guest's configuration.
///
/// # Errors
/// The hypervisor cannot do what is asked for.
pub fn choose(options: &RunOptions, guest: Guest, folder: &Path) -> Result<Box<dyn Monitor>, Error> {
    match options.hypervisor {
        Hypervisor::Qemu => Ok(Box::new(Qemu::new(options, guest, folder)?)),
        Hypervisor::Xen => Ok(Box::new(Xen::new(options, guest, folder)?)),
    }
}
