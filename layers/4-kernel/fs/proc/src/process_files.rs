//! The files of a process's directory in `/proc` (proc(5)).

use crate::{mounts, preference};
use alloc::vec::Vec;
use core::fmt;
use rumpkin_abi::Errno;
use rumpkin_collections::{OutOfMemory, TryVec, TryWrite, try_to_vec};
use rumpkin_signal::ThreadSignals;
use rumpkin_spine::process::{Process, Thread};
use rumpkin_vfs::State;
use rumpuser::memory::{PAGE_SIZE, Protection};

/// What a file is made to hold.
type Made = Result<Vec<u8>, OutOfMemory>;

/// Makes a file's content, for a process or one of its threads.
pub type Content = fn(&Process, Option<&Thread>) -> Made;

/// Takes what is written to a file.
pub type Store = fn(&Process, &[u8]) -> Result<(), Errno>;

/// A file that is made for a process, or for one of its threads.
pub struct ProcessFile {
    /// The name.
    pub name: &'static str,
    /// Makes the content.
    pub content: Content,
    /// Takes what is written, for a file that can be.
    pub store: Option<Store>,
}

impl ProcessFile {
    const fn read_only(name: &'static str, content: Content) -> Self {
        ProcessFile { name, content, store: None }
    }
}

/// All of them.
pub const FILES: [ProcessFile; 14] = [
    ProcessFile::read_only("auxv", |process, _| try_to_vec(process.auxiliary())),
    ProcessFile::read_only("cgroup", |_, _| try_to_vec(b"0::/\n")),
    ProcessFile::read_only("cmdline", |process, _| try_to_vec(process.program.arguments.bytes())),
    ProcessFile::read_only("comm", |process, thread| {
        made(|text| {
            text.try_extend_from_slice(named(&comm(process, thread)))?;
            text.try_push(b'\n')
        })
    }),
    ProcessFile::read_only("environ", |process, _| try_to_vec(process.program.environment.bytes())),
    ProcessFile::read_only("limits", |process, _| limits(process)),
    ProcessFile::read_only("maps", |process, _| maps(process)),
    ProcessFile::read_only("mountinfo", |process, _| mounts::mount_information(&process.kernel)),
    ProcessFile::read_only("mounts", |process, _| mounts::mounts(&process.kernel)),
    ProcessFile::read_only("oom_score", |_, _| try_to_vec(b"0\n")),
    ProcessFile {
        name: "oom_score_adj",
        content: |process, _| preference::show(process),
        store: Some(preference::store),
    },
    ProcessFile::read_only("stat", stat),
    ProcessFile::read_only("statm", |process, _| statm(process)),
    ProcessFile::read_only("status", status),
];

fn made(write: impl FnOnce(&mut Vec<u8>) -> Result<(), OutOfMemory>) -> Made {
    let mut text = Vec::new();
    write(&mut text)?;
    Ok(text)
}

/// The name of a thread, or of the executable, cut to 15 bytes and filled up with zeroes.
fn comm(process: &Process, thread: Option<&Thread>) -> [u8; 16] {
    let mut name = thread.map(|thread| *thread.name.lock()).unwrap_or_default();
    if named(&name).is_empty() {
        for (to, from) in name.iter_mut().take(15).zip(process.name().0) {
            *to = *from;
        }
    }
    name
}

/// What stands before the first zero.
fn named(name: &[u8; 16]) -> &[u8] {
    name.split(|&byte| byte == 0).next().unwrap_or_default()
}

fn maps(process: &Process) -> Made {
    let mut text = Vec::new();
    for region in process.memory.regions()? {
        let flag = |flag: Protection, letter: char| if region.protection.contains(flag) { letter } else { '-' };
        let begin = text.len();
        text.try_write(format_args!(
            "{:08x}-{:08x} {}{}{}{} {:08x} 00:00 0",
            region.start,
            region.end,
            flag(Protection::READ, 'r'),
            flag(Protection::WRITE, 'w'),
            flag(Protection::EXECUTE, 'x'),
            if region.shared { 's' } else { 'p' },
            region.offset,
        ))?;
        if !region.name.is_empty() {
            let column = begin.saturating_add(73);
            text.try_resize(text.len().max(column), b' ')?;
            text.try_extend_from_slice(&region.name)?;
        }
        text.try_push(b'\n')?;
    }
    Ok(text)
}

