//! The end of the machine: the host learns how, then it is switched off or reset. And the button that asks for it.

use crate::{
    acpi::{Acpi, PowerRegisters, Register},
    serial,
};
use core::arch::asm;
use rumpkin_core::for_platform::{
    interface::{Ending, Polarity, Power, Trigger},
    interrupts, mmio, stop,
};
use x86_64::instructions::port::Port;

/// The status line goes here: QEMU's isa-debugcon.
const STATUS_PORT: u16 = 0xe9;
/// QEMU's isa-debug-exit.
const EXIT_PORT: u16 = 0xf4;
/// What a panicked kernel writes there.
const PANIC_CODE: u8 = 0x7f;
const KEYBOARD_CONTROLLER: u16 = 0x64;
const PULSE_RESET: u8 = 0xfe;

/// In the power management control register.
const SLEEP_ENABLE: u16 = 1 << 13;
const ACPI_MODE: u16 = 1;
/// In the sleep control register of hardware-reduced ACPI.
const REDUCED_SLEEP_ENABLE: u8 = 1 << 5;
/// In the power management event registers.
const POWER_BUTTON: u16 = 1 << 8;
/// In the selector of QEMU's generic event device.
const GENERIC_POWER_DOWN: u32 = 1 << 1;

/// A register with its mapping.
#[derive(Clone, Copy)]
enum Mapped {
    Port(u16),
    Memory(mmio::Region),
}

impl Mapped {
    fn new(register: Register) -> Option<Self> {
        match register {
            Register::Port(port) => Some(Self::Port(port)),
            Register::Memory(address) => mmio::map(address, 1).ok().map(Self::Memory),
        }
    }

    fn write(self, value: u8) {
        match self {
            // SAFETY: The tables say what this register is for, and the machine ends.
            Self::Port(port) => unsafe { Port::new(port).write(value) },
            Self::Memory(region) => region.write_u8(0, value),
        }
    }
}

/// Ways to end, prepared beforehand: in a panic nothing can be looked for.
pub struct PcPower {
    control: [Option<u16>; 2],
    sleep_type: [u8; 2],
    sleep_control: Option<Mapped>,
    reset: Option<(Mapped, u8)>,
}

impl PcPower {
    /// Prepares what the tables offer.
    pub fn new(acpi: &Acpi) -> Self {
        let registers = &acpi.power;
        let mut control = registers.control.iter().copied();
        Self {
            control: [control.next(), control.next()],
            sleep_type: registers.sleep_type.unwrap_or_default(),
            sleep_control: registers.sleep_control.and_then(Mapped::new),
            reset: registers.reset.and_then(|(register, value)| Some((Mapped::new(register)?, value))),
        }
    }

    fn off(&self) {
        for (port, kind) in self.control.iter().zip(self.sleep_type) {
            if let Some(port) = *port {
                // SAFETY: The power management control register; S5 is meant.
                unsafe { Port::new(port).write(SLEEP_ENABLE | u16::from(kind) << 10) };
            }
        }
        if let Some(control) = self.sleep_control {
            control.write(REDUCED_SLEEP_ENABLE | self.sleep_type[0] << 2);
        }
    }

    fn reset(&self) {
        if let Some((register, value)) = self.reset {
            register.write(value);
        }
    }
}

impl Power for PcPower {
    fn end(&self, ending: Ending) -> ! {
        end(ending, Some(self))
    }
}

/// Writes to a port that may have nothing behind it.
fn tell(port: u16, byte: u8) {
    // SAFETY: The ports of QEMU's debug devices, or nothing.
    unsafe { Port::new(port).write(byte) }
}

