//! What the processor says of itself.

use core::arch::x86_64::{__cpuid, __cpuid_count, CpuidResult};

/// Whether the processor is emulated in software, where some instructions cost other than in silicon.
pub(crate) fn is_emulated() -> bool {
    const HYPERVISOR: u32 = 1 << 31;
    if __cpuid(1).ecx & HYPERVISOR == 0 {
        return false;
    }
    let name = __cpuid(0x4000_0000);
    [name.ebx, name.ecx, name.edx] == [*b"TCGT", *b"CGTC", *b"GTCG"].map(u32::from_le_bytes)
}

/// `CPUID` of a leaf, or zeroes if the processor does not have it.
pub(crate) fn cpuid(leaf: u32, subleaf: u32) -> CpuidResult {
    if __cpuid(leaf & 0xf000_0000).eax < leaf {
        return CpuidResult { eax: 0, ebx: 0, ecx: 0, edx: 0 };
    }
    __cpuid_count(leaf, subleaf)
}
