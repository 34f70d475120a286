//! Checksums of frames that never left the host: nobody has made them, but C kernels are promised complete ones.

const ETHERNET: usize = 14;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// More fragments, or not the first.
const FRAGMENT: u16 = 0x3fff;

/// A TCP segment or UDP datagram in a frame: its place, its protocol, and the addresses before it.
struct Transport {
    start: usize,
    end: usize,
    protocol: u8,
    addresses: core::ops::Range<usize>,
}

/// Makes the TCP or UDP checksum of a frame of IPv4 or IPv6; leaves any other as it is.
pub(crate) fn complete(frame: &mut [u8]) {
    let Some(Transport { start, end, protocol, addresses }) = transport(frame) else { return };
    let field = start + if protocol == TCP { 16 } else { 6 };
    let Some(place) = frame.get_mut(field..field + 2) else { return };
    place.fill(0);
    let length = (end - start) as u32;
    let total = sum(&frame[addresses]) + u32::from(protocol) + length + sum(&frame[start..end]);
    let folded = (total & 0xffff) + (total >> 16);
    // To UDP zero means that there is none.
    let made = match !((folded & 0xffff) + (folded >> 16)) as u16 {
        0 if protocol == UDP => 0xffff,
        made => made,
    };
    frame[field..field + 2].copy_from_slice(&made.to_be_bytes());
}

fn transport(frame: &[u8]) -> Option<Transport> {
    let packet = frame.get(ETHERNET..)?;
    let word = |at: usize| Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]));
    let (start, length, protocol, addresses) = match frame.get(12..ETHERNET)? {
        [0x08, 0x00] if word(6)? & FRAGMENT == 0 => {
            (usize::from(packet.first()? & 0xf) * 4, usize::from(word(2)?), *packet.get(9)?, 12..20)
        }
        [0x86, 0xdd] => (40, 40 + usize::from(word(4)?), *packet.get(6)?, 8..40),
        _ => return None,
    };
    let header = match protocol {
        TCP => 20,
        UDP => 8,
        _ => return None,
    };
    let fits = start >= addresses.end && start + header <= length && length <= packet.len();
    fits.then(|| Transport {
        start: ETHERNET + start,
        end: ETHERNET + length,
        protocol,
        addresses: ETHERNET + addresses.start..ETHERNET + addresses.end,
    })
}

/// The sum of the words (RFC 1071), folded once.
fn sum(bytes: &[u8]) -> u32 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    let sum: u32 = bytes.chunks(2).map(word).sum();
    (sum & 0xffff) + (sum >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{vec, vec::Vec};

    fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; ETHERNET + 20];
        frame[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
        frame[16..18].copy_from_slice(&(20 + payload.len() as u16).to_be_bytes());
        frame[23] = protocol;
        frame[26..34].copy_from_slice(&[10, 0, 2, 2, 10, 0, 2, 15]);
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn datagrams_and_segments_get_the_checksum_that_belongs_to_them() {
        // Ports 1 and 2, three bytes of payload, and behind the packet what fills the frame up.
        let mut frame = ipv4(UDP, &[0, 1, 0, 2, 0, 11, 0xab, 0xcd, 1, 2, 3]);
        frame.extend([9; 20]);
        complete(&mut frame);
        // 0a00 + 0202 + 0a00 + 020f + 0011 + 000b + 0001 + 0002 + 000b + 0102 + 0300 = 1c3d
        assert_eq!(frame[40..42], [0xe3, 0xc2]);
        let mut segment = vec![0; 20];
        segment[12] = 5 << 4;
        let mut frame = ipv4(TCP, &segment);
        complete(&mut frame);
        // 0a00 + 0202 + 0a00 + 020f + 0006 + 0014 + 5000 = 682b
        assert_eq!(frame[50..52], [0x97, 0xd4]);
        let mut six = vec![0; ETHERNET + 40];
        six[12..15].copy_from_slice(&[0x86, 0xdd, 0x60]);
        (six[19], six[20]) = (8, UDP);
        (six[37], six[53]) = (1, 2);
        six.extend([0, 7, 0, 7, 0, 8, 0, 0]);
        complete(&mut six);
        // 0001 + 0002 + 0011 + 0008 + 0007 + 0007 + 0008 = 0032
        assert_eq!(six[60..62], [0xff, 0xcd]);
    }

    #[test]
    fn anything_else_stays_as_it_is() {
        let whole = ipv4(UDP, &[0, 1, 0, 2, 0, 9, 0xab, 0xcd, 1]);
        let with = |change: fn(&mut Vec<u8>)| {
            let mut frame = whole.clone();
            change(&mut frame);
            frame
        };
        let others = [
            with(|frame| frame[20] = 0x20),
            with(|frame| frame[21] = 1),
            with(|frame| frame[23] = 1),
            with(|frame| frame[12] = 9),
            with(|frame| frame[14] = 0x44),
            with(|frame| frame[14] = 0x4f),
            with(|frame| frame[16] = 0xff),
            with(|frame| frame[17] = 27),
            with(|frame| frame.truncate(40)),
            with(|frame| frame.truncate(14)),
            Vec::new(),
        ];
        for other in others {
            let mut frame = other.clone();
            complete(&mut frame);
            assert_eq!(frame, other);
        }
    }
}
