//! A source of entropy outside the processor.

/// A hardware or hypervisor source of random bytes, such as virtio-rng.
pub trait Entropy: Send + Sync {
    /// Fills a prefix of the buffer and returns its length; 0 if the source gives nothing now. May block for the device.
    fn fill(&self, buffer: &mut [u8]) -> usize;
}
