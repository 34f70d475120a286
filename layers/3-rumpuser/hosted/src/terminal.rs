//! A console in memory, for tests.

use rumpuser::device::{Console, Notify};
use std::{collections::VecDeque, sync::Mutex};

/// Bytes that the screen holds.
const SHOWN: usize = 64 * 1024;

/// A console whose keyboard and screen are the test's.
#[derive(Default)]
pub struct Terminal {
    typed: Mutex<VecDeque<u8>>,
    /// What was written to it last, up to 64 KiB.
    pub shown: Mutex<Vec<u8>>,
    notify: Mutex<Option<Notify>>,
}

impl Terminal {
    /// Types.
    pub fn type_in(&self, bytes: &[u8]) {
        self.typed.lock().unwrap().extend(bytes);
        let notify = self.notify.lock().unwrap().clone();
        if let Some(notify) = notify {
            notify();
        }
    }
}

impl Console for Terminal {
    fn write(&self, data: &[u8]) {
        let mut shown = self.shown.lock().unwrap();
        shown.extend(data);
        let gone = shown.len().saturating_sub(SHOWN);
        shown.drain(..gone);
    }

    fn read(&self, buffer: &mut [u8]) -> usize {
        let mut typed = self.typed.lock().unwrap();
        let count = buffer.len().min(typed.len());
        for (slot, byte) in buffer.iter_mut().zip(typed.drain(..count)) {
            *slot = byte;
        }
        count
    }

    fn readable(&self) -> bool {
        !self.typed.lock().unwrap().is_empty()
    }

    fn set_notify(&self, notify: Notify) {
        *self.notify.lock().unwrap() = Some(notify);
    }
}
