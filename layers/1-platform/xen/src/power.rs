//! The end of the domain: the toolstack learns how, then the hypervisor ends it.

use crate::{STORE, TERMINAL, console, scheduling::shut_down, shutdown};
use rumpkin_core::for_platform::interface::{Ending, Power};
use xen_sys::{SHUTDOWN_crash, SHUTDOWN_poweroff, SHUTDOWN_reboot};

/// Where the store keeps how the domain ended, below the domain's own node; the toolstack lets the domain write there.
const NODE: &str = "data/ending";

/// The end.
pub struct XenPower;

impl Power for XenPower {
    fn end(&self, ending: Ending) -> ! {
        end(ending)
    }
}

/// Ends the domain by what is there.
pub fn end(ending: Ending) -> ! {
    x86_64::instructions::interrupts::disable();
    let ending = match ending {
        Ending::Exit(_) if shutdown::reboot_wanted() => Ending::Reboot,
        other => other,
    };
    let mut buffer = [0; Ending::LONGEST];
    let word = ending.word(&mut buffer);
    console::log_port(word);
    console::log_port(b"\n");
    if let Some(terminal) = TERMINAL.get() {
        terminal.flush();
    }
    if let Some(store) = STORE.get() {
        store.say_last(NODE, &[word]);
    }
    shut_down(match ending {
        Ending::Panic => SHUTDOWN_crash,
        Ending::Reboot => SHUTDOWN_reboot,
        Ending::Exit(_) => SHUTDOWN_poweroff,
    });
    console::early_write(b"the domain cannot be ended\n");
    loop {
        x86_64::instructions::hlt();
    }
}
