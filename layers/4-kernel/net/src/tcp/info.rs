//! `struct tcp_info`: what getsockopt(2) with TCP_INFO tells of a socket (tcp(7), linux/tcp.h).

use super::{Role, Tcp, connection::Connection};
use crate::{ip::Ip, slab::Key};
use rumpkin_spine::Errno;
use smoltcp::socket::tcp::State;
use zerocopy::{Immutable, IntoBytes};

/// Linux's numbers of states (include/net/tcp_states.h).
const CLOSE: u8 = 7;
const LISTEN: u8 = 10;
/// `TCP_CA_Loss`: something is being sent again after a time-out.
const LOSS: u8 = 4;
/// `TCPI_OPT_SACK` and `TCPI_OPT_WSCALE`.
const SELECTS: u8 = 2;
const SCALES: u8 = 4;
/// `TCP_INFINITE_SSTHRESH`.
const NO_THRESHOLD: u32 = 0x7fff_ffff;
/// Limits of the time after which something is sent again, in microseconds (RFC 6298 §2.4).
const LEAST_RETRANSMISSION_TIME: u32 = 1_000_000;
const MOST_RETRANSMISSION_TIME: u32 = 60_000_000;
/// Acknowledgments of one and the same that have the segment behind it sent again at once.
const DUPLICATES: u32 = 3;

/// Times are microseconds if not told otherwise, windows of congestion segments. What nobody counts here is 0.
#[derive(Debug, Default, Clone, Copy, IntoBytes, Immutable)]
#[repr(C)]
pub struct Info {
    pub state: u8,
    congestion_state: u8,
    pub retransmits: u8,
    probes: u8,
    backoff: u8,
    options: u8,
    /// The peer's in the lower half, ours in the upper one.
    window_scales: u8,
    application_limited: u8,
    retransmission_time: u32,
    acknowledgment_time: u32,
    pub send_segment: u32,
    receive_segment: u32,
    unacknowledged: u32,
    selected: u32,
    lost: u32,
    retransmitted: u32,
    forwarded: u32,
    /// Milliseconds since then.
    last_data_sent: u32,
    last_acknowledgment_sent: u32,
    last_data_received: u32,
    last_acknowledgment_received: u32,
    path_mtu: u32,
    receive_threshold: u32,
    pub round_trip: u32,
    round_trip_variance: u32,
    send_threshold: u32,
    pub congestion_window: u32,
    advertised_segment: u32,
    reordering: u32,
    receive_round_trip: u32,
    receive_space: u32,
    pub total_retransmitted: u32,
    pacing_rate: u64,
    most_pacing_rate: u64,
    pub bytes_acknowledged: u64,
    pub bytes_received: u64,
    segments_sent: u32,
    segments_received: u32,
    bytes_not_sent: u32,
    least_round_trip: u32,
    data_segments_received: u32,
    data_segments_sent: u32,
    delivery_rate: u64,
    busy_time: u64,
    window_limited: u64,
    buffer_limited: u64,
    delivered: u32,
    delivered_with_congestion: u32,
    pub bytes_sent: u64,
    bytes_retransmitted: u64,
    duplicates_told: u32,
    reordering_seen: u32,
    received_out_of_order: u32,
    send_window: u32,
    receive_window: u32,
    rehashed: u32,
}

fn linux_state(state: State) -> u8 {
    match state {
        State::Established => 1,
        State::SynSent => 2,
        State::SynReceived => 3,
        State::FinWait1 => 4,
        State::FinWait2 => 5,
        State::TimeWait => 6,
        State::Closed | State::Listen => CLOSE,
        State::CloseWait => 8,
        State::LastAck => 9,
        State::Closing => 11,
    }
}

impl Tcp {
    /// What is known of a socket.
    pub fn info(&self, key: Key, ip: &Ip) -> Result<Info, Errno> {
        let closed = Info {
            state: CLOSE,
            send_threshold: NO_THRESHOLD,
            congestion_window: 2,
            reordering: DUPLICATES,
            ..Info::default()
        };
        Ok(match &self.sockets.get(key).ok_or(Errno::EBADF)?.role {
            // What is in TIME-WAIT is not the socket's any more.
            Role::Connection(connection) if !connection.detached => describe(connection, ip, closed),
            Role::Connection(_) | Role::Idle => closed,
            Role::Listening(listener) => Info {
                state: LISTEN,
                unacknowledged: listener.ready.len() as u32,
                selected: listener.backlog as u32,
                ..closed
            },
        })
    }
}

