//! What a platform implements for core, one trait per file; how they go together, [`crate::for_platform`] says. The devices that a
//! kernel sees (link, disk, console) are words of layer 0.

mod clock;
mod entropy;
mod error;
mod interrupt;
mod offers;
mod platform;
mod power;
mod timer;

pub use clock::{Clock, TscScale};
pub use entropy::Entropy;
pub use error::PlatformError;
pub use interrupt::{InterruptController, Polarity, Trigger};
pub use offers::{Feature, Offers};
pub use platform::{Devices, Machine, Platform};
pub use power::{Ending, Power};
pub use rumpkin_vocabulary::{Checksum, Console, Disk, DiskError, DiskInfo, Link, LinkInfo, Notify};
pub use timer::Timer;
