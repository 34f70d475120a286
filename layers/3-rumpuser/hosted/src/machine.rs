//! The rest of the machine: clocks, chance, console, boot data, the end.

use crate::simulation;
use rumpuser::{
    boot::BootData,
    context::{Event, Registers},
    device::{Console, Devices, Disk, Link, Notify},
    memory::{Frame, OutOfMemory, VdsoFrames},
    power::Exit,
};
use std::{
    fs::File,
    io::{Read, Write},
    sync::{Arc, LazyLock, Mutex, OnceLock},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);
static BOOT_DATA: OnceLock<BootData> = OnceLock::new();
static DEVICES: Mutex<Option<Devices>> = Mutex::new(None);
static ON_STOP: Mutex<Option<StopHandler>> = Mutex::new(None);

type StopHandler = Arc<dyn Fn() + Send + Sync>;

pub fn monotonic() -> u64 {
    match simulation::current() {
        Some(simulation) => simulation.now(),
        None => STARTED.elapsed().as_nanos() as u64,
    }
}

pub fn realtime() -> u64 {
    match simulation::current() {
        Some(simulation) => simulation.wall_clock(),
        None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64),
    }
}

pub fn random(buffer: &mut [u8]) {
    if let Some(simulation) = simulation::current() {
        return simulation.fill(buffer);
    }
    static SOURCE: LazyLock<File> = LazyLock::new(|| File::open("/dev/urandom").expect("/dev/urandom opens"));
    (&*SOURCE).read_exact(buffer).expect("/dev/urandom can be read");
}

/// Sets what the kernel finds at boot. False if it has been set, or looked at, before.
pub fn set_boot_data(data: BootData) -> bool {
    BOOT_DATA.set(data).is_ok()
}

pub fn boot_data() -> &'static BootData {
    let simulated = simulation::current().and_then(|simulation| simulation.machine.boot_data);
    simulated.unwrap_or_else(|| BOOT_DATA.get_or_init(BootData::default))
}

/// Runs the simulated machine's stand-in for user code. There is no other: elsewhere it looks as if the first instruction were an
/// invalid one (vector 6).
pub fn enter_user_code(registers: &mut Registers) -> Event {
    match simulation::current().and_then(|simulation| simulation.machine.user_code.clone()) {
        Some(code) => code(registers),
        None => Event::Exception { vector: 6, code: 0 },
    }
}

/// A clock page of zeroes, and a page of zeroes for its code, which nothing runs here.
pub fn vdso() -> Result<VdsoFrames, OutOfMemory> {
    let page = || Frame::allocate().ok_or(OutOfMemory);
    let (clock, code) = (page()?, page()?);
    Ok(VdsoFrames { clock: clock.into_number(), code: code.into_number(), code_frames: 1 })
}

/// The process's standard output; nothing can be read.
struct StandardOutput;

impl Console for StandardOutput {
    fn write(&self, data: &[u8]) {
        let mut output = std::io::stdout().lock();
        // A console has nobody to report errors to.
        let _ = output.write_all(data).and_then(|()| output.flush());
    }

    fn read(&self, _buffer: &mut [u8]) -> usize {
        0
    }

    fn readable(&self) -> bool {
        false
    }

    fn set_notify(&self, _notify: Notify) {}
}

/// Sets the links and disks that the kernel finds, for one that takes what the machine has instead of being handed it. They are
/// taken once.
pub fn set_devices(links: Vec<Box<dyn Link>>, disks: Vec<Arc<dyn Disk>>) {
    *DEVICES.lock().unwrap() = Some(Devices { links, disks, console: Arc::new(StandardOutput) });
}

pub fn devices() -> Devices {
    let none = || Devices { links: Vec::new(), disks: Vec::new(), console: Arc::new(StandardOutput) };
    DEVICES.lock().unwrap().take().unwrap_or_else(none)
}

pub fn exit(exit: Exit) -> ! {
    match exit {
        Exit::Status(status) => std::process::exit(i32::from(status)),
        Exit::Reboot => std::process::exit(0),
    }
}

pub fn on_stop(handler: Box<dyn Fn() + Send + Sync>) {
    *ON_STOP.lock().unwrap() = Some(Arc::from(handler));
}

/// Asks the kernel for a clean stop, as the power button would.
pub fn request_stop() {
    let handler = ON_STOP.lock().unwrap().clone();
    if let Some(handler) = handler {
        handler();
    }
}
