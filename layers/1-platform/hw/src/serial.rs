//! The first serial port, a 16550: console output in bursts of its FIFO, input by interrupt.

use alloc::{boxed::Box, collections::VecDeque};
use rumpkin_core::for_platform::{
    interface::{Console, Notify},
    sync::IrqMutex,
};
use x86_64::instructions::port::Port;

const BASE: u16 = 0x3f8;
/// The ISA interrupt of that port.
pub const ISA_INTERRUPT: u8 = 4;

const DATA: u16 = 0;
const INTERRUPT_ENABLE: u16 = 1;
const FIFO_CONTROL: u16 = 2;
const INTERRUPT_CAUSE: u16 = 2;
const LINE_CONTROL: u16 = 3;
const MODEM_CONTROL: u16 = 4;
const LINE_STATUS: u16 = 5;
const SCRATCH: u16 = 7;

const DATA_READY: u8 = 1 << 0;
const TRANSMIT_EMPTY: u8 = 1 << 5;
/// Bytes that fit when the transmitter says it is empty.
const FIFO: usize = 16;
/// Longest stretch that is written with interrupts off.
const BURST: usize = 8 * FIFO;
/// How often to look for an empty transmitter; a port that takes nothing must not stop the machine.
const PATIENCE: u32 = 1_000_000;
/// Bytes of input kept for a reader.
const INPUT: usize = 1024;

fn read(register: u16) -> u8 {
    // SAFETY: The registers of a serial port; reading them touches no memory.
    unsafe { Port::new(BASE + register).read() }
}

fn write(register: u16, value: u8) {
    // SAFETY: As above.
    unsafe { Port::new(BASE + register).write(value) }
}

/// Whether there is a port: its scratch register keeps what is written.
pub fn present() -> bool {
    write(SCRATCH, 0x5a);
    read(SCRATCH) == 0x5a
}

/// Writes by polling; needs neither heap nor interrupts nor set-up. A stuck port loses the rest.
pub fn early_write(data: &[u8]) {
    for burst in data.chunks(FIFO) {
        let empty = (0..PATIENCE).any(|_| {
            core::hint::spin_loop();
            read(LINE_STATUS) & TRANSMIT_EMPTY != 0
        });
        if !empty {
            return;
        }
        for &byte in burst {
            write(DATA, byte);
        }
    }
}

/// The port as a console.
pub struct Serial {
    output: IrqMutex<()>,
    input: IrqMutex<Input>,
}

struct Input {
    typed: VecDeque<u8>,
    notify: Option<Box<Notify>>,
}

impl Serial {
    /// Sets the port up: 115200 baud, eight bits, FIFOs on, interrupts off until [`Serial::enable_input`].
    pub fn new() -> Self {
        write(INTERRUPT_ENABLE, 0);
        write(LINE_CONTROL, 0x80);
        write(DATA, 1);
        write(INTERRUPT_ENABLE, 0);
        write(LINE_CONTROL, 0x03);
        write(FIFO_CONTROL, 0x07);
        // DTR, RTS, and OUT2, which lets interrupts through on a PC.
        write(MODEM_CONTROL, 0x0b);
        Self {
            output: IrqMutex::new(()),
            input: IrqMutex::new(Input { typed: VecDeque::with_capacity(INPUT), notify: None }),
        }
    }

    /// Lets the port interrupt when something is typed.
    pub fn enable_input(&self) {
        write(INTERRUPT_ENABLE, 1);
    }

    /// Takes what was typed. What nobody reads is dropped, so that the interrupt ends.
    pub fn interrupt(&self) {
        let mut input = self.input.lock();
        let mut any = false;
        // Bounded: a port that is always ready must not hold the machine.
        for _ in 0..INPUT {
            if read(LINE_STATUS) & DATA_READY == 0 {
                break;
            }
            let byte = read(DATA);
            if input.typed.len() < INPUT {
                input.typed.push_back(byte);
            }
            any = true;
        }
        read(INTERRUPT_CAUSE);
        if any && let Some(notify) = &input.notify {
            notify();
        }
    }
}

impl Console for Serial {
    fn write(&self, data: &[u8]) {
        for burst in data.chunks(BURST) {
            let _in_order = self.output.lock();
            early_write(burst);
        }
    }

    fn read(&self, buffer: &mut [u8]) -> usize {
        let mut input = self.input.lock();
        let count = buffer.len().min(input.typed.len());
        for (to, from) in buffer.iter_mut().zip(input.typed.drain(..count)) {
            *to = from;
        }
        count
    }

    fn readable(&self) -> bool {
        !self.input.lock().typed.is_empty()
    }

    fn set_notify(&self, notify: Notify) {
        let notify = Box::new(notify);
        let old = self.input.lock().notify.replace(notify);
        drop(old);
    }
}
