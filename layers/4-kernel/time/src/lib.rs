//! Layer 4: clocks, sleeping, and timers that send signals.
//!
//! Depends on `rumpuser`, `rumpkin-abi`, `rumpkin-spine`. Interval and POSIX timers hang on the kernel's
//! [`rumpkin_spine::timer::Timers`]; a process's timers end with it.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::disallowed_methods, clippy::disallowed_macros))]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects)]

extern crate alloc;

mod clocks;
mod interval;
mod posix;
mod sleep;

use rumpkin_spine::{Kernel, system_calls};

/// Adds the component.
pub fn register(kernel: &mut Kernel) {
    kernel.add_calls(system_calls! {
        clock_gettime => clocks::clock_gettime, "REALTIME, MONOTONIC, BOOTTIME, their RAW, COARSE and ALARM kinds, TAI; PROCESS_CPUTIME_ID, THREAD_CPUTIME_ID, those of other processes and threads";
        clock_getres => clocks::clock_getres, "as clock_gettime";
        gettimeofday => clocks::gettimeofday, "the time zone is UTC";
        time => clocks::time;
        clock_settime => clocks::not_permitted, "EPERM: the host keeps the time";
        settimeofday => clocks::not_permitted, "EPERM: the host keeps the time";
        clock_adjtime => clocks::not_permitted, "EPERM: the host keeps the time";
        adjtimex => clocks::not_permitted, "EPERM: the host keeps the time";
        nanosleep => sleep::nanosleep;
        clock_nanosleep => sleep::clock_nanosleep, "REALTIME, MONOTONIC, BOOTTIME, TAI, CPU time of processes and other threads; TIMER_ABSTIME";
        alarm => interval::alarm;
        getitimer => interval::getitimer, "as setitimer";
        setitimer => interval::setitimer, "all of the CPU time counts for ITIMER_VIRTUAL";
        timer_create => posix::timer_create, "CLOCK_REALTIME, MONOTONIC, BOOTTIME, TAI, CPU time; SIGEV_SIGNAL, SIGEV_THREAD_ID, SIGEV_NONE";
        timer_settime => posix::timer_settime, "TIMER_ABSTIME";
        timer_gettime => posix::timer_gettime;
        timer_getoverrun => posix::timer_getoverrun;
        timer_delete => posix::timer_delete;
    });
    kernel.on_process(|_, parts| {
        parts.try_insert(interval::IntervalTimers::default())?;
        parts.try_insert(posix::PosixTimers::default())
    });
}
