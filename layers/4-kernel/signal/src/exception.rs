//! From faults and exceptions of user code to signals (sigaction(2), "The siginfo_t argument").

use crate::{
    deliver,
    frame::{self, Trap},
};
use alloc::sync::Arc;
use rumpkin_mm::FaultError;
use rumpkin_spine::{
    abi::{
        SignalInfo,
        signal::{SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP},
    },
    process::Thread,
};
use rumpuser::{
    context::{Registers, fpu},
    memory::{Access, USER_END},
};

const SEGV_MAPERR: i32 = 1;
const SEGV_ACCERR: i32 = 2;
const BUS_ADRALN: i32 = 1;
const BUS_ADRERR: i32 = 2;
const ILL_ILLOPN: i32 = 2;
const TRAP_BRKPT: i32 = 1;
const TRAP_TRACE: i32 = 2;
const TRAP_HWBKPT: i32 = 4;
const FPE_INTDIV: i32 = 1;
const FPE_FLTDIV: i32 = 3;
const FPE_FLTOVF: i32 = 4;
const FPE_FLTUND: i32 = 5;
const FPE_FLTRES: i32 = 6;
const FPE_FLTINV: i32 = 7;

/// Bits of a page fault's error code (Intel SDM vol. 3, §4.7).
const ERROR_PRESENT: u64 = 1;
const ERROR_WRITE: u64 = 2;
const ERROR_USER: u64 = 4;
const ERROR_FETCH: u64 = 16;

/// Bits of DR6 (Intel SDM vol. 3, §17.2.3): breakpoints, a single step.
const DEBUG_BREAKPOINTS: u64 = 0xf;
const DEBUG_STEP: u64 = 1 << 14;

/// The vector of a debug exception.
const DEBUG: u8 = 1;
/// The vector of a page fault.
const PAGE_FAULT: u64 = 14;

/// Answers a page fault: by a page, or by a signal.
pub fn page_fault(thread: &Arc<Thread>, registers: &mut Registers, address: usize, access: Access) {
    let memory = &thread.process.memory;
    let (number, code, present) = match memory.handle_fault(address, access) {
        Ok(()) => return,
        Err(FaultError::OutOfMemory) => return memory.report_exhaustion(),
        // What is the kernel's looks present, so that nothing is told of it.
        Err(FaultError::NoMapping) if address >= USER_END => (SIGSEGV, SEGV_MAPERR, ERROR_PRESENT),
        Err(FaultError::NoMapping) => (SIGSEGV, SEGV_MAPERR, 0),
        Err(FaultError::Protection) => (SIGSEGV, SEGV_ACCERR, ERROR_PRESENT),
        Err(FaultError::BeyondEnd) => (SIGBUS, BUS_ADRERR, 0),
    };
    let kind = match access {
        Access::Read => 0,
        Access::Write => ERROR_WRITE,
        Access::Execute => ERROR_FETCH,
    };
    let trap = Trap { number: PAGE_FAULT, error: ERROR_USER | kind | present, address: address as u64 };
    deliver::force(thread, registers, SignalInfo::from_fault(number, code, address), trap);
}

/// Answers another exception by its signal. A debug exception's `code` is what DR6 says.
pub fn exception(thread: &Arc<Thread>, registers: &mut Registers, vector: u8, code: u64) {
    let at = registers.rip as usize;
    let info = match vector {
        0 => SignalInfo::from_fault(SIGFPE, FPE_INTDIV, at),
        DEBUG => SignalInfo::from_fault(SIGTRAP, debug_cause(code), at),
        3 => SignalInfo::from_kernel(SIGTRAP),
        6 => SignalInfo::from_fault(SIGILL, ILL_ILLOPN, at),
        11 | 12 => SignalInfo::from_kernel(SIGBUS),
        16 | 19 => SignalInfo::from_fault(SIGFPE, floating_point_cause(vector), at),
        17 => SignalInfo::from_fault(SIGBUS, BUS_ADRALN, 0),
        _ => SignalInfo::from_kernel(SIGSEGV),
    };
    // The addresses of a general protection fault are not known.
    let error = if vector == DEBUG { 0 } else { code };
    deliver::force(thread, registers, info, Trap { number: u64::from(vector), error, address: 0 });
}

/// What made a debug exception. If DR6 says nothing, it was an instruction (`int1`).
fn debug_cause(status: u64) -> i32 {
    if status & DEBUG_STEP != 0 {
        TRAP_TRACE
    } else if status & DEBUG_BREAKPOINTS != 0 {
        TRAP_HWBKPT
    } else {
        TRAP_BRKPT
    }
}

/// Which floating-point exception is raised and not masked: x87's status and control words, or MXCSR. One that cannot be told
/// for want of memory is the most general.
fn floating_point_cause(vector: u8) -> i32 {
    let Ok(mut area) = frame::zeroes(fpu::size()) else { return FPE_FLTINV };
    fpu::save(&mut area);
    let word = |offset: usize| {
        let bytes = area.get(offset..).and_then(|bytes| bytes.first_chunk::<2>());
        bytes.map_or(0, |bytes| u16::from_le_bytes(*bytes))
    };
    let raised = match vector {
        16 => word(2) & !word(0),
        _ => word(24) & !word(24).wrapping_shr(7),
    };
    match raised & 0x3f {
        raised if raised & 0x01 != 0 => FPE_FLTINV,
        raised if raised & 0x04 != 0 => FPE_FLTDIV,
        raised if raised & 0x08 != 0 => FPE_FLTOVF,
        raised if raised & 0x12 != 0 => FPE_FLTUND,
        _ => FPE_FLTRES,
    }
}
