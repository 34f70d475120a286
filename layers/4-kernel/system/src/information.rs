//! uname(2) and sysinfo(2).

use rumpkin_spine::{Call, Errno, Kernel, UserPointer, abi::SystemName, config::RELEASE, system_calls};
use rumpuser::{
    clock,
    memory::{self, PAGE_SIZE},
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub fn register(kernel: &mut Kernel) {
    kernel.add_calls(system_calls! {
        uname => uname;
        sysinfo => sysinfo;
    });
}

fn field(text: &str) -> [u8; 65] {
    let mut field = [0; 65];
    for (to, from) in field.iter_mut().take(64).zip(text.bytes()) {
        *to = from;
    }
    field
}

fn uname(call: &mut Call<'_>, name_at: UserPointer<SystemName>) -> Result<usize, Errno> {
    let name = SystemName {
        system: field("Linux"),
        node: field(&call.kernel().config.hostname),
        release: field(RELEASE),
        version: field(concat!("Rumpkin ", env!("CARGO_PKG_VERSION"))),
        machine: field("x86_64"),
        domain: field("(none)"),
    };
    name_at.write(&name)?;
    Ok(0)
}

/// `struct sysinfo`.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct SystemInfo {
    /// In seconds.
    uptime: i64,
    loads: [u64; 3],
    total_memory: u64,
    free_memory: u64,
    shared_memory: u64,
    buffers: u64,
    total_swap: u64,
    free_swap: u64,
    processes: u16,
    padding: [u16; 3],
    total_high: u64,
    free_high: u64,
    /// Bytes of the unit that memory is counted in.
    unit: u32,
    tail: u32,
}

fn sysinfo(call: &mut Call<'_>, information: UserPointer<SystemInfo>) -> Result<usize, Errno> {
    let bytes = |frames: usize| (frames as u64).saturating_mul(PAGE_SIZE as u64);
    let threads = call.kernel().with_processes(|processes| {
        processes.iter().fold(0usize, |sum, process| sum.saturating_add(process.thread_count()))
    });
    let info = SystemInfo {
        uptime: (clock::monotonic() / 1_000_000_000) as i64,
        total_memory: bytes(memory::total_frames()),
        free_memory: bytes(memory::free_frames()),
        processes: u16::try_from(threads).unwrap_or(u16::MAX),
        unit: 1,
        ..SystemInfo::default()
    };
    information.write(&info)?;
    Ok(0)
}