fn describe(connection: &Connection, ip: &Ip, otherwise: Info) -> Info {
    let (one, measure) = (&connection.one, &connection.one.measure);
    let (socket, sent) = (one.socket(), one.sent);
    let segment = one.segment_size(ip.mtu()).max(1) as u32;
    let under_way = one.under_way() as u32;
    let since = |time: u64| u32::try_from(ip.now.saturating_sub(time) / 1_000_000).unwrap_or(u32::MAX);
    let scaled = sent.scale > 0 || one.peer_scale > 0;
    let flags = [(one.peer_selects, SELECTS), (scaled, SCALES)];
    let time = measure.round_trip.map_or(0, |time| time.smoothed.saturating_add(time.variance.saturating_mul(4)));
    let backoff = measure.repeated_in_a_row;
    Info {
        state: linux_state(connection.state()),
        congestion_state: if backoff > 0 { LOSS } else { 0 },
        retransmits: backoff,
        probes: connection.probes() as u8,
        backoff,
        options: flags.iter().filter(|(on, _)| *on).map(|(_, flag)| flag).sum(),
        window_scales: one.peer_scale | sent.scale << 4,
        retransmission_time: time
            .max(LEAST_RETRANSMISSION_TIME)
            .saturating_mul(1u32.checked_shl(backoff.into()).unwrap_or(u32::MAX))
            .min(MOST_RETRANSMISSION_TIME),
        acknowledgment_time: socket.ack_delay().map_or(0, |delay| delay.total_micros() as u32),
        send_segment: segment,
        receive_segment: measure.longest_received.max(u32::from(one.peer_segment).min(segment)),
        unacknowledged: under_way.div_ceil(segment),
        retransmitted: backoff.into(),
        last_data_sent: since(measure.data_sent_at),
        last_data_received: since(measure.data_received_at),
        last_acknowledgment_received: since(measure.acknowledged_at),
        path_mtu: ip.mtu() as u32,
        receive_threshold: socket.recv_capacity() as u32,
        round_trip: measure.round_trip.map_or(0, |time| time.smoothed),
        round_trip_variance: measure.round_trip.map_or(0, |time| time.variance),
        send_threshold: measure.threshold.map_or(otherwise.send_threshold, |bytes| bytes.div_ceil(segment).max(2)),
        congestion_window: measure.widest.div_ceil(segment).max(otherwise.congestion_window),
        advertised_segment: ip.mtu().saturating_sub(40) as u32,
        receive_space: socket.recv_capacity() as u32,
        total_retransmitted: measure.repeated,
        bytes_acknowledged: measure.bytes_acknowledged,
        bytes_received: measure.bytes_received,
        segments_sent: measure.segments_sent,
        segments_received: measure.segments_received,
        bytes_not_sent: (socket.send_queue() as u32).saturating_sub(under_way),
        least_round_trip: measure.round_trip.map_or(u32::MAX, |time| time.least),
        data_segments_received: measure.data_segments_received,
        data_segments_sent: measure.data_segments_sent,
        bytes_sent: measure.bytes_sent,
        bytes_retransmitted: measure.bytes_repeated,
        send_window: one.peer_window as u32,
        receive_window: sent.edge.wrapping_sub(sent.acknowledged),
        ..otherwise
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem::offset_of;
    use rumpuser_hosted as _;

    /// Where fields of `struct tcp_info` lie in linux/tcp.h.
    #[test]
    fn fields_lie_where_linux_has_them() {
        assert_eq!(offset_of!(Info, round_trip), 68);
        assert_eq!(offset_of!(Info, total_retransmitted), 100);
        assert_eq!(offset_of!(Info, bytes_acknowledged), 120);
        assert_eq!(offset_of!(Info, bytes_sent), 200);
        assert_eq!(offset_of!(Info, send_window), 228);
        assert_eq!(size_of::<Info>(), 240);
    }
}
