//! The part of the command line that tells of hardware: `virtio_mmio.device=SIZE@ADDRESS:LINE`, as Linux has it.

use crate::acpi::MmioSlot;

/// The slots that the command line declares; malformed ones are logged and left out.
pub fn mmio_slots(command_line: &str) -> impl Iterator<Item = MmioSlot> {
    command_line.split_ascii_whitespace().filter_map(|word| word.strip_prefix("virtio_mmio.device=")).filter_map(
        |value| {
            let slot = slot(value);
            if slot.is_none() {
                log::warn!("command line: no virtio-mmio device: {value}");
            }
            slot
        },
    )
}

/// `SIZE@ADDRESS:LINE`, optionally followed by `:ID`.
fn slot(value: &str) -> Option<MmioSlot> {
    let (size, rest) = value.split_once('@')?;
    let (address, rest) = rest.split_once(':')?;
    let line = rest.split(':').next()?;
    let slot = MmioSlot { length: number(size)?, address: number(address)?, line: u32::try_from(number(line)?).ok()? };
    slot.address.checked_add(slot.length)?;
    (slot.length <= 1 << 20).then_some(slot)
}

/// A number as `strtoull` with base 0 reads it, with the suffixes that Linux's `memparse` knows.
fn number(text: &str) -> Option<u64> {
    let (digits, unit) = match text.as_bytes().last()? {
        b'K' | b'k' => (text.get(..text.len() - 1)?, 10),
        b'M' | b'm' => (text.get(..text.len() - 1)?, 20),
        _ => (text, 0),
    };
    let value = match digits.strip_prefix("0x") {
        Some(hexadecimal) => u64::from_str_radix(hexadecimal, 16).ok()?,
        None => digits.parse().ok()?,
    };
    value.checked_mul(1 << unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn qemu_microvm_s_form_is_read() {
        let slots: Vec<_> =
            mmio_slots("console=ttyS0 virtio_mmio.device=512@0xfeb00e00:12 virtio_mmio.device=4K@0xd0000000:5:3")
                .collect();
        assert_eq!(
            slots,
            [
                MmioSlot { address: 0xfeb0_0e00, length: 512, line: 12 },
                MmioSlot { address: 0xd000_0000, length: 4096, line: 5 }
            ]
        );
    }

    #[test]
    fn malformed_slots_are_left_out() {
        for text in [
            "",
            "@",
            "512",
            "512@",
            "512@1",
            "512@1:",
            "@1:2",
            "x@1:2",
            "512@0x:2",
            "512@-1:2",
            "512@0xffffffffffffffff:1",
            "99999999999M@0:1",
            "k@1:1",
        ] {
            assert_eq!(slot(text), None, "{text}");
        }
    }
}