/// Ends the machine by what is there, down to a triple fault.
pub fn end(ending: Ending, power: Option<&PcPower>) -> ! {
    x86_64::instructions::interrupts::disable();
    let code = match ending {
        Ending::Exit(status) => Some(status & 0x7f),
        Ending::Panic => Some(PANIC_CODE),
        Ending::Reboot => None,
    };
    for &byte in ending.word(&mut [0; Ending::LONGEST]).iter().chain(b"\n") {
        tell(STATUS_PORT, byte);
    }
    match code {
        Some(code) => {
            tell(EXIT_PORT, code);
            if let Some(power) = power {
                power.off();
            }
            // Some hosts take a moment to act on it.
            for _ in 0..100_000 {
                core::hint::spin_loop();
            }
        }
        None => {
            if let Some(power) = power {
                power.reset();
            }
            tell(KEYBOARD_CONTROLLER, PULSE_RESET);
        }
    }
    triple_fault()
}

/// An exception without an interrupt table resets the processor; a hypervisor told not to reboot ends then.
fn triple_fault() -> ! {
    let no_table = [0_u16; 5];
    // SAFETY: This is meant to be the end.
    unsafe {
        asm!("lidt [{}]", "int3", in(reg) &no_table, options(nostack));
    }
    serial::early_write(b"the machine cannot be ended\n");
    loop {
        x86_64::instructions::hlt();
    }
}

/// Has the power button ask the kernel to stop.
pub fn listen(acpi: &Acpi) {
    if let Err(error) = listen_fixed(acpi) {
        log::warn!("ACPI: no power button: {error}");
    }
    if let Err(error) = listen_generic(acpi) {
        log::warn!("ACPI: no generic events: {error}");
    }
}

fn read16(port: u16) -> u16 {
    // SAFETY: A power management register, as the tables say.
    unsafe { Port::new(port).read() }
}

fn write16(port: u16, value: u16) {
    // SAFETY: As above.
    unsafe { Port::new(port).write(value) }
}

/// The button of fixed hardware (ACPI 6.5 §4.8.2.2.1.1).
fn listen_fixed(acpi: &Acpi) -> Result<(), rumpkin_core::for_platform::interface::PlatformError> {
    let PowerRegisters { event: Some((status, half)), interrupt: Some(interrupt), .. } = acpi.power else {
        return Ok(());
    };
    let enable = status.saturating_add(half);
    if let (Some(&control), Some((port, value))) = (acpi.power.control.first(), acpi.power.enable)
        && read16(control) & ACPI_MODE == 0
    {
        tell(port, value);
        let on = (0..1_000_000).any(|_| read16(control) & ACPI_MODE != 0);
        if !on {
            log::warn!("ACPI: the firmware does not hand over");
        }
    }
    // Who pressed it while the machine was starting has asked, too.
    if read16(status) & POWER_BUTTON != 0 {
        stop::request();
    }
    write16(status, u16::MAX);
    let mut line = acpi.isa_line(interrupt);
    // The system control interrupt is level-triggered, whatever the tables omit (§5.2.9).
    line.trigger = Trigger::Level;
    interrupts::register(line.number, line.trigger, line.polarity, move || {
        let happened = read16(status);
        if happened & POWER_BUTTON != 0 {
            stop::request();
        }
        write16(status, happened);
    })?;
    write16(enable, POWER_BUTTON);
    log::info!("ACPI: power button on line {}", line.number);
    Ok(())
}

/// The button of hardware-reduced ACPI: QEMU's generic event device, whose selector is read and thereby cleared.
fn listen_generic(acpi: &Acpi) -> Result<(), rumpkin_core::for_platform::interface::PlatformError> {
    let Some((address, number)) = acpi.power.generic_event else {
        return Ok(());
    };
    if !address.is_multiple_of(4) {
        return Err(rumpkin_core::for_platform::interface::PlatformError(alloc::format!(
            "no register can be at {address:#x}"
        )));
    }
    let selector = mmio::map(address, 4).map_err(|_| {
        rumpkin_core::for_platform::interface::PlatformError(alloc::string::String::from("no memory to map it"))
    })?;
    let look = move || {
        if selector.read_u32(0) & GENERIC_POWER_DOWN != 0 {
            stop::request();
        }
    };
    interrupts::register(number, Trigger::Edge, Polarity::High, look)?;
    // What happened while the machine was starting gave no edge that anybody saw.
    look();
    log::info!("ACPI: generic events on line {number}");
    Ok(())
}
