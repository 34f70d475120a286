//! PCI transport (VIRTIO 1.2 §4.1), with the interrupt pin.

use super::{Doorbell, Transport, Window};
use crate::{Error, Result, queue::Addresses};
use virtio_drivers::transport::pci::{
    VIRTIO_PCI_CAP_COMMON_CFG, VIRTIO_PCI_CAP_DEVICE_CFG, VIRTIO_PCI_CAP_ISR_CFG, VIRTIO_PCI_CAP_NOTIFY_CFG,
    VIRTIO_VENDOR_ID,
    bus::{Command, ConfigurationAccess, DeviceFunction, DeviceFunctionInfo, PCI_CAP_ID_VNDR, PciRoot},
};

/// Non-transitional devices have their type added to this (§4.1.2.1).
const MODERN_DEVICE_IDS: u16 = 0x1040;
/// A function has 256 bytes of configuration space in our reach, so no more capabilities than this.
const MOST_CAPABILITIES: usize = 48;

/// Fields of the common configuration structure (§4.1.4.3).
mod common {
    pub const DEVICE_FEATURE_SELECT: usize = 0x00;
    pub const DEVICE_FEATURE: usize = 0x04;
    pub const DRIVER_FEATURE_SELECT: usize = 0x08;
    pub const DRIVER_FEATURE: usize = 0x0c;
    pub const DEVICE_STATUS: usize = 0x14;
    pub const CONFIG_GENERATION: usize = 0x15;
    pub const QUEUE_SELECT: usize = 0x16;
    pub const QUEUE_SIZE: usize = 0x18;
    pub const QUEUE_ENABLE: usize = 0x1c;
    pub const QUEUE_NOTIFY_OFF: usize = 0x1e;
    pub const QUEUE_DESCRIPTORS: usize = 0x20;
    pub const QUEUE_AVAILABLE: usize = 0x28;
    pub const QUEUE_USED: usize = 0x30;
    pub const LENGTH: usize = 0x38;
}

/// A device on PCI.
#[derive(Debug)]
pub struct Pci {
    device_type: u32,
    common: Window,
    notify: Window,
    notify_multiplier: u32,
    cause: Window,
    device: Option<Window>,
}

impl Pci {
    /// The device type of a virtio function; `None` for any other function. A transitional device (§4.1.2.1) tells its
    /// type in the subsystem id; it is driven by its modern interface.
    pub fn identify(info: &DeviceFunctionInfo, subsystem: u16) -> Option<u32> {
        match (info.vendor_id, info.device_id) {
            (VIRTIO_VENDOR_ID, 0x1000..=0x103f) => Some(u32::from(subsystem)),
            (VIRTIO_VENDOR_ID, id @ 0x1041..=0x107f) => Some(u32::from(id - MODERN_DEVICE_IDS)),
            _ => None,
        }
    }

    /// Finds the device's registers. `map` maps device memory, given by physical address and length, and refuses what is not.
    ///
    /// # Errors
    /// [`Error::Legacy`] if there is no modern interface, others if the registers are not where they may be.
    #[cold]
    pub fn new<C: ConfigurationAccess + Copy>(
        access: C,
        function: DeviceFunction,
        device_type: u32,
        map: &dyn Fn(u64, usize) -> Option<Window>,
    ) -> Result<Self> {
        let mut root = PciRoot::new(access);
        let mut common = None;
        let mut notify = None;
        let mut cause = None;
        let mut device = None;
        let mut notify_multiplier = 0;
        for capability in root.capabilities(function).take(MOST_CAPABILITIES) {
            let length = capability.private_header as u8;
            let room = u8::MAX - capability.offset;
            if capability.id != PCI_CAP_ID_VNDR || length < 16 || room < 20 {
                continue;
            }
            let word = |offset: u8| access.read_word(function, capability.offset + offset);
            let place = match (capability.private_header >> 8) as u8 {
                VIRTIO_PCI_CAP_COMMON_CFG if common.is_none() => &mut common,
                VIRTIO_PCI_CAP_NOTIFY_CFG if notify.is_none() && length >= 20 => {
                    notify_multiplier = word(16);
                    &mut notify
                }
                VIRTIO_PCI_CAP_ISR_CFG if cause.is_none() => &mut cause,
                VIRTIO_PCI_CAP_DEVICE_CFG if device.is_none() => &mut device,
                _ => continue,
            };
            *place = Some((word(4) as u8, word(8), word(12)));
        }
        if common.is_none() {
            return Err(Error::Legacy);
        }
        let (_, command) = root.get_status_command(function);
        let window = |place: Option<(u8, u32, u32)>| {
            let (bar, offset, length) = place.ok_or(Error::Broken("a register block is missing"))?;
            let base =
                bar_address(access, function, bar).ok_or(Error::Broken("a register block without an address"))?;
            let at = base.checked_add(u64::from(offset)).ok_or(Error::Unknown)?;
            map(at, length as usize).ok_or(Error::Broken("a register block where none can be"))
        };
        let common = window(common)?;
        let notify = window(notify)?;
        let cause = window(cause)?;
        let device = match device {
            Some(place) => Some(window(Some(place))?),
            None => None,
        };
        if common.length() < common::LENGTH {
            return Err(Error::Broken("its common configuration is too small"));
        }
        root.set_command(
            function,
            (command | Command::MEMORY_SPACE | Command::BUS_MASTER) - Command::INTERRUPT_DISABLE,
        );
        Ok(Self { device_type, common, notify, notify_multiplier, cause, device })
    }

