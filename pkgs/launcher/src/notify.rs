//! What the service manager is told (sd_notify(3)).
use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Sends `message`, such as `READY=1`, if a service manager has asked for it.
pub fn tell(message: &str) {
    let Some(name) = env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(name.as_bytes(), message) {
        eprintln!("rumpkin: the service manager cannot be told {message:?}: {error}");
    }
}

fn send(name: &[u8], message: &str) -> io::Result<()> {
    let address = match name {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path))?,
    };
    UnixDatagram::unbound()?.send_to_addr(message.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrives(address: &SocketAddr, name: &[u8]) {
        let socket = UnixDatagram::bind_addr(address).unwrap();
        send(name, "READY=1").unwrap();
        let mut message = [0; 100];
        let length = socket.recv(&mut message).unwrap();
        assert_eq!(&message[..length], b"READY=1");
    }

    #[test]
    fn sockets_have_paths_or_abstract_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        arrives(&SocketAddr::from_pathname(&path).unwrap(), path.as_os_str().as_bytes());
        let name = format!("rumpkin-test-{}", std::process::id());
        arrives(&SocketAddr::from_abstract_name(&name).unwrap(), format!("@{name}").as_bytes());
        assert!(send(b"/nonexistent/socket", "READY=1").is_err());
    }
}
