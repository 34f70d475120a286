//! The domain's console (`io/console.h`): two rings of bytes in a page, read and written by the toolstack's console daemon.
//! And the hypervisor's own console, for what is written before that, and for a panic.

use crate::{
    Error,
    byte_ring::{Consumer, Corrupt, Place, Producer},
    event::Channel,
    page::SharedPage,
    scheduling::yield_processor,
};
use alloc::sync::Arc;
use core::{
    mem::offset_of,
    sync::atomic::{AtomicBool, Ordering},
};
use rumpkin_core::for_platform::{
    clock,
    interface::{Console, Notify},
    sync::IrqMutex,
};
use x86_64::instructions::port::Port;
use xen_sys::{hypercall::console_write, xencons_interface};

const INPUT: Place = Place {
    bytes: offset_of!(xencons_interface, in_),
    size: 1024,
    consumer: offset_of!(xencons_interface, in_cons),
    producer: offset_of!(xencons_interface, in_prod),
};
const OUTPUT: Place = Place {
    bytes: offset_of!(xencons_interface, out),
    size: 2048,
    consumer: offset_of!(xencons_interface, out_cons),
    producer: offset_of!(xencons_interface, out_prod),
};
/// How long to wait for room, in nanoseconds, before output is given up: nobody reads it then.
const PATIENCE: u64 = 1_000_000_000;
/// Xen logs what an HVM guest writes to this port, line by line, if its log level is high enough (`guest_loglvl=all`).
const LOG_PORT: u16 = 0xe9;

/// Writes to the hypervisor's console, or else to its log. Needs nothing but Xen.
pub fn early_write(data: &[u8]) {
    // SAFETY: on Xen, as whoever asks for this platform's console has detected.
    if unsafe { console_write(data) }.is_err() {
        log_port(data);
    }
}

/// Writes to the hypervisor's log.
pub fn log_port(data: &[u8]) {
    for &byte in data {
        // SAFETY: the port writes a byte to the log.
        unsafe { Port::new(LOG_PORT).write(byte) };
    }
}

/// The domain's console.
pub struct Terminal {
    input: IrqMutex<Consumer>,
    output: IrqMutex<Producer>,
    channel: Channel,
    notify: rumpkin_core::for_platform::sync::Once<Notify>,
    /// Nobody has made room for a long time.
    stuck: AtomicBool,
}

impl Terminal {
    /// The console behind this page and port, which the toolstack made.
    pub fn start(page: SharedPage, port: u32) -> Result<Arc<Terminal>, Error> {
        let terminal = Arc::new(Terminal {
            input: IrqMutex::new(Consumer::new(page, INPUT)),
            output: IrqMutex::new(Producer::new(page, OUTPUT)),
            channel: Channel::new(port)?,
            notify: rumpkin_core::for_platform::sync::Once::new(),
            stuck: AtomicBool::new(false),
        });
        let rung = terminal.clone();
        terminal.channel.bind(move || {
            if let Some(notify) = rung.notify.get()
                && rung.readable()
            {
                notify();
            }
        });
        Ok(terminal)
    }

    /// Writes what there is room for, unless somebody else is writing: for a panic, which may have come in the middle of
    /// that.
    pub fn try_write(&self, data: &[u8]) {
        let Some(mut output) = self.output.try_lock() else {
            return;
        };
        self.put(data, &mut |rest| output.push(rest));
    }

    /// Waits until all of it has been taken.
    pub fn flush(&self) {
        let Some(output) = self.output.try_lock() else {
            return;
        };
        self.wait(&mut || output.pending() == Ok(0));
    }

    /// Polls for `done`, unless it has been in vain before. False if it took too long.
    fn wait(&self, done: &mut dyn FnMut() -> bool) -> bool {
        if self.stuck.load(Ordering::Relaxed) {
            return done();
        }
        let deadline = clock::monotonic().saturating_add(PATIENCE);
        self.channel.notify();
        while !done() {
            if clock::monotonic() >= deadline {
                self.stuck.store(true, Ordering::Relaxed);
                return false;
            }
            yield_processor();
        }
        true
    }

    /// Writes all of it, as long as it gets rid of some.
    fn put(&self, mut data: &[u8], push: &mut dyn FnMut(&[u8]) -> Result<usize, Corrupt>) {
        while !data.is_empty() {
            let mut count = 0;
            // An index that cannot be leaves no room, until there is one that can.
            let room = self.wait(&mut || {
                count = push(data).unwrap_or(0);
                count > 0
            });
            if !room {
                return;
            }
            self.stuck.store(false, Ordering::Relaxed);
            data = data.get(count..).unwrap_or_default();
        }
        self.channel.notify();
    }
}

impl Console for Terminal {
    fn write(&self, data: &[u8]) {
        // Not locked while it waits: that would keep interrupts off.
        self.put(data, &mut |rest| self.output.lock().push(rest));
    }

    fn read(&self, buffer: &mut [u8]) -> usize {
        let mut input = self.input.lock();
        let count = input.pop(buffer).unwrap_or_else(|Corrupt| {
            input.drain();
            0
        });
        drop(input);
        if count > 0 {
            self.channel.notify();
        }
        count
    }

    fn readable(&self) -> bool {
        self.input.lock().available().is_ok_and(|count| count > 0)
    }

    fn set_notify(&self, notify: Notify) {
        self.notify.call_once(|| notify);
    }
}
