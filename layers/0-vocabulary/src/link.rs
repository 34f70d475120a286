//! A network interface.

use crate::notify::Notify;

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

    /// Queues a frame of `length` bytes (Ethernet header included) that `fill` writes. False, and `fill` not called, if
    /// the queue is full; the notification comes when there is room again. Nothing is sent before [`Link::flush`].
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
}
