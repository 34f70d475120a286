//! A networked sensor without userspace: it stands on the kernel itself, and on the one component that it needs.
//!
//! Layers 1 to 4 and nothing else: no program loader, no C library, no file system. It reads the clock and how much memory
//! is free, sends both by UDP at an interval, and answers queries over TCP. Its image (`mkUnikernel { app = "sensor"; }`)
//! is made by `pkgs/image`, which calls [`run`]; `docs/userspace-less.md` tells how to make another app of its kind.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod options;
mod query;
mod reading;

use alloc::{format, sync::Arc};
use core::sync::atomic::{AtomicBool, Ordering};
use options::Options;
use reading::Reading;
use rumpkin_net::{
    Net,
    direct::{SocketError, UdpSocket},
};
use rumpkin_spine::{Kernel, config::Config};
use rumpuser::{boot, clock, device, power, thread};

/// The kernel's components that it is made with, for the image's manifest.
pub const COMPONENTS: &[&str] = &["net"];

/// Exit status when the configuration cannot be used.
const BAD_CONFIGURATION: u8 = 125;
/// How long a request to stop may go unnoticed while there is no address, in nanoseconds.
const LOOK_AGAIN: u64 = 500_000_000;
/// Exit status when the network cannot be used.
const NO_NETWORK: u8 = 1;

/// Runs the sensor until the host asks it to stop; its exit status comes back.
pub fn run() -> u8 {
    let options = match Options::read(boot::data()) {
        Ok(options) => options,
        Err(error) => {
            log::error!("{error}");
            return BAD_CONFIGURATION;
        }
    };
    log::set_max_level(options.settings.tracing.level);
    let mut kernel = Kernel::new(Config::from(&options.settings), device::take());
    let net = rumpkin_net::attach(&mut kernel);
    let kernel = Arc::new(kernel);
    // The first packet, for an address by DHCP or to tell of a fixed one, goes out with this.
    kernel.start();
    let first_packet = since_entry();
    let status = match serve(&kernel, &net, &options, first_packet) {
        Ok(()) => 0,
        Err(error) => {
            log::error!("sensor: the network cannot be used: {error}");
            NO_NETWORK
        }
    };
    kernel.stop();
    status
}

/// Sends readings until asked to stop.
fn serve(kernel: &Kernel, net: &Arc<Net>, options: &Options, first_packet: u64) -> Result<(), SocketError> {
    let stop = stop_request();
    let socket = UdpSocket::bind(net, 0)?;
    query::start(net, options.query_port)?;
    let mut number = 0u64;
    let mut next = clock::monotonic();
    while !stop.load(Ordering::SeqCst) {
        // Without an address there is nobody to tell; whoever lends one may be late.
        if let Some(address) = net.address() {
            let first = number == 0;
            number = number.saturating_add(1);
            if let Some(collector) = options.collector
                && let Err(error) = socket.send_to(Reading::take(number).text().as_bytes(), collector)
            {
                log::warn!("sensor: reading {number} was not sent: {error}");
            }
            if first {
                let reading = since_entry();
                let line = format!(
                    "sensor: {address}, µs after entry: first packet {first_packet}, first reading {reading}\n"
                );
                kernel.console.write(line.as_bytes());
            }
            // What was missed, since the machine was busy elsewhere, is not made up for.
            next = next.saturating_add(options.interval).max(clock::monotonic());
            while !stop.load(Ordering::SeqCst) && clock::monotonic() < next {
                thread::park(Some(next));
            }
        } else if net.wait_for_address(Some(clock::monotonic().saturating_add(LOOK_AGAIN))).is_ok() {
            next = clock::monotonic();
        }
    }
    Ok(())
}

/// Microseconds since the machine was entered.
fn since_entry() -> u64 {
    clock::monotonic() / 1000
}

/// What is set, and the calling thread woken, when the host asks for a stop.
fn stop_request() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let (asked, sender) = (stop.clone(), thread::current());
    power::on_stop(move || {
        asked.store(true, Ordering::SeqCst);
        sender.unpark();
    });
    stop
}
