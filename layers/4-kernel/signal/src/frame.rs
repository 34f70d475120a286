//! Signal frames on the user stack, as Linux lays them out (arch/x86/include/asm/sigframe.h, uapi/asm/sigcontext.h).
//!
//! ```text
//!   handler's rsp ─▶ restorer │ ucontext: flags, link, stack, registers, mask │ siginfo │ … │ XSAVE area, magic 2 │ red zone
//!                    (8 modulo 16)                                                           (64-byte aligned)
//! ```

use crate::{
    set::SignalSet,
    state::{self, NO_STACK, ThreadSignals},
};
use alloc::vec::Vec;
use rumpkin_collections::{OutOfMemory, TryVec, try_with_capacity};
use rumpkin_spine::{
    Errno, UserPointer, UserSlice,
    abi::{SignalAction, SignalInfo, SignalStack, linux::general},
    process::Thread,
};
use rumpuser::context::{Registers, fpu};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Below the stack pointer lies memory that a leaf function uses without saying so (System V ABI, §3.2.2).
const RED_ZONE: u64 = 128;
/// Of the FXSAVE area, the bytes that are the software's.
const SOFTWARE_BYTES: usize = 464;
/// Bytes of an FXSAVE area, the first part of an XSAVE area.
const LEGACY_SIZE: usize = 512;
/// Bytes of the header behind it; the first eight say which components are there.
const HEADER_SIZE: usize = 64;
/// `FP_XSTATE_MAGIC1`: there is an XSAVE area.
const MAGIC_1: u32 = 0x4650_5853;
/// `FP_XSTATE_MAGIC2`: it is whole.
const MAGIC_2: u32 = 0x4650_5845;
/// Components of the legacy part: x87 and SSE.
const LEGACY_COMPONENTS: u64 = 3;
/// `UC_FP_XSTATE`, `UC_SIGCONTEXT_SS`, `UC_STRICT_RESTORE_SS`.
const CONTEXT_FLAGS: u64 = 7;
/// `SS_AUTODISARM`: the alternate stack is off while a handler runs.
const AUTO_DISARM: i32 = 1 << 31;
/// The selectors that a program on Linux would see.
const USER_CODE: u16 = 0x33;
const USER_DATA: u16 = 0x2b;
/// Flags that a handler starts without: trap, direction, resume.
const CLEARED_FLAGS: u64 = 0x1_0500;
/// Flags that a frame may set: carry, parity, adjust, zero, sign, trap, direction, overflow, resume, alignment check.
const RESTORED_FLAGS: u64 = 0x5_0dd5;

/// `struct sigcontext_64`.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Context {
    r8_to_r15: [u64; 8],
    rdi: u64,
    rsi: u64,
    rbp: u64,
    rbx: u64,
    rdx: u64,
    rax: u64,
    rcx: u64,
    rsp: u64,
    rip: u64,
    rflags: u64,
    cs: u16,
    gs: u16,
    fs: u16,
    ss: u16,
    error: u64,
    trap: u64,
    old_mask: u64,
    cr2: u64,
    fpu_state: u64,
    reserved: [u64; 8],
}

/// `struct rt_sigframe`.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Frame {
    restorer: u64,
    flags: u64,
    link: u64,
    stack: SignalStack,
    context: Context,
    mask: u64,
    info: SignalInfo,
}

const _: () = assert!(size_of::<Context>() == 256 && size_of::<Frame>() == 440);

/// `struct _fpx_sw_bytes`.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct SoftwareBytes {
    magic: u32,
    extended_size: u32,
    features: u64,
    state_size: u32,
    padding: [u32; 7],
}

/// The exception behind a signal, as its frame tells it; all zero for a signal that was sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trap {
    /// The vector.
    pub number: u64,
    /// The error code.
    pub error: u64,
    /// CR2.
    pub address: u64,
}

/// Whether a stack pointer is on an alternate stack.
pub fn is_on(stack: &SignalStack, rsp: u64) -> bool {
    stack.flags & AUTO_DISARM == 0 && rsp > stack.base && rsp.wrapping_sub(stack.base) <= stack.size
}

/// The alternate stack of a thread.
pub fn stack_of(thread: &Thread) -> SignalStack {
    state::of(thread).map_or(NO_STACK, |state| *state.stack.lock())
}

