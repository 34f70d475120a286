//! The files of `/proc` and `/sys` that tell of the kernel (proc(5)), as far as run-time libraries read them.

use crate::tree;
use alloc::{format, string::String, vec::Vec};
use core::fmt::Write;
use rumpkin_kernel::{Kernel, config::RELEASE};
use rumpuser::{
    clock,
    memory::{PAGE_SIZE, free_frames, total_frames},
    random, thread,
};

/// Adds them to a kernel.
pub fn register(kernel: &mut Kernel) {
    let hostname = kernel.config.hostname.clone();
    kernel.add_generated_file("/proc/sys/kernel/hostname", move |_| format!("{hostname}\n").into_bytes());
    let boot_id = uuid();
    kernel.add_generated_file("/proc/sys/kernel/random/boot_id", move |_| format!("{boot_id}\n").into_bytes());
    kernel.add_generated_file("/proc/sys/kernel/random/uuid", |_| format!("{}\n", uuid()).into_bytes());
    for (path, content) in CONSTANT {
        kernel.add_generated_file(path, move |_| content.as_bytes().to_vec());
    }
    kernel.add_generated_file("/proc/sys/kernel/osrelease", |_| format!("{RELEASE}\n").into_bytes());
    kernel.add_generated_file("/proc/version", |_| format!("Linux version {RELEASE}\n").into_bytes());
    kernel.add_generated_file("/proc/cpuinfo", |_| cpuinfo().into_bytes());
    kernel.add_generated_file("/proc/meminfo", |_| meminfo().into_bytes());
    kernel.add_generated_file("/proc/stat", |kernel| stat(kernel).into_bytes());
    kernel.add_generated_file("/proc/uptime", |_| uptime().into_bytes());
    kernel.add_generated_file("/proc/mounts", mounts);
    for name in ["online", "possible", "present"] {
        let path = format!("/sys/devices/system/cpu/{name}");
        kernel.add_generated_file(&path, |_| match thread::cpus() {
            0 | 1 => b"0\n".to_vec(),
            count => format!("0-{}\n", count.saturating_sub(1)).into_bytes(),
        });
    }
}

const CONSTANT: [(&str, &str); 12] = [
    ("/proc/filesystems", "nodev\tproc\nnodev\ttmpfs\nnodev\tdevtmpfs\n\terofs\n"),
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

/// A random UUID (RFC 9562, version 4).
fn uuid() -> String {
    let high = random::next_u64() & !0xf000 | 0x4000;
    let low = random::next_u64() & !(3 << 62) | 2 << 62;
    let (first, second, third) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
    format!("{first:08x}-{second:04x}-{third:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
}

fn cpuinfo() -> String {
    let mut text = String::new();
    for cpu in 0..thread::cpus() {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "processor\t: {cpu}\nvendor_id\t: unknown\ncpu family\t: 6\nmodel\t\t: 0\nmodel name\t: x86-64\n\
             physical id\t: 0\nsiblings\t: {count}\ncore id\t\t: {cpu}\ncpu cores\t: {count}\nfpu\t\t: yes\n\
             flags\t\t: fpu tsc msr cx8 cmov fxsr sse sse2 syscall nx lm\n\n",
            count = thread::cpus(),
        );
    }
    text
}

fn meminfo() -> String {
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
    let mut text = String::new();
    for (name, value) in lines {
        let _ = writeln!(text, "{:<16}{value:>8} kB", format!("{name}:"));
    }
    let _ = writeln!(text, "HugePages_Total:       0\nHugepagesize:       2048 kB");
    text
}

/// Times are not accounted for per state; all of it counts as user time.
fn stat(kernel: &Kernel) -> String {
    let ticks = clock::monotonic() / 10_000_000;
    let mut text = format!("cpu  {ticks} 0 0 0 0 0 0 0 0 0\n");
    for cpu in 0..thread::cpus() {
        let _ = writeln!(text, "cpu{cpu} {ticks} 0 0 0 0 0 0 0 0 0");
    }
    let booted = clock::realtime().saturating_sub(clock::monotonic()) / 1_000_000_000;
    let processes = kernel.processes().len();
    let _ = writeln!(text, "ctxt 0\nbtime {booted}\nprocesses {processes}\nprocs_running {processes}\nprocs_blocked 0");
    text
}

fn uptime() -> String {
    let hundredths = clock::monotonic() / 10_000_000;
    format!("{}.{:02} 0.00\n", hundredths / 100, hundredths % 100)
}

/// `/proc/mounts`.
pub fn mounts(kernel: &Kernel) -> Vec<u8> {
    let mut text = String::new();
    for mount in tree::of(kernel).map(|tree| tree.mounts()).unwrap_or_default() {
        let info = &mount.info;
        let options = if info.read_only { "ro" } else { "rw" };
        let _ = writeln!(text, "{kind} {} {kind} {options},relatime 0 0", info.path, kind = info.kind);
    }
    text.into_bytes()
}

/// `/proc/self/mountinfo`.
pub fn mount_information(kernel: &Kernel) -> Vec<u8> {
    let mut text = String::new();
    for mount in tree::of(kernel).map(|tree| tree.mounts()).unwrap_or_default() {
        let info = &mount.info;
        let options = if info.read_only { "ro" } else { "rw" };
        let (id, parent) = (info.device, u64::from(info.device != 1));
        let kind = info.kind;
        let _ = writeln!(text, "{id} {parent} 0:{id} / {} {options},relatime - {kind} {kind} {options}", info.path);
    }
    text.into_bytes()
}