    fn write_address(&self, offset: usize, address: u64) {
        self.common.write(offset, address as u32);
        self.common.write(offset + 4, (address >> 32) as u32);
    }
}

/// Where the firmware put a memory BAR (PCI 3.0 §6.2.5.1); `None` if it is none or has no address. Its size is not asked for:
/// that takes the device off the bus for a moment, which costs a hypervisor milliseconds.
fn bar_address<C: ConfigurationAccess>(access: C, function: DeviceFunction, bar: u8) -> Option<u64> {
    const FIRST: u8 = 0x10;
    if bar > 5 {
        return None;
    }
    let low = access.read_word(function, FIRST + 4 * bar);
    let high = match low & 0b111 {
        0b000 => 0,
        0b100 if bar < 5 => access.read_word(function, FIRST + 4 * (bar + 1)),
        _ => return None,
    };
    let address = u64::from(high) << 32 | u64::from(low & !0b1111);
    (address != 0).then_some(address)
}

impl Transport for Pci {
    fn device_type(&self) -> u32 {
        self.device_type
    }

    fn device_features(&self) -> u64 {
        self.common.write(common::DEVICE_FEATURE_SELECT, 0_u32);
        let low: u32 = self.common.read(common::DEVICE_FEATURE);
        self.common.write(common::DEVICE_FEATURE_SELECT, 1_u32);
        let high: u32 = self.common.read(common::DEVICE_FEATURE);
        u64::from(high) << 32 | u64::from(low)
    }

    fn set_driver_features(&self, features: u64) {
        self.common.write(common::DRIVER_FEATURE_SELECT, 0_u32);
        self.common.write(common::DRIVER_FEATURE, features as u32);
        self.common.write(common::DRIVER_FEATURE_SELECT, 1_u32);
        self.common.write(common::DRIVER_FEATURE, (features >> 32) as u32);
    }

    fn status(&self) -> u8 {
        self.common.read(common::DEVICE_STATUS)
    }

    fn set_status(&self, status: u8) {
        self.common.write(common::DEVICE_STATUS, status);
    }

    fn queue_limit(&self, queue: u16) -> u16 {
        self.common.write(common::QUEUE_SELECT, queue);
        self.common.read::<u16>(common::QUEUE_SIZE).min(32768)
    }

    fn enable_queue(&self, queue: u16, size: u16, addresses: Addresses) -> Result<Doorbell> {
        self.common.write(common::QUEUE_SELECT, queue);
        if self.common.read::<u16>(common::QUEUE_ENABLE) != 0 {
            return Err(Error::Broken("a queue is in use after a reset"));
        }
        let slot: u16 = self.common.read(common::QUEUE_NOTIFY_OFF);
        let offset = u64::from(slot) * u64::from(self.notify_multiplier);
        if offset % 2 != 0 || offset + 2 > self.notify.length() as u64 {
            return Err(Error::Broken("a doorbell beyond its register block"));
        }
        self.common.write(common::QUEUE_SIZE, size);
        self.write_address(common::QUEUE_DESCRIPTORS, addresses.descriptors);
        self.write_address(common::QUEUE_AVAILABLE, addresses.available);
        self.write_address(common::QUEUE_USED, addresses.used);
        self.common.write(common::QUEUE_ENABLE, 1_u16);
        Ok(Doorbell::new(self.notify, offset as usize, queue, false))
    }

    fn acknowledge(&self) -> bool {
        // Reading clears it and lowers the interrupt pin (§4.1.4.5).
        let cause: u8 = self.cause.read(0);
        cause != 0
    }

    fn generation(&self) -> u32 {
        u32::from(self.common.read::<u8>(common::CONFIG_GENERATION))
    }

    fn configuration(&self, offset: usize) -> Option<u8> {
        let device = self.device.as_ref()?;
        (offset < device.length()).then(|| device.read(offset))
    }
}
