//! The files of a process's directory in `/proc` (proc(5)).

use alloc::{format, string::String, vec::Vec};
use core::fmt::Write;
use rumpkin_kernel::{process::Process, thread::Thread};
use rumpuser::memory::{PAGE_SIZE, Protection};

/// A file that is made for a process, or for one of its threads.
pub struct ProcessFile {
    /// The name.
    pub name: &'static str,
    /// Makes the content.
    pub content: fn(&Process, Option<&Thread>) -> Vec<u8>,
}

/// All of them.
pub const FILES: [ProcessFile; 14] = [
    ProcessFile { name: "auxv", content: |process, _| process.auxiliary().to_vec() },
    ProcessFile { name: "cgroup", content: |_, _| b"0::/\n".to_vec() },
    ProcessFile { name: "cmdline", content: |process, _| process.program.arguments.bytes().to_vec() },
    ProcessFile { name: "comm", content: |process, thread| [comm(process, thread), b"\n".to_vec()].concat() },
    ProcessFile { name: "environ", content: |process, _| process.program.environment.bytes().to_vec() },
    ProcessFile { name: "limits", content: |process, _| limits(process).into_bytes() },
    ProcessFile { name: "maps", content: |process, _| maps(process) },
    ProcessFile { name: "mountinfo", content: |process, _| super::kernel_files::mount_information(&process.kernel) },
    ProcessFile { name: "mounts", content: |process, _| super::kernel_files::mounts(&process.kernel) },
    ProcessFile { name: "oom_score", content: |_, _| b"0\n".to_vec() },
    ProcessFile { name: "oom_score_adj", content: |_, _| b"0\n".to_vec() },
    ProcessFile { name: "stat", content: |process, thread| stat(process, thread) },
    ProcessFile { name: "statm", content: |process, _| statm(process).into_bytes() },
    ProcessFile { name: "status", content: |process, thread| status(process, thread) },
];

/// The name of a thread, or of the executable, cut to 15 bytes.
fn comm(process: &Process, thread: Option<&Thread>) -> Vec<u8> {
    let own = thread.map(|thread| *thread.name.lock()).unwrap_or_default();
    let own = own.split(|&byte| byte == 0).next().unwrap_or_default();
    if own.is_empty() { process.name().bytes().take(15).collect() } else { own.to_vec() }
}

fn maps(process: &Process) -> Vec<u8> {
    let mut text = Vec::new();
    for region in process.memory.regions() {
        let flag = |flag: Protection, letter: char| if region.protection.contains(flag) { letter } else { '-' };
        let line = format!(
            "{:08x}-{:08x} {}{}{}{} {:08x} 00:00 0",
            region.start,
            region.end,
            flag(Protection::READ, 'r'),
            flag(Protection::WRITE, 'w'),
            flag(Protection::EXECUTE, 'x'),
            if region.shared { 's' } else { 'p' },
            region.offset,
        );
        text.extend_from_slice(line.as_bytes());
        if !region.name.is_empty() {
            text.resize(text.len().saturating_add(73usize.saturating_sub(line.len())), b' ');
            text.extend_from_slice(&region.name);
        }
        text.push(b'\n');
    }
    text
}

fn stat(process: &Process, thread: Option<&Thread>) -> Vec<u8> {
    let id = thread.map_or(process.id, |thread| thread.id);
    // The first thread's file is the process's.
    let other = thread.filter(|thread| thread.id != process.id);
    let cpu_time = other.map_or_else(|| process.cpu_time(), Thread::cpu_time);
    let ticks = |nanoseconds: u64| nanoseconds / 10_000_000;
    let mut text = format!("{id} (").into_bytes();
    text.extend_from_slice(&comm(process, thread));
    // State, parent, group, session, terminal, its group, flags, faults, times, priority, threads, start, sizes.
    let rest = format!(
        ") R 0 {group} {group} 0 -1 0 0 0 0 0 {cpu} 0 0 0 20 0 {threads} 0 {start} {virtual_size} {resident} {limit}",
        group = process.id,
        cpu = ticks(cpu_time),
        threads = process.threads().len(),
        start = ticks(process.started_at),
        virtual_size = process.memory.virtual_size(),
        resident = process.memory.resident_pages(),
        limit = u64::MAX,
    );
    text.extend_from_slice(rest.as_bytes());
    // Addresses, signals, exit signal, processor and the rest, up to field 52.
    for field in 26..=52 {
        text.extend_from_slice(if field == 38 { b" 17" } else { b" 0" });
    }
    text.push(b'\n');
    text
}

fn statm(process: &Process) -> String {
    let pages = process.memory.virtual_size() / PAGE_SIZE;
    let resident = process.memory.resident_pages();
    format!("{pages} {resident} 0 0 0 {resident} 0\n")
}

fn status(process: &Process, thread: Option<&Thread>) -> Vec<u8> {
    let kibibytes = |bytes: usize| bytes / 1024;
    let id = thread.map_or(process.id, |thread| thread.id);
    let resident = kibibytes(process.memory.resident_pages().saturating_mul(PAGE_SIZE));
    let size = kibibytes(process.memory.virtual_size());
    let blocked = thread.map_or(0, |thread| thread.blocked().0);
    let cpus = rumpuser::thread::cpus();
    let mut text = b"Name:\t".to_vec();
    text.extend_from_slice(&comm(process, thread));
    let rest = format!(
        "\nUmask:\t{umask:04o}\nState:\tR (running)\nTgid:\t{group}\nNgid:\t0\nPid:\t{id}\nPPid:\t0\nTracerPid:\t0\n\
         Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nFDSize:\t{descriptors}\nGroups:\t\n\
         VmPeak:\t{size:8} kB\nVmSize:\t{size:8} kB\nVmHWM:\t{resident:8} kB\nVmRSS:\t{resident:8} kB\n\
         Threads:\t{threads}\nSigBlk:\t{blocked:016x}\nSeccomp:\t0\n\
         Cpus_allowed_list:\t0-{last}\nMems_allowed_list:\t0\n\
         voluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n",
        umask = crate::state::State::of(process).map_or(0, |state| state.mask()),
        group = process.id,
        descriptors = process.descriptors.descriptors().len(),
        threads = process.threads().len(),
        last = cpus.saturating_sub(1),
    );
    text.extend_from_slice(rest.as_bytes());
    text
}

fn limits(process: &Process) -> String {
    const NAMES: [(&str, &str); 16] = [
        ("Max cpu time", "seconds"),
        ("Max file size", "bytes"),
        ("Max data size", "bytes"),
        ("Max stack size", "bytes"),
        ("Max core file size", "bytes"),
        ("Max resident set", "bytes"),
        ("Max processes", "processes"),
        ("Max open files", "files"),
        ("Max locked memory", "bytes"),
        ("Max address space", "bytes"),
        ("Max file locks", "locks"),
        ("Max pending signals", "signals"),
        ("Max msgqueue size", "bytes"),
        ("Max nice priority", ""),
        ("Max realtime priority", ""),
        ("Max realtime timeout", "us"),
    ];
    let show = |value: u64| if value == u64::MAX { String::from("unlimited") } else { format!("{value}") };
    let mut text = String::from("Limit                     Soft Limit           Hard Limit           Units     \n");
    let limits = *process.limits.lock();
    for ((name, unit), limit) in NAMES.iter().zip(limits) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<25} {:<20} {:<20} {unit:<10}", show(limit.current), show(limit.maximum));
    }
    text
}
