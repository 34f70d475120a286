//! Links, disks and the console, as the kernel sees them. Drivers live below; these are their only faces.

use crate::{hypercalls::*, thread::Thread};
use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};

/// What the machine has.
pub struct Devices {
    /// Network interfaces, in the order of discovery.
    pub links: Vec<Box<dyn Link>>,
    /// Disks, in the order of discovery.
    pub disks: Vec<Arc<dyn Disk>>,
    /// The console.
    pub console: Arc<dyn Console>,
}

/// Takes the devices from the back end. The first call gets them all; a later one only the console.
pub fn take() -> Devices {
    rumpuser_devices()
}

/// Called by a device, on a thread of the back end or from within one of the device's own methods, when there is
/// something new. It must not call back into the device; it wakes a thread.
pub type Notify = Arc<dyn Fn() + Send + Sync>;

/// What a link is and can do.
#[derive(Debug, Clone, Default)]
pub struct LinkInfo {
    /// Ethernet address.
    pub mac: [u8; 6],
    /// Largest payload of an Ethernet frame, in bytes (1500 as a rule).
    pub mtu: usize,
    /// The device fills in TCP and UDP checksums of frames sent with [`Checksum::Partial`].
    pub transmit_checksum: bool,
}

/// What is known of a received frame's transport checksum, or asked of a sent one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// Received: not verified. Sent: complete, leave it alone.
    Unknown,
    /// Received: known to be right (or the frame never left the host).
    Verified,
    /// Sent: the device shall compute it from `start` to the end of the frame and store it at `start + offset`;
    /// the field holds the pseudo-header's sum (RFC 9293 §3.1).
    Partial {
        /// First byte that is summed, from the beginning of the frame.
        start: u16,
        /// Where the sum goes, from `start`.
        offset: u16,
    },
    /// Sent, where [`Link::segmentation`] allows it: an IPv4 packet that the device shall cut into TCP segments, with lengths,
    /// sequence numbers and checksums of their own; FIN and PSH go with the last. The checksum's field is as for `Partial`.
    Segments {
        /// Where the TCP header begins, from the beginning of the frame.
        start: u16,
        /// Where the sum goes, from `start`.
        offset: u16,
        /// Bytes of payload of each segment but the last, which may have fewer.
        size: u16,
    },
}

/// An Ethernet interface. Frames are handed over in batches, and the doorbell rings once per batch.
pub trait Link: Send {
    /// What it is.
    fn info(&self) -> LinkInfo;

    /// Hands received frames to `sink`, at most `budget`, and gives their buffers back to the device. Returns how many
    /// there were. Does not block. Frames may be longer than the MTU when the host joined segments.
    fn receive(&mut self, budget: usize, sink: &mut dyn FnMut(&[u8], Checksum)) -> usize;

    /// Queues a frame of `length` bytes (Ethernet header included) that `fill` writes. False, and `fill` not called, if the
    /// queue is full; the notification comes when there is room again. Nothing is sent before [`Link::flush`].
    fn transmit(&mut self, length: usize, checksum: Checksum, fill: &mut dyn FnMut(&mut [u8])) -> bool;

    /// Longest frame that may be sent with [`Checksum::Segments`] at present, Ethernet header included; 0 if the device does not
    /// cut frames.
    fn segmentation(&self) -> usize {
        0
    }

    /// Rings the doorbell for what was queued.
    fn flush(&mut self);

    /// Asks to be notified of the next arrival, or of room after a full queue. Returns true if there is something
    /// already, in which case no notification comes. Does not block.
    fn arm(&mut self) -> bool;

    /// Whom to notify.
    fn set_notify(&mut self, notify: Notify);

    /// A thread to unpark in place of a notification. A back end may do so straight from the device's interrupt.
    fn set_thread(&mut self, thread: Thread) {
        self.set_notify(Arc::new(move || thread.unpark()));
    }
}

/// What a disk is.
#[derive(Debug, Clone, Default)]
pub struct DiskInfo {
    /// Number of 512-byte sectors.
    pub sectors: u64,
    /// Bytes that the device prefers to transfer at once (a power of two, at least 512).
    pub block_size: usize,
    /// Writes fail.
    pub read_only: bool,
    /// The serial number or identifier that the host gave it, if any.
    pub serial: String,
}

/// Why a disk refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskError {
    /// The device reported an error.
    Io,
    /// The disk is read-only.
    ReadOnly,
    /// Beyond the end, or not whole sectors.
    OutOfRange,
    /// The device does not know this operation.
    Unsupported,
}

/// A disk. Calls block the calling thread until the device has answered; any number of threads may call at once.
pub trait Disk: Send + Sync {
    /// What it is.
    fn info(&self) -> DiskInfo;

    /// Reads whole sectors.
    fn read(&self, sector: u64, buffer: &mut [u8]) -> Result<(), DiskError>;

    /// Writes whole sectors. They are durable after the next [`Disk::flush`].
    fn write(&self, sector: u64, data: &[u8]) -> Result<(), DiskError>;

    /// Makes what was written durable.
    fn flush(&self) -> Result<(), DiskError>;

    /// Tells the device that these sectors hold nothing of interest.
    fn discard(&self, sector: u64, count: u64) -> Result<(), DiskError>;
}

/// The console.
pub trait Console: Send + Sync {
    /// Writes all of it, in order with other writers' calls. May block for the device.
    fn write(&self, data: &[u8]);

    /// Reads what has been typed; 0 if nothing. Does not block.
    fn read(&self, buffer: &mut [u8]) -> usize;

    /// Whether [`Console::read`] would give something.
    fn readable(&self) -> bool;

    /// Whom to notify of input.
    fn set_notify(&self, notify: Notify);
}
