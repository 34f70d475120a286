//! The files that a C library looks for in `/etc`.
#![expect(
    clippy::disallowed_macros,
    reason = "at boot, of a document whose size has been held against the machine's memory"
)]

use crate::{Document, credentials};
use alloc::format;
use rumpkin_collections::try_to_vec;
use rumpkin_spine::Kernel;
use rumpkin_vfs::Registry;

/// Adds `/etc/hostname` and `/etc/hosts`, and stand-ins for the user database where the root file system has none.
/// `/etc/resolv.conf` is the network component's. The document's credentials come with them, and folders to mount on.
pub fn prepare(kernel: &mut Kernel, document: &Document) {
    let hostname = format!("{}\n", document.settings.hostname).into_bytes();
    let hosts = format!("127.0.0.1 localhost\n127.0.1.1 {}\n", document.settings.hostname).into_bytes();
    kernel.add_generated_file("/etc/hostname", move |_| try_to_vec(&hostname));
    kernel.add_generated_file("/etc/hosts", move |_| try_to_vec(&hosts));
    kernel.add_stand_in_file("/etc/passwd", |_| try_to_vec(b"root:x:0:0:root:/:/sbin/nologin\n"));
    kernel.add_stand_in_file("/etc/group", |_| try_to_vec(b"root:x:0:\n"));
    kernel.add_stand_in_file("/etc/nsswitch.conf", |_| try_to_vec(b"passwd: files\ngroup: files\nhosts: files dns\n"));
    credentials::prepare(kernel, &document.credentials);
    let registry = Registry::of(kernel);
    for mount in &document.mounts {
        registry.add_folder(&mount.target);
    }
}
