//! The program of a script: its calls, none of which waits.

use crate::tests::suite::node::Node;
use alloc::{format, string::String, vec};
use rumpkin_abi::linux::net;
use rumpkin_program::{Program, ProgramThread};
use rumpkin_spine::Errno;

pub struct Client {
    thread: ProgramThread,
    /// Goes after its thread.
    _program: Program,
    /// The socket that listens or connects.
    socket: usize,
    /// The connection.
    connection: Option<usize>,
}

impl Client {
    pub fn new(node: &Node) -> Client {
        let program = Program::new(&node.kernel, "script").unwrap();
        let thread = program.thread().unwrap();
        let socket = thread.tcp_socket().unwrap();
        thread.set_nonblocking(socket, true).unwrap();
        Client { thread, _program: program, socket, connection: None }
    }

    fn connection(&self) -> usize {
        self.connection.unwrap_or(self.socket)
    }

    fn accept(&mut self) -> Result<(), Errno> {
        let connection = self.thread.accept(self.socket)?;
        self.thread.set_nonblocking(connection, true)?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Makes a call; what it gives must be what the script says.
    pub fn call(&mut self, name: &str, words: &[&str]) -> Result<(), String> {
        let word = |index: usize| words.get(index).copied();
        let number = || word(0).and_then(|text| text.parse().ok()).unwrap_or(0usize);
        let (thread, connection) = (&self.thread, self.connection());
        let (result, wanted) = match name {
            "listen" => {
                let result = thread.bind(self.socket, ([0; 4], 80)).and_then(|()| thread.listen(self.socket, 8));
                (text(result.map(|()| "".into())), word(0))
            }
            "connect" => match thread.connect(self.socket, ([10, 0, 0, 2], 80)) {
                Err(Errno::EINPROGRESS) => (String::new(), word(0)),
                other => (text(other.map(|()| "".into())), word(0)),
            },
            "connected" => match thread.take_error(self.socket) {
                Ok(0) => (String::new(), word(0)),
                other => (text(other.map(|number| format!("{number}"))), word(0)),
            },
            "accept" => (text(self.accept().map(|()| "".into())), word(0)),
            "send" => {
                let result = thread.write(connection, &vec![0x61; number()]);
                (text(result.map(|count| format!("{count}"))), word(1).or(word(0)))
            }
            "recv" => {
                let result = thread.read(connection, 65536);
                (
                    text(result.map(|data| if data.is_empty() { "end".into() } else { format!("{}", data.len()) })),
                    word(0),
                )
            }
            "shutdown" => (text(thread.shutdown(connection, net::SHUT_WR).map(|()| "".into())), word(0)),
            "close" => (text(thread.close(connection).map(|()| "".into())), word(0)),
            "reset" => {
                let linger = [1, 0, 0, 0, 0, 0, 0, 0];
                thread.set_option(connection, net::SOL_SOCKET, net::SO_LINGER, &linger).unwrap();
                (text(thread.close(connection).map(|()| "".into())), word(0))
            }
            "option" => {
                let (level, name) = match words[0] {
                    "RCVBUF" => (net::SOL_SOCKET, net::SO_RCVBUF),
                    "KEEPALIVE" => (net::SOL_SOCKET, net::SO_KEEPALIVE),
                    "NODELAY" => (6, 1),
                    "KEEPIDLE" => (6, 4),
                    "KEEPINTVL" => (6, 5),
                    "KEEPCNT" => (6, 6),
                    other => return Err(format!("there is no option {other}")),
                };
                let value = words[1].parse().expect("a number");
                (text(thread.set_integer(connection, level, name, value).map(|()| "".into())), None)
            }
            other => return Err(format!("there is no step {other}")),
        };
        if result == wanted.unwrap_or("") { Ok(()) } else { Err(format!("the call gives {result:?}")) }
    }
}

fn text(result: Result<String, Errno>) -> String {
    // An error shows as its name and its number; the script has the name.
    result.unwrap_or_else(|error| format!("{error:?}").split('(').next().unwrap_or_default().into())
}