fn stat(process: &Process, thread: Option<&Thread>) -> Made {
    let id = thread.map_or(process.id, |thread| thread.id);
    // The first thread's file is the process's.
    let other = thread.filter(|thread| thread.id != process.id);
    let cpu_time = other.map_or_else(|| process.cpu_time(), Thread::cpu_time);
    let ticks = |nanoseconds: u64| nanoseconds / 10_000_000;
    let mut text = Vec::new();
    text.try_write(format_args!("{id} ("))?;
    text.try_extend_from_slice(named(&comm(process, thread)))?;
    // State, parent, group, session, terminal, its group, flags, faults, times, priority, threads, start, sizes.
    text.try_write(format_args!(
        ") R 0 {group} {group} 0 -1 0 0 0 0 0 {cpu} 0 0 0 20 0 {threads} 0 {start} {virtual_size} {resident} {limit}",
        group = process.id,
        cpu = ticks(cpu_time),
        threads = process.thread_count(),
        start = ticks(process.started_at),
        virtual_size = process.memory.virtual_size(),
        resident = process.memory.resident_pages(),
        limit = u64::MAX,
    ))?;
    // Addresses, signals, exit signal, processor and the rest, up to field 52.
    for field in 26..=52 {
        text.try_extend_from_slice(if field == 38 { b" 17" } else { b" 0" })?;
    }
    text.try_push(b'\n')?;
    Ok(text)
}

fn statm(process: &Process) -> Made {
    let pages = process.memory.virtual_size() / PAGE_SIZE;
    let resident = process.memory.resident_pages();
    made(|text| text.try_write(format_args!("{pages} {resident} 0 0 0 {resident} 0\n")))
}

fn status(process: &Process, thread: Option<&Thread>) -> Made {
    let kibibytes = |bytes: usize| bytes / 1024;
    let id = thread.map_or(process.id, |thread| thread.id);
    let resident = kibibytes(process.memory.resident_pages().saturating_mul(PAGE_SIZE));
    let size = kibibytes(process.memory.virtual_size());
    let blocked = thread.map_or(0, |thread| thread.blocked().0);
    let cpus = rumpuser::thread::cpus();
    let mut text = try_to_vec(b"Name:\t")?;
    text.try_extend_from_slice(named(&comm(process, thread)))?;
    text.try_write(format_args!(
        "\nUmask:\t{umask:04o}\nState:\tR (running)\nTgid:\t{group}\nNgid:\t0\nPid:\t{id}\nPPid:\t0\nTracerPid:\t0\n\
         Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nFDSize:\t{descriptors}\nGroups:\t\n\
         VmPeak:\t{size:8} kB\nVmSize:\t{size:8} kB\nVmHWM:\t{resident:8} kB\nVmRSS:\t{resident:8} kB\n\
         Threads:\t{threads}\nSigBlk:\t{blocked:016x}\nSeccomp:\t0\n\
         Cpus_allowed_list:\t0-{last}\nMems_allowed_list:\t0\n\
         voluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n",
        umask = State::of(process).map_or(0, |state| state.mask()),
        group = process.id,
        descriptors = process.descriptors.count(),
        threads = process.thread_count(),
        last = cpus.saturating_sub(1),
    ))?;
    Ok(text)
}

fn limits(process: &Process) -> Made {
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
    /// A limit, as it is shown.
    struct Limit(u64);

    impl fmt::Display for Limit {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            if self.0 == u64::MAX { f.pad("unlimited") } else { fmt::Display::fmt(&self.0, f) }
        }
    }

    let mut text = try_to_vec(b"Limit                     Soft Limit           Hard Limit           Units     \n")?;
    let limits = *process.limits.lock();
    for ((name, unit), limit) in NAMES.iter().zip(limits) {
        let (current, maximum) = (Limit(limit.current), Limit(limit.maximum));
        text.try_write(format_args!("{name:<25} {current:<20} {maximum:<20} {unit:<10}\n"))?;
    }
    Ok(text)
}
