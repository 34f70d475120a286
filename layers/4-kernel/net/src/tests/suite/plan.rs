//! What happens in one run of the suite, chosen by its seed.

use rumpuser_hosted::{Random, link::Faults};

const MILLISECOND: u64 = 1_000_000;

/// How a connection begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// The first end connects, the second one accepts.
    Accept,
    /// Both connect to each other (RFC 9293 §3.5, figure 7).
    Simultaneous,
}

/// What an end does when it has sent its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Ends its direction, reads to the peer's end, closes.
    HalfClose,
    /// Reads all that the peer is going to send, then closes both directions at once.
    Close,
    /// Resets after so many nanoseconds, wherever it is.
    Reset(u64),
}

/// One end's part.
#[derive(Debug, Clone)]
pub struct Part {
    /// Bytes that it sends, in pieces of `piece`, with `pause` nanoseconds in between.
    pub bytes: usize,
    pub piece: usize,
    pub pause: u64,
    /// Bytes that it reads at once, and nanoseconds in between.
    pub read: usize,
    pub read_pause: u64,
    /// SO_RCVBUF and SO_SNDBUF.
    pub receive_buffer: Option<i32>,
    pub send_buffer: Option<i32>,
    pub no_delay: bool,
    pub ending: Ending,
    /// Nanoseconds before it begins.
    pub delay: u64,
}

/// A run.
#[derive(Debug, Clone)]
pub struct Plan {
    pub mtu: usize,
    pub offload: bool,
    pub faults: [Faults; 2],
    pub opening: Opening,
    pub parts: [Part; 2],
    /// When a stranger sends an end a reset with the sequence number that it expected last.
    pub forged_reset: Option<(usize, u64)>,
    /// The longest frame that the link cuts into segments; 0 if it does not.
    pub segmentation: usize,
}

impl Plan {
    /// The plan of these random numbers.
    pub fn new(random: &mut Random) -> Plan {
        let bad = random.below(4) > 0;
        let faults = [(); 2].map(|()| faults(random, bad));
        let round_trip = faults[0].delay + faults[1].delay;
        let mut plan = Plan {
            mtu: [576, 1280, 1500, 1500, 9000][random.below(5) as usize],
            offload: random.below(2) == 0,
            opening: if random.below(5) == 0 { Opening::Simultaneous } else { Opening::Accept },
            parts: [(); 2].map(|()| part(random, round_trip)),
            forged_reset: (random.below(8) == 0)
                .then(|| (random.below(2) as usize, random.below(10 * round_trip + 100 * MILLISECOND))),
            faults,
            segmentation: 0,
        };
        if plan.offload {
            plan.segmentation = [0, 4000, 30_000, 65549][random.below(4) as usize];
        }
        plan
    }

    /// Nothing that may end the connection early happens.
    pub fn is_orderly(&self) -> bool {
        let resets = self.parts.iter().any(|part| matches!(part.ending, Ending::Reset(_)));
        // Old SYNs of a simultaneous opening may reset a younger attempt, so there only a wire without faults is orderly.
        let opening = self.opening == Opening::Accept || !self.faults.iter().any(is_bad);
        !resets && self.forged_reset.is_none() && opening
    }
}

fn is_bad(faults: &Faults) -> bool {
    faults.loss + faults.duplication + faults.reordering + faults.corruption > 0
}

fn faults(random: &mut Random, bad: bool) -> Faults {
    let delay = [10_000, MILLISECOND, 10 * MILLISECOND, 100 * MILLISECOND][random.below(4) as usize];
    let mut some = |most: u64| if bad && random.below(2) == 0 { random.below(most + 1) as u32 } else { 0 };
    Faults {
        loss: some(200),
        duplication: some(50),
        reordering: some(200),
        corruption: some(30),
        jitter: random.below(delay + 1),
        byte_time: [0, 0, 80, 8000][random.below(4) as usize],
        delay,
    }
}

fn part(random: &mut Random, round_trip: u64) -> Part {
    // Small amounts are tried more often than large ones.
    let size = random.below(17) as u32;
    let piece = random.below(16) as u32;
    let slow = random.below(4) == 0;
    Part {
        bytes: random.below(1 << size) as usize,
        piece: 1 + random.below(1 << piece) as usize,
        pause: if random.below(4) == 0 { random.below(20 * MILLISECOND) } else { 0 },
        read: if slow { 1000 + random.below(2000) as usize } else { 65536 },
        read_pause: if slow { random.below(300 * MILLISECOND) } else { 0 },
        receive_buffer: (random.below(3) == 0).then(|| 1 + random.below(8192) as i32),
        send_buffer: (random.below(3) == 0).then(|| 1 + random.below(8192) as i32),
        no_delay: random.below(2) == 0,
        ending: match random.below(8) {
            0 => Ending::Reset(random.below(8 * round_trip + 50 * MILLISECOND)),
            1..4 => Ending::Close,
            _ => Ending::HalfClose,
        },
        delay: random.below(3 * round_trip),
    }
}
