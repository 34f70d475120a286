//! How a device says that there is something new.

use alloc::sync::Arc;

/// Called by a device, in interrupt context or within one of the device's own methods, when there is something new. It must
/// not block, allocate, free, or call back into the device: it wakes a thread, and no more.
pub type Notify = Arc<dyn Fn() + Send + Sync>;