/// Pushes a frame and makes the registers those of the handler's first instruction; `mask` is what sigreturn restores.
/// `EFAULT`, and nothing changed but memory, if the stack cannot take it; `ENOMEM` if the kernel cannot make it.
pub fn push(
    thread: &Thread,
    registers: &mut Registers,
    info: SignalInfo,
    action: &SignalAction,
    mask: SignalSet,
    trap: Trap,
) -> Result<(), Errno> {
    if action.flags & u64::from(general::SA_RESTORER) == 0 {
        return Err(Errno::EFAULT);
    }
    let stack = stack_of(thread);
    let was_on = is_on(&stack, registers.rsp);
    let switches = action.flags & u64::from(general::SA_ONSTACK) != 0 && stack.size != 0 && !was_on;
    let top = if switches { stack.base.wrapping_add(stack.size) } else { registers.rsp.wrapping_sub(RED_ZONE) };

    let state = saved_fpu_state()?;
    let state_at = top.wrapping_sub(state.len() as u64) & !63;
    let frame_at = (state_at.wrapping_sub(size_of::<Frame>() as u64) & !15).wrapping_sub(8);
    if (switches || was_on) && frame_at < stack.base {
        return Err(Errno::EFAULT);
    }
    let frame = Frame {
        restorer: action.restorer,
        flags: CONTEXT_FLAGS,
        link: 0,
        stack,
        context: context_of(registers, mask, trap, state_at),
        mask: mask.0,
        info,
    };
    UserPointer::<u8>::new(state_at as usize).slice(state.len()).write(&state)?;
    UserPointer::new(frame_at as usize).write(&frame)?;

    if let Some(state) = state::of(thread).filter(|_| stack.flags & AUTO_DISARM != 0) {
        *state.stack.lock() = NO_STACK;
    }
    fpu::reset();
    registers.rdi = u64::from(info.signal());
    registers.rsi = frame_at.wrapping_add(core::mem::offset_of!(Frame, info) as u64);
    registers.rdx = frame_at.wrapping_add(core::mem::offset_of!(Frame, flags) as u64);
    registers.rax = 0;
    registers.rsp = frame_at;
    registers.rip = action.handler;
    registers.rflags &= !CLEARED_FLAGS;
    Ok(())
}

/// Takes back the frame that the handler's return left the stack pointer just above of: registers, mask, alternate stack,
/// vector state. `EFAULT` if it is not there or not one.
pub fn pop(thread: &Thread, registers: &mut Registers) -> Result<(), Errno> {
    let frame = UserPointer::<Frame>::new(registers.rsp.wrapping_sub(8) as usize).read()?;
    restore_fpu_state(frame.context.fpu_state)?;
    let context = &frame.context;
    let [r8, r9, r10, r11, r12, r13, r14, r15] = context.r8_to_r15;
    *registers = Registers {
        rax: context.rax,
        rbx: context.rbx,
        rcx: context.rcx,
        rdx: context.rdx,
        rsi: context.rsi,
        rdi: context.rdi,
        rbp: context.rbp,
        rsp: context.rsp,
        r8,
        r9,
        r10,
        r11,
        r12,
        r13,
        r14,
        r15,
        rip: context.rip,
        rflags: registers.rflags & !RESTORED_FLAGS | context.rflags & RESTORED_FLAGS,
        fs_base: registers.fs_base,
    };
    thread.set_blocked(SignalSet(frame.mask));
    // As on Linux, a frame whose alternate stack makes no sense changes none.
    let _ = set_stack(thread, &frame.stack, registers.rsp);
    Ok(())
}

/// Sets the alternate stack (sigaltstack(2)). `EPERM` while it is in use, `EINVAL` for unknown flags, `ENOMEM` if it is too
/// small for a frame.
pub fn set_stack(thread: &Thread, new: &SignalStack, rsp: u64) -> Result<(), Errno> {
    let mut stack = state::of(thread).ok_or(Errno::ENOMEM)?.stack.lock();
    if is_on(&stack, rsp) {
        return Err(Errno::EPERM);
    }
    let mode = new.flags & !AUTO_DISARM;
    if mode == general::SS_DISABLE as i32 {
        *stack = SignalStack { flags: new.flags, ..SignalStack::default() };
        return Ok(());
    }
    if mode != 0 && mode != general::SS_ONSTACK as i32 {
        return Err(Errno::EINVAL);
    }
    if new.size < u64::from(general::MINSIGSTKSZ) {
        return Err(Errno::ENOMEM);
    }
    *stack = SignalStack { flags: new.flags & AUTO_DISARM, padding: 0, ..*new };
    Ok(())
}

