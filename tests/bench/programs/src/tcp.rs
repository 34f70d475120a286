//! The guest's end of the bulk transfers. A connection's first eight bytes, big endian, say how much to send; with zero,
//! everything up to the end of the stream is read, and its length sent back in the same form.
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

const PIECE: usize = 128 << 10;

/// Serves one connection after the other.
///
/// # Errors
/// The port cannot be listened on.
pub fn serve(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?;
    println!("listening on {port}");
    let mut piece = vec![0; PIECE];
    for stream in listener.incoming() {
        if let Err(error) = stream.and_then(|stream| transfer(stream, &mut piece)) {
            eprintln!("probe: {error}");
        }
    }
    Ok(())
}

fn transfer(mut stream: TcpStream, piece: &mut [u8]) -> io::Result<()> {
    let mut size = [0; 8];
    stream.read_exact(&mut size)?;
    let mut rest = u64::from_be_bytes(size);
    if rest > 0 {
        while rest > 0 {
            let count = usize::try_from(rest).unwrap_or(PIECE).min(PIECE);
            stream.write_all(&piece[..count])?;
            rest -= count as u64;
        }
        return Ok(());
    }
    let mut total = 0_u64;
    loop {
        match stream.read(piece)? {
            0 => break,
            count => total += count as u64,
        }
    }
    stream.write_all(&total.to_be_bytes())
}
