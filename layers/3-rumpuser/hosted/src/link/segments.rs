//! Cuts a frame into TCP segments, as a device does that is asked for [`Checksum::Segments`](rumpuser::device::Checksum).

use super::{HEADER, finish_checksum};
use rumpuser::device::Checksum;

/// Bytes of an IPv4 header without options.
const IPV4: usize = 20;
const FIN: u8 = 0x01;
const PSH: u8 = 0x08;

/// The frames that a frame of TCP over IPv4 (without options in the IPv4 header) becomes, complete with their checksums. `start`
/// and `offset` are where the TCP header and the checksum's field in it are; `size`, how many bytes of payload each has. Empty if
/// the frame is none such.
pub fn cut(frame: &[u8], start: u16, offset: u16, size: u16) -> Vec<Vec<u8>> {
    let tcp = usize::from(start);
    let length = frame.get(tcp + 12).map_or(0, |words| usize::from(words >> 4) * 4);
    if tcp != HEADER + IPV4 || length < 20 || size == 0 || tcp + length >= frame.len() {
        return Vec::new();
    }
    let (headers, payload) = frame.split_at(tcp + length);
    let pieces = payload.chunks(usize::from(size));
    let last = pieces.len() - 1;
    pieces
        .enumerate()
        .map(|(number, piece)| {
            let mut segment = [headers, piece].concat();
            add(&mut segment[tcp + 4..tcp + 8], number * usize::from(size));
            if number < last {
                segment[tcp + 13] &= !(FIN | PSH);
            }
            add(&mut segment[HEADER + 4..HEADER + 6], number);
            let total = (segment.len() - HEADER) as u16;
            segment[HEADER + 2..HEADER + 4].copy_from_slice(&total.to_be_bytes());
            segment[HEADER + 10..HEADER + 12].fill(0);
            let sum = !sum(&segment[HEADER..tcp]);
            segment[HEADER + 10..HEADER + 12].copy_from_slice(&sum.to_be_bytes());
            // The pseudo-header: addresses, protocol, length.
            let pseudo = [&segment[HEADER + 12..tcp], &[0, 6], &(total - IPV4 as u16).to_be_bytes()].concat();
            let field = tcp + usize::from(offset);
            segment[field..field + 2].copy_from_slice(&self::sum(&pseudo).to_be_bytes());
            finish_checksum(&mut segment, Checksum::Partial { start, offset });
            segment
        })
        .collect()
}

/// Adds to a number in network byte order.
fn add(field: &mut [u8], amount: usize) {
    let mut carry = amount;
    for byte in field.iter_mut().rev() {
        let sum = usize::from(*byte) + (carry & 0xff);
        *byte = sum as u8;
        carry = (carry >> 8) + (sum >> 8);
    }
}

/// The ones' complement sum of bytes (RFC 1071).
pub(super) fn sum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    let mut sum: u32 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
