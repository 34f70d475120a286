//! The key `mounts`: what is mounted before a program starts, and what is said of what cannot be.

use rumpkin_base::{StartError, configuration, prepare, run};
use rumpkin_spine::{Errno, Kernel, config::Config};
use rumpuser::{boot::BootData, device};
use rumpuser_hosted as _;
use std::sync::Arc;

/// Starts a program that there is not, with these mounts; how that ends, with its exit status, and `/proc/mounts` then.
fn start(mounts: &str) -> (StartError, u8, String) {
    let document = format!(r#"{{"programs":[{{"argv":["/absent"]}}],"mounts":{mounts}}}"#).leak().as_bytes();
    let document = configuration(&BootData { baked_configuration: Some(document), ..BootData::default() }).unwrap();
    let mut kernel = Kernel::new(Config::from(&document.settings), device::take());
    for register in [rumpkin_vfs::register, rumpkin_tmpfs::register, rumpkin_proc::register, rumpkin_process::register]
    {
        register(&mut kernel);
    }
    prepare(&mut kernel, &document);
    let kernel = Arc::new(kernel);
    kernel.start();
    let error = run(&kernel, &document).unwrap_err();
    let status = error.status();
    let process = kernel.with_processes(|processes| processes[0].clone());
    (error, status, String::from_utf8(rumpkin_vfs::read_all(&process, b"/proc/mounts", 1 << 16).unwrap()).unwrap())
}

#[test]
fn file_systems_are_mounted_in_their_order_on_folders_that_are_made() {
    let (error, status, mounts) = start(
        r#"[{"target":"/srv/cache","type":"tmpfs","options":["size=1m","mode=0700"]},
            {"target":"/srv/cache","type":"tmpfs","source":"over","options":["ro"]},
            {"target":"/tmp/deep/er","type":"proc","options":["nosuid","nodev"]}]"#,
    );
    assert_eq!((error, status), (StartError::Open(b"/absent".to_vec(), Errno::ENOENT), 127));
    let end = "tmpfs /srv/cache tmpfs rw,relatime,size=1024k,mode=700 0 0\n\
               over /srv/cache tmpfs ro,relatime 0 0\n\
               proc /tmp/deep/er proc rw,nosuid,nodev,relatime 0 0\n";
    assert!(mounts.ends_with(end), "{mounts}");
}

#[test]
fn what_cannot_be_mounted_stops_the_start_and_is_named() {
    for (mounts, message) in [
        (
            r#"[{"target":"/a","type":"ext4"}]"#,
            "mounts: /a: no component of this image has file systems of type `ext4`; there are tmpfs, proc",
        ),
        (
            r#"[{"target":"/a","type":"tmpfs","options":["sise=1m"]}]"#,
            "mounts: /a: `sise` is not a known option; there are size, mode, ro, rw, nosuid, suid, nodev, dev, relatime, defaults",
        ),
        (
            r#"[{"target":"/a","type":"tmpfs","options":["mode=rwx"]}]"#,
            "mounts: /a: `mode`: must be permissions in octal, as 1777",
        ),
        (r#"[{"target":"/proc/version","type":"tmpfs"}]"#, "mounts: /proc/version: ENOTDIR"),
    ] {
        let (error, status, _) = start(mounts);
        assert!(error.to_string().starts_with(message), "{error}");
        assert_eq!(status, 125);
    }
}