fn context_of(registers: &Registers, mask: SignalSet, trap: Trap, fpu_state: u64) -> Context {
    let r = registers;
    Context {
        r8_to_r15: [r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15],
        rdi: r.rdi,
        rsi: r.rsi,
        rbp: r.rbp,
        rbx: r.rbx,
        rdx: r.rdx,
        rax: r.rax,
        rcx: r.rcx,
        rsp: r.rsp,
        rip: r.rip,
        rflags: r.rflags,
        cs: USER_CODE,
        ss: USER_DATA,
        error: trap.error,
        trap: trap.number,
        old_mask: mask.0,
        cr2: trap.address,
        fpu_state,
        ..Context::default()
    }
}

/// The state with the software's bytes filled in, and the second magic word behind it.
fn saved_fpu_state() -> Result<Vec<u8>, OutOfMemory> {
    let size = fpu::size();
    let mut area = zeroes(size.saturating_add(size_of::<u32>()))?;
    fpu::save(area.get_mut(..size).unwrap_or_default());
    let components =
        area.get(LEGACY_SIZE..).and_then(|header| header.first_chunk::<8>()).filter(|_| size > LEGACY_SIZE);
    let software = SoftwareBytes {
        magic: MAGIC_1,
        extended_size: area.len() as u32,
        features: components.map_or(0, |bytes| u64::from_le_bytes(*bytes)) | LEGACY_COMPONENTS,
        state_size: size as u32,
        padding: [0; 7],
    };
    if let Some(bytes) = area.get_mut(SOFTWARE_BYTES..LEGACY_SIZE) {
        bytes.copy_from_slice(software.as_bytes());
    }
    if let Some(magic) = area.last_chunk_mut::<4>() {
        *magic = MAGIC_2.to_le_bytes();
    }
    Ok(area)
}

/// So many zeroes, for the vector state.
pub fn zeroes(length: usize) -> Result<Vec<u8>, OutOfMemory> {
    let mut bytes = try_with_capacity(length)?;
    bytes.try_resize(length, 0)?;
    Ok(bytes)
}

/// Loads the state that a frame points at: all of it if it is whole, else the legacy part; none means the initial one.
fn restore_fpu_state(address: u64) -> Result<(), Errno> {
    if address == 0 {
        fpu::reset();
        return Ok(());
    }
    let size = fpu::size();
    let state = UserPointer::<u8>::new(address as usize).slice(size);
    let mut area = zeroes(size)?;
    let legacy = area.get_mut(..LEGACY_SIZE).ok_or(Errno::EFAULT)?;
    state.read(legacy)?;
    if size > LEGACY_SIZE {
        if is_whole(&area, state)? {
            let rest = area.get_mut(LEGACY_SIZE..).ok_or(Errno::EFAULT)?;
            state.skip(LEGACY_SIZE).read(rest)?;
        } else if let Some(header) = area.get_mut(LEGACY_SIZE..LEGACY_SIZE.saturating_add(HEADER_SIZE)) {
            header.fill(0);
            if let Some(components) = header.first_chunk_mut::<8>() {
                *components = LEGACY_COMPONENTS.to_le_bytes();
            }
        }
    }
    if fpu::restore(&area) { Ok(()) } else { Err(Errno::EFAULT) }
}

/// Whether both magic words are where a whole XSAVE area of this machine's size has them.
fn is_whole(area: &[u8], state: UserSlice) -> Result<bool, Errno> {
    let software = area.get(SOFTWARE_BYTES..LEGACY_SIZE).and_then(|bytes| SoftwareBytes::read_from_bytes(bytes).ok());
    let Some(software) = software else { return Ok(false) };
    if software.magic != MAGIC_1 || software.state_size as usize != state.len() {
        return Ok(false);
    }
    let magic = UserPointer::<u32>::new(state.address().wrapping_add(state.len()));
    Ok(magic.read()? == MAGIC_2)
}
