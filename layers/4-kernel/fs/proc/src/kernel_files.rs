//! The files of `/proc` and `/sys` that tell of the kernel (proc(5)), as far as run-time libraries read them.

use crate::mounts::{file_systems, mounts};
use alloc::{format, vec::Vec};
use core::fmt;
use rumpkin_collections::{OutOfMemory, TryWrite, try_to_vec};
use rumpkin_spine::{Kernel, config::RELEASE};
use rumpuser::{
    clock,
    memory::{PAGE_SIZE, free_frames, total_frames},
    random, thread,
};

/// Adds them to a kernel.
#[expect(clippy::disallowed_macros, reason = "once, at boot")]
pub fn register(kernel: &mut Kernel) {
    let hostname = kernel.config.hostname.clone();
    kernel.add_generated_file("/proc/sys/kernel/hostname", move |_| line(format_args!("{hostname}")));
    let boot_id = Uuid::random();
    kernel.add_generated_file("/proc/sys/kernel/random/boot_id", move |_| line(format_args!("{boot_id}")));
    kernel.add_generated_file("/proc/sys/kernel/random/uuid", |_| line(format_args!("{}", Uuid::random())));
    for (path, content) in CONSTANT {
        kernel.add_generated_file(path, move |_| try_to_vec(content.as_bytes()));
    }
    kernel.add_generated_file("/proc/sys/kernel/osrelease", |_| line(format_args!("{RELEASE}")));
    kernel.add_generated_file("/proc/version", |_| line(format_args!("Linux version {RELEASE}")));
    kernel.add_generated_file("/proc/cpuinfo", |_| cpuinfo());
    kernel.add_generated_file("/proc/meminfo", |_| meminfo());
    kernel.add_generated_file("/proc/stat", stat);
    kernel.add_generated_file("/proc/uptime", |_| uptime());
    kernel.add_generated_file("/proc/mounts", mounts);
    kernel.add_generated_file("/proc/filesystems", file_systems);
    for name in ["online", "possible", "present"] {
        let path = format!("/sys/devices/system/cpu/{name}");
        kernel.add_generated_file(&path, |_| match thread::cpus() {
            0 | 1 => line(format_args!("0")),
            count => line(format_args!("0-{}", count.saturating_sub(1))),
        });
    }
}

const CONSTANT: [(&str, &str); 11] = [
    ("/proc/loadavg", "0.00 0.00 0.00 1/1 1\n"),
    ("/proc/sys/fs/file-max", "65536\n"),
    ("/proc/sys/fs/nr_open", "65536\n"),
    ("/proc/sys/kernel/cap_last_cap", "40\n"),
    ("/proc/sys/kernel/ostype", "Linux\n"),
    ("/proc/sys/kernel/pid_max", "4194304\n"),
    ("/proc/sys/kernel/threads-max", "65536\n"),
    ("/proc/sys/kernel/version", "#1 SMP\n"),
    ("/proc/sys/vm/max_map_count", "65530\n"),
    ("/proc/sys/vm/overcommit_memory", "0\n"),
    ("/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n"),
];

/// A text and the end of its line.
fn line(text: fmt::Arguments<'_>) -> Result<Vec<u8>, OutOfMemory> {
    let mut bytes = Vec::new();
    bytes.try_write(format_args!("{text}\n"))?;
    Ok(bytes)
}

/// A UUID.
struct Uuid(u64, u64);

impl Uuid {
    /// A random one (RFC 9562, version 4).
    fn random() -> Uuid {
        Uuid(random::next_u64() & !0xf000 | 0x4000, random::next_u64() & !(3 << 62) | 2 << 62)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Uuid(high, low) = self;
        let (first, second, third) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
        write!(f, "{first:08x}-{second:04x}-{third:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
    }
}

fn cpuinfo() -> Result<Vec<u8>, OutOfMemory> {
    let mut text = Vec::new();
    for cpu in 0..thread::cpus() {
        text.try_write(format_args!(
            "processor\t: {cpu}\nvendor_id\t: unknown\ncpu family\t: 6\nmodel\t\t: 0\nmodel name\t: x86-64\n\
             physical id\t: 0\nsiblings\t: {count}\ncore id\t\t: {cpu}\ncpu cores\t: {count}\nfpu\t\t: yes\n\
             flags\t\t: fpu tsc msr cx8 cmov fxsr sse sse2 syscall nx lm\n\n",
            count = thread::cpus(),
        ))?;
    }
    Ok(text)
}

fn meminfo() -> Result<Vec<u8>, OutOfMemory> {
    let kibibytes = |frames: usize| frames.saturating_mul(PAGE_SIZE / 1024);
    let (total, free) = (kibibytes(total_frames()), kibibytes(free_frames()));
    let lines = [
        ("MemTotal", total),
        ("MemFree", free),
        ("MemAvailable", free),
        ("Buffers", 0),
        ("Cached", 0),
        ("SwapCached", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Shmem", 0),
        ("CommitLimit", total),
        ("Committed_AS", total.saturating_sub(free)),
    ];
    let mut text = Vec::new();
    for (name, value) in lines {
        let padding = 15usize.saturating_sub(name.len());
        text.try_write(format_args!("{name}:{:padding$}{value:>8} kB\n", ""))?;
    }
    text.try_write(format_args!("HugePages_Total:       0\nHugepagesize:       2048 kB\n"))?;
    Ok(text)
}

/// Times are not accounted for per state; all of it counts as user time.
fn stat(kernel: &Kernel) -> Result<Vec<u8>, OutOfMemory> {
    let ticks = clock::monotonic() / 10_000_000;
    let mut text = Vec::new();
    text.try_write(format_args!("cpu  {ticks} 0 0 0 0 0 0 0 0 0\n"))?;
    for cpu in 0..thread::cpus() {
        text.try_write(format_args!("cpu{cpu} {ticks} 0 0 0 0 0 0 0 0 0\n"))?;
    }
    let booted = clock::realtime().saturating_sub(clock::monotonic()) / 1_000_000_000;
    let processes = kernel.with_processes(|processes| processes.len());
    text.try_write(format_args!(
        "ctxt 0\nbtime {booted}\nprocesses {processes}\nprocs_running {processes}\nprocs_blocked 0\n"
    ))?;
    Ok(text)
}

fn uptime() -> Result<Vec<u8>, OutOfMemory> {
    let hundredths = clock::monotonic() / 10_000_000;
    line(format_args!("{}.{:02} 0.00", hundredths / 100, hundredths % 100))
}
