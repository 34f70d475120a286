//! What a connection's segments tell of it: round-trip times, what was sent again, how much is under way (for TCP_INFO).

use crate::ip::wire::{TCP_ACK, TcpHeader};

/// Round-trip times as RFC 6298 §2 smooths them, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoundTrip {
    pub smoothed: u32,
    pub variance: u32,
    pub least: u32,
}

/// A segment that is being sent.
#[derive(Debug, Clone, Copy)]
pub struct Departure {
    /// Sequence number behind it.
    pub next: u32,
    /// How much of the sequence space it takes, and the bytes of data in that.
    pub taken: u32,
    pub data: u32,
    /// It was not sent before.
    pub fresh: bool,
}

/// What has been seen of a connection. Times are monotonic nanoseconds.
#[derive(Debug, Default)]
pub struct Measure {
    pub segments_sent: u32,
    pub segments_received: u32,
    pub data_segments_sent: u32,
    pub data_segments_received: u32,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    pub bytes_acknowledged: u64,
    /// Segments that were sent again, and the bytes in them.
    pub repeated: u32,
    pub bytes_repeated: u64,
    /// Segments that were sent again since the peer last acknowledged something.
    pub repeated_in_a_row: u8,
    pub round_trip: Option<RoundTrip>,
    /// Most bytes that were under way at once since the last loss, which halves it.
    pub widest: u32,
    /// What that loss left of it.
    pub threshold: Option<u32>,
    /// The longest data that came in one segment.
    pub longest_received: u32,
    pub data_sent_at: u64,
    pub data_received_at: u64,
    pub acknowledged_at: u64,
    /// Up to where the peer has acknowledged.
    acknowledged: u32,
    /// A segment whose acknowledgment will be timed: the sequence number behind it, and when it was sent.
    timed: Option<(u32, u64)>,
}

impl Measure {
    /// Bytes of the sequence space that are under way, if `next` was the first that has not been sent.
    pub fn under_way(&self, next: u32) -> u32 {
        next.wrapping_sub(self.acknowledged)
    }

    pub fn sent(&mut self, segment: Departure, now: u64) {
        let Departure { next, taken, data, fresh } = segment;
        self.segments_sent = self.segments_sent.wrapping_add(1);
        if taken == 0 {
            return;
        }
        if self.bytes_sent == 0 && self.acknowledged == 0 {
            self.acknowledged = next.wrapping_sub(taken);
        }
        if data > 0 {
            self.data_segments_sent = self.data_segments_sent.wrapping_add(1);
            self.bytes_sent = self.bytes_sent.saturating_add(data.into());
            self.data_sent_at = now;
        }
        if fresh {
            self.timed.get_or_insert((next, now));
            self.widest = self.widest.max(self.under_way(next));
            return;
        }
        self.repeated = self.repeated.wrapping_add(1);
        self.bytes_repeated = self.bytes_repeated.saturating_add(data.into());
        if self.repeated_in_a_row == 0 {
            self.widest /= 2;
            self.threshold = Some(self.widest);
        }
        self.repeated_in_a_row = self.repeated_in_a_row.saturating_add(1);
        // Which of the two would be acknowledged cannot be told (RFC 6298 §3).
        self.timed = None;
    }

    /// A segment with so many bytes of data has come; `next` is the first that has not been sent to the peer.
    pub fn received(&mut self, header: &TcpHeader, data: u32, next: u32, now: u64) {
        self.segments_received = self.segments_received.wrapping_add(1);
        if data > 0 {
            self.data_segments_received = self.data_segments_received.wrapping_add(1);
            self.data_received_at = now;
            self.longest_received = self.longest_received.max(data);
        }
        if header.flags & TCP_ACK == 0 {
            return;
        }
        self.acknowledged_at = now;
        let acknowledgment = header.acknowledgment.get();
        let news = acknowledgment.wrapping_sub(self.acknowledged);
        if news == 0 || news > self.under_way(next) {
            return;
        }
        self.acknowledged = acknowledgment;
        self.repeated_in_a_row = 0;
        if let Some((end, at)) = self.timed
            && acknowledgment.wrapping_sub(end) as i32 >= 0
        {
            self.timed = None;
            self.sample(u32::try_from(now.saturating_sub(at) / 1000).unwrap_or(u32::MAX));
        }
    }

    fn sample(&mut self, time: u32) {
        self.round_trip = Some(match self.round_trip {
            None => RoundTrip { smoothed: time, variance: time / 2, least: time },
            Some(RoundTrip { smoothed, variance, least }) => RoundTrip {
                smoothed: (u64::from(smoothed).saturating_mul(7).saturating_add(time.into()) / 8) as u32,
                variance: (u64::from(variance).saturating_mul(3).saturating_add(smoothed.abs_diff(time).into()) / 4)
                    as u32,
                least: least.min(time),
            },
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumpuser_hosted as _;
    use zerocopy::FromZeros;

    fn acknowledgment(number: u32) -> TcpHeader {
        TcpHeader { flags: TCP_ACK, acknowledgment: number.into(), ..TcpHeader::new_zeroed() }
    }

    #[test]
    fn times_are_smoothed_and_repeated_segments_are_not_timed() {
        let mut measure = Measure::default();
        let segment = |next, fresh| Departure { next, taken: 100, data: 100, fresh };
        measure.sent(segment(1100, true), 0);
        measure.received(&acknowledgment(1100), 0, 1100, 8_000_000);
        assert_eq!(measure.round_trip, Some(RoundTrip { smoothed: 8000, variance: 4000, least: 8000 }));
        measure.sent(segment(1200, true), 0);
        measure.received(&acknowledgment(1200), 0, 1200, 16_000_000);
        assert_eq!(measure.round_trip, Some(RoundTrip { smoothed: 9000, variance: 5000, least: 8000 }));
        measure.sent(segment(1300, true), 0);
        measure.sent(segment(1300, false), 0);
        assert_eq!((measure.repeated, measure.repeated_in_a_row, measure.bytes_repeated), (1, 1, 100));
        measure.received(&acknowledgment(1300), 0, 1300, 1_000_000_000);
        assert_eq!((measure.repeated_in_a_row, measure.round_trip.unwrap().smoothed), (0, 9000));
    }

    #[test]
    fn what_is_under_way_is_what_has_not_been_acknowledged() {
        let mut measure = Measure::default();
        for next in [100, 200, 300] {
            measure.sent(Departure { next, taken: 100, data: 100, fresh: true }, 0);
        }
        assert_eq!((measure.under_way(300), measure.widest), (300, 300));
        measure.received(&acknowledgment(100), 0, 300, 1);
        assert_eq!(measure.under_way(300), 200);
        // What was never sent cannot be acknowledged, nor what was before.
        for wrong in [301, 50] {
            measure.received(&acknowledgment(wrong), 0, 300, 1);
            assert_eq!(measure.under_way(300), 200);
        }
        measure.sent(Departure { next: 200, taken: 100, data: 100, fresh: false }, 1);
        assert_eq!((measure.widest, measure.threshold), (150, Some(150)));
    }
}
