//! Whether the machine runs on Xen (`arch-x86/cpuid.h`).

use crate::{XEN_CPUID_FIRST_LEAF, XEN_CPUID_SIGNATURE_EBX, XEN_CPUID_SIGNATURE_ECX, XEN_CPUID_SIGNATURE_EDX};
use core::arch::x86_64::__cpuid;

const SIGNATURE: [u32; 3] = [XEN_CPUID_SIGNATURE_EBX, XEN_CPUID_SIGNATURE_ECX, XEN_CPUID_SIGNATURE_EDX];
/// Xen's leaves come first, or behind those that it offers to Windows.
const BASES: [u32; 2] = [XEN_CPUID_FIRST_LEAF, XEN_CPUID_FIRST_LEAF + 0x100];

/// The hypervisor's version, major in the upper half; `None` if it is not Xen.
pub fn version() -> Option<u32> {
    const HYPERVISOR: u32 = 1 << 31;
    if __cpuid(1).ecx & HYPERVISOR == 0 {
        return None;
    }
    let base = BASES.into_iter().find(|&base| {
        let leaf = __cpuid(base);
        [leaf.ebx, leaf.ecx, leaf.edx] == SIGNATURE && leaf.eax > base
    })?;
    Some(__cpuid(base + 1).eax)
}
