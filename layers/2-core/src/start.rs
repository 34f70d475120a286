//! The start of the machine, from the boot entry to the first thread.

use crate::sync::Once;
use crate::{
    boot::{BootInfo, MemoryKind, PhysicalRange},
    clock, console,
    interface::{Devices, Ending, Platform},
    interrupts, log_sink,
    memory::{frames, heap, shortage},
    panic, power, random,
    sync::IrqMutex,
    thread, timer,
    x86::{
        apic, context, cpuid, descriptors, layout::direct, local, memory_functions, page_tables, reset, traps,
        vector_state,
    },
};

static BOOT: Once<BootInfo> = Once::new();
static DEVICES: IrqMutex<Option<Devices>> = IrqMutex::new(None);

/// Starts the machine, and `main` as its first thread; the console, the entropy and the devices are there by then. The boot
/// entry calls it once, on the boot processor, with interrupts off and the direct map of the first 4 GiB in force.
pub fn start(boot: BootInfo, platforms: &[&'static dyn Platform], main: fn()) -> ! {
    let boot = BOOT.call_once(|| boot);
    let Some(&platform) = platforms.iter().find(|platform| platform.detect(boot)) else { reset::triple_fault() };
    console::set_early(platform);
    power::set_early(platform);
    panic::initialize(boot);
    shortage::initialize(&[heap::EMPTY_PAGES, thread::KEPT_STACKS]);
    log_sink::initialize(boot.command_line);
    memory_functions::initialize(cpuid::is_emulated());

    frames::initialize(boot);
    page_tables::initialize(boot);
    frames::complete(boot);
    let cpu = local::create(0, page_tables::root());
    // In this order: loading the segment registers clears the base of GS.
    descriptors::initialize(cpu, traps::stub);
    local::establish(cpu);
    context::initialize();
    vector_state::initialize();
    apic::initialize();
    log::info!("Rumpkin on {}, started by {}", platform.name(), boot.protocol);

    let machine = match platform.initialize(boot) {
        Ok(machine) => machine,
        Err(error) => {
            log::error!("{}: {error}", platform.name());
            power::end(Ending::Panic)
        }
    };
    clock::initialize(machine.clock);
    power::initialize(machine.power);
    interrupts::initialize(machine.interrupts);
    timer::initialize(machine.timer);
    let (total, _) = frames::counts();
    log::info!("memory: {} KiB", total * 4);

    thread::initialize();
    let first = thread::spawn("main", move || {
        let mut devices = platform.discover(boot);
        if let Some(console) = devices.console.take() {
            console::set_driver(console);
        }
        random::seed(&devices.entropy);
        *DEVICES.lock() = Some(devices);
        main();
    });
    first.expect("no memory for the first thread");
    thread::idle()
}

/// What was found at boot.
///
/// # Panics
/// Before [`start`].
pub fn boot_info() -> &'static BootInfo {
    BOOT.get().expect("the machine has been started")
}

/// The devices, but for the console ([`console::console`]). The first call gets them; later ones get none.
pub fn take_devices() -> Devices {
    DEVICES.lock().take().unwrap_or_default()
}

/// Memory that was given at boot and stays: a module or a part of the payload. `None` if it is not, or there is none.
pub fn kept_memory(range: PhysicalRange) -> Option<&'static [u8]> {
    let boot = boot_info();
    let payload = [boot.payload.root_file_system, boot.payload.configuration];
    let is_kept = boot.modules.iter().chain(&payload).any(|kept| *kept == range);
    let is_ram = boot.memory.iter().any(|region| {
        region.kind == MemoryKind::Ram && region.range.start <= range.start && range.end() <= region.range.end()
    });
    if !is_kept || !is_ram {
        return None;
    }
    let start = direct(range.start) as *const u8;
    // SAFETY: memory in the direct map that is never given away nor written.
    Some(unsafe { core::slice::from_raw_parts(start, range.length as usize) })
}
