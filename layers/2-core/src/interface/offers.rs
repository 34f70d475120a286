//! What a platform offers, in words. The reference page docs/platforms.md is made from this; no code depends on it.

/// A feature of a device that a driver uses.
#[derive(Debug, Clone, Copy)]
pub struct Feature {
    /// Its name in the specification.
    pub name: &'static str,
    /// What it is used for.
    pub what: &'static str,
}

macro_rules! offers {
    ($($name:ident $title:literal)*) => {
        /// What a platform offers: of each thing that one wants to know of a platform, a line in Markdown.
        #[derive(Debug)]
        #[allow(missing_docs)]
        pub struct Offers {
            $(#[doc = $title] pub $name: &'static str,)*
            /// What its network driver uses.
            pub network_features: &'static [Feature],
            /// What its disk driver uses.
            pub disk_features: &'static [Feature],
        }

        impl Offers {
            /// The lines with their titles.
            pub fn lines(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
                [$(($title, self.$name)),*].into_iter()
            }
        }
    };
}

offers! {
    machines "machines"
    found_by "found by"
    boot "boot"
    memory "memory"
    processors "processors"
    clock "clock"
    date "date"
    timer "timer"
    interrupts "interrupts"
    console "console"
    early_console "console before that, and in a panic"
    devices "devices"
    plugging "plugging while it runs"
    network "network"
    disk "disk"
    entropy "entropy"
    stop "stop request"
    ending "exit status, panic, reboot"
    off "off switch"
    missing "not supported"
}
