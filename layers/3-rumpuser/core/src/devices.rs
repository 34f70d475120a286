//! Links, disks and the console: core's, in the kernel's clothes.
//!
//! A driver notifies in interrupt context, where no kernel may run. So a thread of this back end passes notifications on.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicBool, Ordering};
use rumpkin_core::sync::Once;
use rumpkin_core::{
    console, interface, start,
    sync::IrqMutex,
    thread::{self, Thread},
};
use rumpuser::device;

/// The devices, for the kernel.
pub(crate) fn take() -> device::Devices {
    let devices = start::take_devices();
    device::Devices {
        links: devices.links.into_iter().map(|link| Box::new(Link(link)) as _).collect(),
        disks: devices.disks.into_iter().map(|disk| Arc::new(Disk(disk)) as _).collect(),
        console: Arc::new(Console(devices.console)),
    }
}

/// Notifications on their way from an interrupt to the kernel.
struct Messenger {
    thread: Arc<Thread>,
    letters: IrqMutex<Vec<Arc<Letter>>>,
}

struct Letter {
    sent: AtomicBool,
    notify: device::Notify,
}

static MESSENGER: Once<Option<Messenger>> = Once::new();

fn messenger() -> Option<&'static Messenger> {
    MESSENGER
        .call_once(|| {
            let thread = thread::spawn("devices", deliver).ok()?;
            Some(Messenger { thread, letters: IrqMutex::new(Vec::new()) })
        })
        .as_ref()
}

fn deliver() {
    let Some(messenger) = messenger() else {
        return;
    };
    loop {
        let letters = messenger.letters.lock().clone();
        for letter in letters {
            if letter.sent.swap(false, Ordering::AcqRel) {
                (letter.notify)();
            }
        }
        thread::park(None);
    }
}

/// What a driver calls so that the kernel is notified.
fn forward(notify: device::Notify) -> interface::Notify {
    let Some(messenger) = messenger() else {
        log::error!("no memory for the thread that passes on what devices tell");
        return Arc::new(|| {});
    };
    let letter = Arc::new(Letter { sent: AtomicBool::new(false), notify });
    // Made outside the lock, which keeps interrupts off; and the old list is freed outside it too.
    let mut letters = messenger.letters.lock().clone();
    letters.push(letter.clone());
    let old = core::mem::replace(&mut *messenger.letters.lock(), letters);
    drop(old);
    Arc::new(move || {
        if !letter.sent.swap(true, Ordering::AcqRel) {
            messenger.thread.unpark();
        }
    })
}

struct Link(Box<dyn interface::Link>);

impl device::Link for Link {
    fn info(&self) -> device::LinkInfo {
        let interface::LinkInfo { mac, mtu, transmit_checksum } = self.0.info();
        device::LinkInfo { mac, mtu, transmit_checksum }
    }

    fn receive(&mut self, budget: usize, sink: &mut dyn FnMut(&[u8], device::Checksum)) -> usize {
        self.0.receive(budget, &mut |frame, checksum| {
            let checksum = match checksum {
                interface::Checksum::Unknown => device::Checksum::Unknown,
                interface::Checksum::Verified => device::Checksum::Verified,
                // Only ever asked for.
                interface::Checksum::Partial { .. } | interface::Checksum::Segments { .. } => device::Checksum::Unknown,
            };
            sink(frame, checksum);
        })
    }

    fn transmit(&mut self, length: usize, checksum: device::Checksum, fill: &mut dyn FnMut(&mut [u8])) -> bool {
        let checksum = match checksum {
            device::Checksum::Unknown => interface::Checksum::Unknown,
            device::Checksum::Verified => interface::Checksum::Verified,
            device::Checksum::Partial { start, offset } => interface::Checksum::Partial { start, offset },
            device::Checksum::Segments { start, offset, size } => interface::Checksum::Segments { start, offset, size },
        };
        self.0.transmit(length, checksum, fill)
    }

    fn segmentation(&self) -> usize {
        self.0.segmentation()
    }

    fn flush(&mut self) {
        self.0.flush();
    }

    fn arm(&mut self) -> bool {
        self.0.arm()
    }

    fn set_notify(&mut self, notify: device::Notify) {
        self.0.set_notify(forward(notify));
    }

    fn set_thread(&mut self, thread: rumpuser::thread::Thread) {
        // Unparking is allowed in interrupt context, so this needs no messenger.
        self.0.set_notify(Arc::new(move || thread.unpark()));
    }
}

struct Disk(Arc<dyn interface::Disk>);

fn disk_error(error: interface::DiskError) -> device::DiskError {
    match error {
        interface::DiskError::Io => device::DiskError::Io,
        interface::DiskError::ReadOnly => device::DiskError::ReadOnly,
        interface::DiskError::OutOfRange => device::DiskError::OutOfRange,
        interface::DiskError::Unsupported => device::DiskError::Unsupported,
    }
}

impl device::Disk for Disk {
    fn info(&self) -> device::DiskInfo {
        let interface::DiskInfo { sectors, block_size, read_only, serial } = self.0.info();
        device::DiskInfo { sectors, block_size, read_only, serial }
    }

    fn read(&self, sector: u64, buffer: &mut [u8]) -> Result<(), device::DiskError> {
        self.0.read(sector, buffer).map_err(disk_error)
    }

    fn write(&self, sector: u64, data: &[u8]) -> Result<(), device::DiskError> {
        self.0.write(sector, data).map_err(disk_error)
    }

    fn flush(&self) -> Result<(), device::DiskError> {
        self.0.flush().map_err(disk_error)
    }

    fn discard(&self, sector: u64, count: u64) -> Result<(), device::DiskError> {
        self.0.discard(sector, count).map_err(disk_error)
    }
}

/// A console without a driver takes output and has no input.
struct Console(Option<Arc<dyn interface::Console>>);

impl device::Console for Console {
    fn write(&self, data: &[u8]) {
        console::write(data);
    }

    fn read(&self, buffer: &mut [u8]) -> usize {
        self.0.as_ref().map_or(0, |console| console.read(buffer))
    }

    fn readable(&self) -> bool {
        self.0.as_ref().is_some_and(|console| console.readable())
    }

    fn set_notify(&self, notify: device::Notify) {
        if let Some(console) = &self.0 {
            console.set_notify(forward(notify));
        }
    }
}
