//! The wait for an interrupt, such that none is slept through.
//!
//! `sti` lets interrupts in only after the instruction behind it, so that one that brings work ends the `hlt` and does not
//! come just before it. A hypervisor must keep this state when it leaves and enters the guest there (AMD64 manual vol. 2, §15.21.5,
//! "Interrupt Shadows"); QEMU 7.2, when it emulates the processor of one, forgets it at every `VMRUN`. So an interrupt that
//! comes in front of the `hlt` goes on behind it.

use core::arch::naked_asm;

/// Lets interrupts in and waits for one. To be called with interrupts off.
#[unsafe(naked)]
pub(crate) extern "C" fn wait() {
    naked_asm!(".globl rumpkin_halt", "sti", "rumpkin_halt:", "hlt", "ret")
}

unsafe extern "C" {
    static rumpkin_halt: u8;
}

/// If an interrupt came when [`wait`] was about to halt: where it goes on if it brought work.
pub(crate) fn interrupted_before(rip: u64) -> Option<u64> {
    let halt = &raw const rumpkin_halt as u64;
    (rip == halt).then_some(halt + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_between_sti_and_hlt_goes_on_behind_hlt() {
        const STI: u8 = 0xfb;
        const HLT: u8 = 0xf4;
        const RET: u8 = 0xc3;
        let begin = wait as *const () as u64;
        // SAFETY: the three instructions of `wait`, of a byte each.
        let code = unsafe { core::slice::from_raw_parts(begin as *const u8, 3) };
        assert_eq!(code, [STI, HLT, RET]);
        assert_eq!(interrupted_before(begin), None);
        assert_eq!(interrupted_before(begin + 1), Some(begin + 2));
        assert_eq!(interrupted_before(begin + 2), None);
    }
}
