//! A server of the daytime protocol (RFC 867): one line with the time for each client.
use std::io::{self, Write};
use std::net::TcpListener;
use std::time::SystemTime;

fn main() -> io::Result<()> {
    let listener = TcpListener::bind(("0.0.0.0", 13))?;
    println!("listening on port 13");
    for client in listener.incoming() {
        let now = httpdate::fmt_http_date(SystemTime::now());
        // A client that goes away is no reason to end.
        if let Err(error) = client.and_then(|mut client| write!(client, "{now}\r\n")) {
            eprintln!("{error}");
        }
    }
    Ok(())
}
