//! Frames as lines of text, for whoever looks into a seed that failed.

use crate::ip::wire::*;
use alloc::{format, string::String};
use rumpuser_hosted::link::Recorded;

/// One line for a frame: milliseconds, who sent it, and what it is.
pub fn line(recorded: &Recorded) -> String {
    let (seconds, rest) = (recorded.time / 1_000_000_000, recorded.time / 1000 % 1_000_000);
    format!("{seconds:5}.{rest:06} {} {}", recorded.from, describe(&recorded.frame))
}

/// Letters for the flags of a segment, as in scripts.
pub fn flags(flags: u8) -> String {
    let letters = [(TCP_SYN, 'S'), (TCP_FIN, 'F'), (TCP_RST, 'R'), (8, 'P'), (TCP_ACK, 'A')];
    letters.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, letter)| letter).collect()
}

fn describe(frame: &[u8]) -> String {
    let Some((ethernet, packet)) = parse::<EthernetHeader>(frame) else { return "too short".into() };
    if ethernet.kind.get() == ETHERTYPE_ARP {
        return "ARP".into();
    }
    let Some((header, segment)) = parse_ipv4(packet) else { return format!("{ethernet:?}") };
    let tcp = parse::<TcpHeader>(segment).filter(|_| header.protocol == PROTOCOL_TCP);
    let Some((tcp, _)) = tcp else { return format!("protocol {}, {} bytes", header.protocol, segment.len()) };
    let data = segment.len().saturating_sub(usize::from(tcp.offset >> 4) * 4);
    format!(
        "{:>5} > {:<5} {:4} seq {} ack {} win {} len {data}",
        tcp.source.get(),
        tcp.destination.get(),
        flags(tcp.flags),
        tcp.sequence.get(),
        tcp.acknowledgment.get(),
        tcp.window.get()
    )
}
