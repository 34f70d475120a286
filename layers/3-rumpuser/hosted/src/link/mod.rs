//! Links: a wire in memory that can be as bad as a test wants, and frames over a file descriptor (a tap, a socket pair).

mod descriptor;
mod segments;
mod tap;
mod wire;

pub use descriptor::socket_pair;
pub use segments::cut;
pub use tap::{TapError, tap};
pub use wire::{Faults, Recorded, Wire};

use rumpuser::device::Checksum;

/// Bytes of an Ethernet header.
const HEADER: usize = 14;
/// Most frames that wait to be sent or received.
const QUEUE: usize = 256;

/// Makes the checksum that a kernel leaves to a device with `transmit_checksum`: the ones' complement of the ones'
/// complement sum (RFC 1071). What does not lie in the frame is left alone.
fn finish_checksum(frame: &mut [u8], checksum: Checksum) {
    let Checksum::Partial { start, offset } = checksum else { return };
    let (start, at) = (usize::from(start), usize::from(start) + usize::from(offset));
    let Some(summed) = frame.get(start..) else { return };
    let sum = segments::sum(summed);
    if let Some(field) = frame.get_mut(at..at + 2) {
        // To UDP zero means "none", and the other form of zero is as good to TCP.
        let value = if sum == 0xffff { 0xffff } else { !sum };
        field.copy_from_slice(&value.to_be_bytes());
    }
}
