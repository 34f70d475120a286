//! Processes that do not outlive the launcher.
use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Has Linux kill the process that `command` starts when the thread that starts it ends (PR_SET_PDEATHSIG of prctl(2)), and so when
/// the launcher is killed, which then can do nothing itself. That thread must be one that lives as long as the launcher.
pub fn tie(command: &mut Command) -> &mut Command {
    let launcher = getpid();
    let tie = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // Who died before that is not noticed by it.
        if getppid() == Some(launcher) { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
    };
    #[expect(unsafe_code, reason = "there is no other way to something between fork and exec")]
    // SAFETY: these are two system calls, without a lock or memory that another thread may have held at the fork.
    unsafe {
        command.pre_exec(tie)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::thread;

    #[test]
    fn a_process_ends_with_the_thread_that_started_it() {
        let spawn = || tie(Command::new("sleep").arg("600")).spawn().unwrap();
        let mut child = thread::spawn(spawn).join().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    }
}
