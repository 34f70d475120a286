//! Both ends of the bulk transfers. A connection's first eight bytes, big endian, say how much to send; with zero,
//! everything up to the end of the stream is read, and its length sent back in the same form.
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::time::Instant;

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

/// Has the far end at `address` send `size` bytes, and prints MB/s.
///
/// # Errors
/// It cannot be reached, or stops before.
pub fn receive(address: &str, size: u64) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    let mut stream = TcpStream::connect(address)?;
    let start = Instant::now();
    stream.write_all(&size.to_be_bytes())?;
    let mut total = 0;
    while total < size {
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => total += count as u64,
        }
    }
    print_rate(size, start);
    Ok(())
}

/// Sends `size` bytes to the far end at `address`, has it confirm them, and prints MB/s.
///
/// # Errors
/// It cannot be reached, or has not got them all.
pub fn send(address: &str, size: u64) -> io::Result<()> {
    let piece = vec![0; PIECE];
    let mut stream = TcpStream::connect(address)?;
    let start = Instant::now();
    stream.write_all(&[0; 8])?;
    let mut rest = size;
    while rest > 0 {
        let count = usize::try_from(rest).unwrap_or(PIECE).min(PIECE);
        stream.write_all(&piece[..count])?;
        rest -= count as u64;
    }
    stream.shutdown(Shutdown::Write)?;
    let mut confirmed = [0; 8];
    stream.read_exact(&mut confirmed)?;
    if u64::from_be_bytes(confirmed) != size {
        return Err(io::Error::other("the other end has not got it all"));
    }
    print_rate(size, start);
    Ok(())
}

fn print_rate(size: u64, start: Instant) {
    println!("{:.1}", size as f64 / start.elapsed().as_secs_f64() / 1e6);
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
