//! A web server that says hello, one client after the other.
use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

fn main() -> io::Result<()> {
    let greeting = env::var("GREETING").unwrap_or_else(|_| "Hello!".into());
    let listener = TcpListener::bind(("0.0.0.0", 80))?;
    println!("listening on port 80");
    for client in listener.incoming() {
        // A client that goes away is no reason to end.
        if let Err(error) = client.and_then(|client| greet(client, &greeting)) {
            eprintln!("{error}");
        }
    }
    Ok(())
}

/// Reads the head of a request, whatever it asks for, and answers it.
fn greet(mut client: TcpStream, greeting: &str) -> io::Result<()> {
    for line in BufReader::new(&client).lines() {
        if line?.is_empty() {
            break;
        }
    }
    let length = greeting.len() + 1;
    write!(client, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{greeting}\n")
}
