//! Scripts: a kernel's program and a peer made of single segments, for the corner cases of the RFCs.
//!
//! A script is text, a step a line, `#` begins a comment. Numbers of the peer count from its SYN, those of the kernel from the
//! kernel's; a window is what the header holds.
//!
//! ```text
//! listen                    the program listens on port 80; no call of it ever waits
//! > S 0 win 1000 mss 1000   the peer sends: flags (S, F, R, P, A), sequence number, ack, win, len, mss
//! < SA 0 ack 1              this is what the kernel must send next; `after 0.9..1.1` seconds since the step before
//! quiet 5                   it must send nothing for 5 seconds
//! wait 0.1                  time passes; what the kernel sends meanwhile is for later steps
//! accept                    a call of the program, which must succeed, or fail as told: `accept EAGAIN`
//! connect                   to the peer's port 80; its end is asked for with `connected`
//! send 100                  bytes are written; `recv 100`: so many are there to be read; `recv end`; `recv ECONNRESET`
//! shutdown, close, reset    half-close, close, close with SO_LINGER of no seconds
//! option RCVBUF 1000        SO_RCVBUF, SO_KEEPALIVE, TCP_NODELAY, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT
//! ```

mod peer;
mod program;

use super::{harness::SECOND, suite::node::Node};
use alloc::{string::String, vec::Vec};
use peer::Peer;
use program::Client;
use rumpuser::clock;
use rumpuser_hosted::{link::Wire, simulate};

macro_rules! scripts {
    ($($name:ident)*) => { $(
        #[test]
        fn $name() {
            run(stringify!($name), include_str!(concat!("scripts/", stringify!($name), ".script")));
        }
    )* };
}

scripts! {
    acknowledgment_is_delayed
    acknowledgment_of_unsent_data
    active_close
    closed_port
    closing_while_opening
    closing_with_unread_data
    fast_retransmit
    fast_retransmit_heeds_the_window
    fin_behind_the_window
    half_close
    handshake_repeats
    keep_alive
    keep_alive_begins_late
    nagle
    out_of_order
    passive_close
    retransmission_backs_off
    reset_in_close_wait
    reset_in_closing
    reset_in_established
    reset_in_fin_wait_1
    reset_in_fin_wait_2
    reset_in_last_ack
    reset_in_syn_received
    reset_in_syn_sent
    reset_in_time_wait
    segments_beyond_the_window
    silence_after_closing_while_opening
    simultaneous_close
    simultaneous_open
    syn_in_established
    syn_is_repeated
    time_wait_acknowledges_fin
    tiny_window
    zero_window
}

/// Nanoseconds after each step in which the kernel can do what it does at once.
const SETTLE: u64 = 50_000;

/// The fields of a step: `name number`, after the first words.
fn field(words: &[&str], name: &str) -> Option<String> {
    let at = words.iter().position(|word| *word == name)?;
    words.get(at + 1).map(|word| String::from(*word))
}

fn seconds(text: &str) -> u64 {
    (text.parse::<f64>().expect("a number of seconds") * SECOND as f64) as u64
}

fn run(name: &str, script: &str) {
    // What a script checks must not depend on the order of threads.
    for seed in 0..5 {
        simulate(seed, || {
            let (_wire, [link, end]) = Wire::new(1500, false).unwrap();
            let node = Node::start(link, 1);
            let mut peer = Peer::new(end);
            let mut client = Client::new(&node);
            for (index, line) in script.lines().enumerate() {
                let words: Vec<&str> = line.split('#').next().unwrap_or("").split_whitespace().collect();
                let Some((&step, rest)) = words.split_first() else { continue };
                if let Err(problem) = take(step, rest, &mut peer, &mut client) {
                    panic!("{name}.script:{}: {line}\n  {problem} (seed {seed})", index + 1);
                }
            }
        });
    }
}

fn take(step: &str, rest: &[&str], peer: &mut Peer, client: &mut Client) -> Result<(), String> {
    match step {
        ">" => peer.send(rest),
        "<" => peer.expect(rest)?,
        "quiet" => peer.quiet(clock::monotonic() + seconds(rest[0]))?,
        "wait" => peer.wait(clock::monotonic() + seconds(rest[0])),
        call => client.call(call, rest)?,
    }
    if step != "<" {
        peer.mark();
        // The kernel's threads have their turn.
        peer.wait(clock::monotonic() + SETTLE);
    }
    Ok(())
}
