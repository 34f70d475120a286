//! The configuration: a baked document up to the first byte 0xff, which no JSON text has, and behind that one given at launch, as
//! the boot module has it. What is accepted must be what the kernel then shows.

use crate::machine::{Boot, devices};
use rumpkin_base::Document;
use rumpkin_mm::Mm;
use rumpkin_spine::{
    Kernel,
    config::{Address, Config},
    process::{Process, Program},
};
use rumpuser::boot::BootData;
use std::sync::Arc;

pub fn run(data: &[u8]) {
    let mut parts = data.splitn(2, |&byte| byte == 0xff);
    let (baked, launch) = (parts.next(), parts.next());
    let baked = baked.filter(|text| launch.is_none() || !text.is_empty());
    Boot { baked, launch, ..Boot::default() }.simulate(0, check);
}

fn check(boot: &'static BootData) {
    let document = match rumpkin_base::configuration(boot) {
        Ok(document) => document,
        Err(error) => {
            let message = error.to_string();
            assert!(message.starts_with("configuration: ") || message.starts_with("the "), "{message}");
            return;
        }
    };
    assert!(!document.program.argv.is_empty() && document.program.cwd.starts_with('/'));
    let Document { settings, program, .. } = &document;
    for strings in [&program.argv, &program.env] {
        assert_eq!(strings.iter().count(), strings.count(), "a program cannot be given a zero byte");
    }
    assert!(program.env.iter().all(|variable| variable.iter().skip(1).any(|&byte| byte == b'=')));
    if let Address::Static { prefix, .. } = settings.network.address {
        assert!((1..=32).contains(&prefix));
    }
    let mut kernel = Kernel::new(Config::from(settings), devices(Arc::new(rumpuser_hosted::Terminal::default())));
    rumpkin_vfs::register(&mut kernel);
    rumpkin_tmpfs::register(&mut kernel);
    rumpkin_net::register(&mut kernel);
    rumpkin_base::prepare(&mut kernel, &document);
    let kernel = Arc::new(kernel);
    kernel.start();
    look(&kernel, &document);
}

/// Looks at the files that come of it.
fn look(kernel: &Arc<Kernel>, document: &Document) {
    let process = Process::new(kernel, Mm::new().unwrap(), Program::default()).unwrap();
    let read = |path: &str| rumpkin_vfs::read_all(&process, path.as_bytes(), 1 << 20);
    let Document { settings, credentials, .. } = document;
    assert_eq!(read("/etc/hostname").unwrap(), format!("{}\n", settings.hostname).as_bytes());
    assert!(String::from_utf8(read("/etc/hosts").unwrap()).unwrap().contains(&settings.hostname));
    let servers = settings.network.nameservers.iter();
    let servers: String = servers.map(|server| format!("nameserver {}\n", std::net::Ipv4Addr::from(*server))).collect();
    assert_eq!(read("/etc/resolv.conf").unwrap(), servers.as_bytes());
    for credential in credentials {
        let path = format!("/run/credentials/{}", credential.name);
        assert_eq!(read(&path).as_ref(), Ok(&credential.content), "{path}");
    }
    kernel.remove_process(process.id);
}
