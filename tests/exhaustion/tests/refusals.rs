//! The workloads, each of whose requests for memory is refused in turn. `RUMPKIN_STRIDE` has only one of so many refused.

use rumpkin_exhaustion::{
    meter::Meter,
    programs::{boot, events, execute, files, tcp, threads, udp, with_program},
    refusals::{Workload, refuse_each},
    world::World,
};
use rumpkin_spine::Errno;
use rumpuser_hosted::UserCode;
use std::sync::Arc;

#[global_allocator]
static METER: Meter = Meter;

/// Some workloads make so many requests that the checks refuse only one of a few.
fn stride(usual: u64) -> u64 {
    std::env::var("RUMPKIN_STRIDE").map_or(usual, |text| text.parse().expect("RUMPKIN_STRIDE is a number"))
}

fn in_world(name: &'static str, usual: u64, work: impl Fn(&World) -> Result<(), Errno>) {
    let workload = Workload { name, user_code: None, leaves_nothing: true, prepare: World::start, work };
    let refused = refuse_each(workload, stride(usual));
    eprintln!("{name}: {refused} requests refused");
}

#[test]
fn a_kernel_starts_and_stops() {
    // A machine is started once: its kernel is not taken apart again.
    let workload = Workload { name: "boot", user_code: None, leaves_nothing: false, prepare: || (), work: boot };
    let refused = refuse_each(workload, stride(1));
    eprintln!("boot: {refused} requests refused");
}

#[test]
fn a_request_is_answered_over_tcp() {
    in_world("tcp", 1, tcp);
}

#[test]
fn datagrams_come_back() {
    in_world("udp", 1, udp);
}

#[test]
fn files_are_made_and_removed() {
    in_world("files", 1, files);
}

#[test]
fn events_are_waited_for() {
    in_world("events", 1, events);
}

#[test]
fn a_program_has_threads_timers_and_signals() {
    let user_code: UserCode = Arc::new(execute);
    let workload = Workload {
        name: "threads",
        user_code: Some(user_code),
        leaves_nothing: true,
        prepare: with_program,
        work: threads,
    };
    let refused = refuse_each(workload, stride(1));
    eprintln!("threads: {refused} requests refused");
}
