//! Hypercalls of an HVM or PVH guest (`arch-x86/xen-x86_64.h`): number in RAX, arguments in RDI, RSI, RDX, result in RAX.
//!
//! They are made by the processor's own instruction (`vmcall`, AMD's `vmmcall`), as the code in Xen's hypercall page does,
//! and not through that page: it is optional for HVM guests, its bare returns defeat protection against speculation
//! (XSA-466), and it would be a page of code that the hypervisor writes at run time.
//!
//! Pointers are the guest's linear addresses: stacks, the heap and statics serve alike.

use crate::*;
use core::{
    arch::{asm, x86_64::__cpuid},
    fmt,
    sync::atomic::{AtomicU8, Ordering},
};

/// Why the hypervisor refused: an `XEN_E…` number (`errno.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error(pub u32);

impl Error {
    /// The call or command is not known.
    pub const NOT_IMPLEMENTED: Error = Error(XEN_ENOSYS);
    /// The thing or place is not there.
    pub const NOT_FOUND: Error = Error(XEN_ENOENT);
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Xen error {}", self.0)
    }
}

/// What a hypercall gives.
pub type Result<T> = core::result::Result<T, Error>;

const UNKNOWN: u8 = 0;
const INTEL: u8 = 1;
const AMD: u8 = 2;

static INSTRUCTION: AtomicU8 = AtomicU8::new(UNKNOWN);

/// Finds out which instruction the processor has.
#[cold]
fn instruction() -> u8 {
    // "AuthenticAMD" and "HygonGenuine", of which the first four letters are enough; all others follow Intel.
    let vendor = __cpuid(0).ebx;
    let amd = [*b"Auth", *b"Hygo"].map(u32::from_le_bytes).contains(&vendor);
    let instruction = if amd { AMD } else { INTEL };
    INSTRUCTION.store(instruction, Ordering::Relaxed);
    instruction
}

/// A hypercall with up to three arguments; those that it does not have are ignored.
///
/// # Safety
/// The machine runs on Xen. The arguments are what the call wants, and what they point to may be read and written by it;
/// memory that they give to the hypervisor is the caller's to give.
pub unsafe fn hypercall(number: u32, first: usize, second: usize, third: usize) -> Result<usize> {
    let kind = match INSTRUCTION.load(Ordering::Relaxed) {
        UNKNOWN => instruction(),
        kind => kind,
    };
    let result: isize;
    // SAFETY: the caller's promise. The hypervisor keeps all registers but the result and, in its debug builds, the
    // arguments.
    unsafe {
        if kind == AMD {
            asm!("vmmcall", inlateout("rax") number as usize => result, inlateout("rdi") first => _,
                inlateout("rsi") second => _, inlateout("rdx") third => _, options(nostack));
        } else {
            asm!("vmcall", inlateout("rax") number as usize => result, inlateout("rdi") first => _,
                inlateout("rsi") second => _, inlateout("rdx") third => _, options(nostack));
        }
    }
    usize::try_from(result).map_err(|_| Error(u32::try_from(result.unsigned_abs()).unwrap_or(u32::MAX)))
}

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident = $number:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// As for [`hypercall`](fn@hypercall): `argument` is the structure of this command.
        pub unsafe fn $name<T>(command: u32, argument: &mut T) -> Result<usize> {
            // SAFETY: the caller's promise.
            unsafe { hypercall($number, command as usize, core::ptr::from_mut(argument) as usize, 0) }
        }
    )*};
}

commands! {
    /// Event channels: `EVTCHNOP_…` (`event_channel.h`).
    event_channel_op = __HYPERVISOR_event_channel_op;
    /// Parameters and properties of HVM guests: `HVMOP_…` (`hvm/hvm_op.h`).
    hvm_op = __HYPERVISOR_hvm_op;
    /// The guest's physical address space: `XENMEM_…` (`memory.h`).
    memory_op = __HYPERVISOR_memory_op;
    /// Scheduling, and the end of the domain: `SCHEDOP_…` (`sched.h`).
    sched_op = __HYPERVISOR_sched_op;
    /// What the hypervisor is: `XENVER_…` (`version.h`).
    xen_version = __HYPERVISOR_xen_version;
}

/// Grant tables: `GNTTABOP_…` (`grant_table.h`), on `operations` of one kind.
///
/// # Safety
/// As for [`hypercall`](fn@hypercall): the operations are structures of this command.
pub unsafe fn grant_table_op<T>(command: u32, operations: &mut [T]) -> Result<usize> {
    let (first, count) = (operations.as_mut_ptr() as usize, operations.len());
    // SAFETY: the caller's promise.
    unsafe { hypercall(__HYPERVISOR_grant_table_op, command as usize, first, count) }
}

/// A virtual processor's affairs: `VCPUOP_…` (`vcpu.h`). `argument` is null where the command takes none.
///
/// # Safety
/// As for [`hypercall`](fn@hypercall): `argument` is the structure of this command.
pub unsafe fn vcpu_op<T>(command: u32, vcpu: u32, argument: *mut T) -> Result<usize> {
    // SAFETY: the caller's promise.
    unsafe { hypercall(__HYPERVISOR_vcpu_op, command as usize, vcpu as usize, argument as usize) }
}

/// Writes to the hypervisor's own console (`xen.h`, `CONSOLEIO_write`), which only privileged domains may, or any if the
/// hypervisor was built for debugging.
///
/// # Safety
/// The machine runs on Xen.
pub unsafe fn console_write(text: &[u8]) -> Result<usize> {
    // SAFETY: the caller's promise; the text is only read.
    unsafe { hypercall(__HYPERVISOR_console_io, CONSOLEIO_write as usize, text.len(), text.as_ptr() as usize) }
}
