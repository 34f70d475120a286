//! Memory-mapped transport (VIRTIO 1.2 §4.2).

use super::{Doorbell, Transport, Window};
use crate::{Error, Result, queue::Addresses};

const MAGIC: u32 = 0x7472_6976;
const MODERN: u32 = 2;

mod register {
    pub const MAGIC: usize = 0x000;
    pub const VERSION: usize = 0x004;
    pub const DEVICE_ID: usize = 0x008;
    pub const DEVICE_FEATURES: usize = 0x010;
    pub const DEVICE_FEATURES_SELECT: usize = 0x014;
    pub const DRIVER_FEATURES: usize = 0x020;
    pub const DRIVER_FEATURES_SELECT: usize = 0x024;
    pub const QUEUE_SELECT: usize = 0x030;
    pub const QUEUE_LIMIT: usize = 0x034;
    pub const QUEUE_SIZE: usize = 0x038;
    pub const QUEUE_READY: usize = 0x044;
    pub const QUEUE_NOTIFY: usize = 0x050;
    pub const INTERRUPT_STATUS: usize = 0x060;
    pub const INTERRUPT_ACKNOWLEDGE: usize = 0x064;
    pub const STATUS: usize = 0x070;
    pub const QUEUE_DESCRIPTORS: usize = 0x080;
    pub const QUEUE_AVAILABLE: usize = 0x090;
    pub const QUEUE_USED: usize = 0x0a0;
    pub const GENERATION: usize = 0x0fc;
    pub const CONFIGURATION: usize = 0x100;
}

/// A device with memory-mapped registers.
#[derive(Debug)]
pub struct Mmio {
    window: Window,
    device_type: u32,
}

impl Mmio {
    /// Looks at a slot. `Ok(None)` if no device sits there.
    ///
    /// # Errors
    /// [`Error::Unknown`] if it is no virtio slot, [`Error::Legacy`] if the device has only the legacy layout.
    pub fn probe(window: Window) -> Result<Option<Self>> {
        if window.length() < register::CONFIGURATION || window.read::<u32>(register::MAGIC) != MAGIC {
            return Err(Error::Unknown);
        }
        let device_type = window.read(register::DEVICE_ID);
        if device_type == 0 {
            return Ok(None);
        }
        match window.read::<u32>(register::VERSION) {
            MODERN => Ok(Some(Self { window, device_type })),
            1 => Err(Error::Legacy),
            _ => Err(Error::Unknown),
        }
    }

    fn write_address(&self, offset: usize, address: u64) {
        self.window.write(offset, address as u32);
        self.window.write(offset + 4, (address >> 32) as u32);
    }
}

impl Transport for Mmio {
    fn device_type(&self) -> u32 {
        self.device_type
    }

    fn device_features(&self) -> u64 {
        self.window.write(register::DEVICE_FEATURES_SELECT, 0_u32);
        let low: u32 = self.window.read(register::DEVICE_FEATURES);
        self.window.write(register::DEVICE_FEATURES_SELECT, 1_u32);
        let high: u32 = self.window.read(register::DEVICE_FEATURES);
        u64::from(high) << 32 | u64::from(low)
    }

    fn set_driver_features(&self, features: u64) {
        self.window.write(register::DRIVER_FEATURES_SELECT, 0_u32);
        self.window.write(register::DRIVER_FEATURES, features as u32);
        self.window.write(register::DRIVER_FEATURES_SELECT, 1_u32);
        self.window.write(register::DRIVER_FEATURES, (features >> 32) as u32);
    }

    fn status(&self) -> u8 {
        self.window.read::<u32>(register::STATUS) as u8
    }

    fn set_status(&self, status: u8) {
        self.window.write(register::STATUS, u32::from(status));
    }

    fn queue_limit(&self, queue: u16) -> u16 {
        self.window.write(register::QUEUE_SELECT, u32::from(queue));
        let limit: u32 = self.window.read(register::QUEUE_LIMIT);
        limit.min(32768) as u16
    }

    fn enable_queue(&self, queue: u16, size: u16, addresses: Addresses) -> Result<Doorbell> {
        self.window.write(register::QUEUE_SELECT, u32::from(queue));
        if self.window.read::<u32>(register::QUEUE_READY) != 0 {
            return Err(Error::Broken("a queue is in use after a reset"));
        }
        self.window.write(register::QUEUE_SIZE, u32::from(size));
        self.write_address(register::QUEUE_DESCRIPTORS, addresses.descriptors);
        self.write_address(register::QUEUE_AVAILABLE, addresses.available);
        self.write_address(register::QUEUE_USED, addresses.used);
        self.window.write(register::QUEUE_READY, 1_u32);
        Ok(Doorbell::new(self.window, register::QUEUE_NOTIFY, queue, true))
    }

    fn acknowledge(&self) -> bool {
        let cause: u32 = self.window.read(register::INTERRUPT_STATUS);
        if cause != 0 {
            self.window.write(register::INTERRUPT_ACKNOWLEDGE, cause);
        }
        cause != 0
    }

    fn generation(&self) -> u32 {
        self.window.read(register::GENERATION)
    }

    fn configuration(&self, offset: usize) -> Option<u8> {
        let at = register::CONFIGURATION.checked_add(offset)?;
        (at < self.window.length()).then(|| self.window.read(at))
    }
}
