//! Segments for a connection that smoltcp must not see as they are: resets that could be guessed, SYNs, and ends too far away.
//!
//! smoltcp 0.14 lets any reset inside the window end a connection, and says nothing to a SYN on one. RFC 9293 §3.10.7.4 and
//! RFC 5961 §3.2 and §4.2 want both challenged by an acknowledgment, which a peer that meant it answers with an exact reset.

use super::{connection::Connection, engine::sequence_length};
use crate::ip::wire::{TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN, TcpHeader};
use smoltcp::socket::tcp::State;

/// A connection challenges at most this often, in nanoseconds (Linux's `tcp_invalid_ratelimit`).
const CHALLENGE_INTERVAL: u64 = 500_000_000;

/// What to do with a segment.
#[derive(Debug, PartialEq, Eq)]
pub enum Vetted {
    /// It is for smoltcp.
    Take,
    /// So is what follows its SYN, which has been seen before: both ends have opened (RFC 9293 §3.5, figure 7).
    TakeWithoutSyn,
    /// It is for smoltcp but for its FIN, which lies behind data that does not fit our window: smoltcp would take the FIN and
    /// not that data.
    TakeWithoutFin,
    /// It is answered with an acknowledgment.
    Challenge,
    /// Nothing.
    Drop,
}

/// What vetting remembers.
#[derive(Default)]
pub struct Memory {
    /// Behind the last byte that the peer is known to have sent.
    peer_next: Option<u32>,
    /// When the connection may challenge again.
    next_challenge: u64,
}

impl Connection {
    /// Looks at a segment of `length` bytes, header included.
    pub fn vet(&mut self, header: &TcpHeader, length: usize, now: u64) -> Vetted {
        let state = self.state();
        let sent = self.one.sent;
        // Before our first segment there is nothing to compare with, and smoltcp is right about SYN-SENT.
        if sent.next == 0 || matches!(state, State::SynSent | State::Listen | State::Closed) {
            return Vetted::Take;
        }
        let sequence = header.sequence.get();
        let ahead = sequence.wrapping_sub(sent.acknowledged);
        let window = self.one.socket().recv_capacity() as u32;
        if header.flags & TCP_RST != 0 {
            return match sequence {
                // The next byte that we expect, as we last said, or as the peer has reached it.
                exact if exact == sent.acknowledged || self.vetting.peer_next == Some(exact) => Vetted::Take,
                _ if ahead < window => self.challenge(now),
                _ => Vetted::Drop,
            };
        }
        if header.flags & TCP_SYN != 0 {
            let again = sequence.wrapping_add(1) == sent.acknowledged;
            return match (state, header.flags & TCP_ACK != 0) {
                (State::SynReceived, true) if again => Vetted::TakeWithoutSyn,
                // A repeated SYN, which our repeated answer answers.
                (State::SynReceived, false) if again => Vetted::Take,
                _ => self.challenge(now),
            };
        }
        let acknowledged = sent.next.wrapping_sub(header.acknowledgment.get());
        let plausible = ahead < window && acknowledged <= self.one.socket().send_capacity() as u32;
        let end = sequence.wrapping_add(sequence_length(header, length));
        if plausible && self.vetting.peer_next.is_none_or(|next| end.wrapping_sub(next) as i32 > 0) {
            self.vetting.peer_next = Some(end);
        }
        let beyond = end.wrapping_sub(1).wrapping_sub(sent.edge) as i32 > 0;
        if header.flags & TCP_FIN != 0 && beyond { Vetted::TakeWithoutFin } else { Vetted::Take }
    }

    fn challenge(&mut self, now: u64) -> Vetted {
        if now < self.vetting.next_challenge {
            return Vetted::Drop;
        }
        self.vetting.next_challenge = now.saturating_add(CHALLENGE_INTERVAL);
        Vetted::Challenge
    }
}
