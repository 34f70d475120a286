//! How interrupt lines come to the processor.

use super::error::PlatformError;

/// What makes a line interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// A change to the active state.
    Edge,
    /// The active state itself.
    Level,
}

/// Which state of a line is the active one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Polarity {
    /// High.
    High,
    /// Low.
    Low,
}

/// Routes lines (ACPI's global system interrupts, or what the platform numbers) to vectors of the boot CPU.
///
/// The end of an interrupt is the local APIC's business, and core's.
pub trait InterruptController: Send + Sync {
    /// Delivers the line to this vector, masked at first.
    fn route(&self, line: u32, vector: u8, trigger: Trigger, polarity: Polarity) -> Result<(), PlatformError>;

    /// Stops delivery. Also called in interrupt context.
    fn mask(&self, line: u32);

    /// Starts delivery. Also called in interrupt context.
    fn unmask(&self, line: u32);
}
