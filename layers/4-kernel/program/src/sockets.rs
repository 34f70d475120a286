//! Calls on IPv4 sockets: socket(2), bind(2), listen(2), accept(2), connect(2), shutdown(2), setsockopt(2), getsockopt(2).

use crate::ProgramThread;
use rumpkin_abi::{
    Errno,
    linux::{general, net},
};

/// An IPv4 address and a port.
pub type Endpoint = ([u8; 4], u16);

/// `struct sockaddr_in` (ip(7)).
fn address((address, port): Endpoint) -> [u8; 16] {
    let [high, low] = port.to_be_bytes();
    let [family, _] = (net::AF_INET as u16).to_le_bytes();
    let [a, b, c, d] = address;
    [family, 0, high, low, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0]
}

impl ProgramThread {
    /// A TCP socket.
    pub fn tcp_socket(&self) -> Result<usize, Errno> {
        self.call(general::__NR_socket, &[net::AF_INET as usize, net::SOCK_STREAM as usize, 0])
    }

    /// Binds a socket to a local endpoint.
    pub fn bind(&self, socket: usize, endpoint: Endpoint) -> Result<(), Errno> {
        let bytes = address(endpoint);
        self.call(general::__NR_bind, &[socket, self.argument(&bytes)?, bytes.len()]).map(|_| ())
    }

    /// Starts to accept connections.
    pub fn listen(&self, socket: usize, backlog: usize) -> Result<(), Errno> {
        self.call(general::__NR_listen, &[socket, backlog]).map(|_| ())
    }

    /// Takes a connection.
    pub fn accept(&self, socket: usize) -> Result<usize, Errno> {
        self.call(general::__NR_accept, &[socket])
    }

    /// Connects a socket.
    pub fn connect(&self, socket: usize, endpoint: Endpoint) -> Result<(), Errno> {
        let bytes = address(endpoint);
        self.call(general::__NR_connect, &[socket, self.argument(&bytes)?, bytes.len()]).map(|_| ())
    }

    /// Ends directions of a connection (`SHUT_*`).
    pub fn shutdown(&self, socket: usize, how: u32) -> Result<(), Errno> {
        self.call(general::__NR_shutdown, &[socket, how as usize]).map(|_| ())
    }

    /// Sets an option of a socket.
    pub fn set_option(&self, socket: usize, level: u32, name: u32, value: &[u8]) -> Result<(), Errno> {
        let at = self.argument(value)?;
        self.call(general::__NR_setsockopt, &[socket, level as usize, name as usize, at, value.len()]).map(|_| ())
    }

    /// Sets an option that is an int.
    pub fn set_integer(&self, socket: usize, level: u32, name: u32, value: i32) -> Result<(), Errno> {
        self.set_option(socket, level, name, &value.to_le_bytes())
    }

    /// How long receiving and accepting (SO_RCVTIMEO) or sending and connecting (SO_SNDTIMEO) wait, in microseconds; `EAGAIN` is
    /// what they say then, `EINPROGRESS` for connecting.
    pub fn set_timeout(&self, socket: usize, name: u32, microseconds: u64) -> Result<(), Errno> {
        let (seconds, rest) = (microseconds / 1_000_000, microseconds % 1_000_000);
        let value = (u128::from(seconds) | u128::from(rest) << 64).to_le_bytes();
        self.set_option(socket, net::SOL_SOCKET, name, &value)
    }

    /// What has gone wrong with a socket (SO_ERROR): the number of the error, 0 for nothing.
    pub fn take_error(&self, socket: usize) -> Result<i32, Errno> {
        let bytes = [0, 0, 0, 0, 4, 0, 0, 0];
        let at = self.argument(&bytes)?;
        let length = at.saturating_add(4);
        self.call(general::__NR_getsockopt, &[socket, net::SOL_SOCKET as usize, net::SO_ERROR as usize, at, length])?;
        let value = self.fetch(at, 4)?;
        Ok(value.first_chunk().copied().map_or(0, i32::from_le_bytes))
    }
}
