//! A program that sends a file to whoever connects, through the kernel's own calls.

use rumpkin_abi::{Errno, linux::general};
use rumpkin_program::{Program, ProgramThread};
use rumpkin_spine::Kernel;
use rumpuser::thread;
use std::sync::Arc;

/// Bytes that are read from the file at once.
const PIECE: usize = 65536;

/// Listens on a port and sends the file at `path` to each connection, each on a thread of its own. Returns only with an
/// error: `EADDRINUSE`, `ENOENT` when there is no such file, `ENOMEM`.
pub fn run(kernel: &Arc<Kernel>, port: u16, path: &str) -> Result<(), Errno> {
    let program = Arc::new(Program::new(kernel, "serve")?);
    let main = program.thread()?;
    // A file that is not there is better found out now.
    main.close(main.open(path.as_bytes(), general::O_RDONLY)?)?;
    let listener = main.tcp_socket()?;
    main.bind(listener, ([0; 4], port))?;
    main.listen(listener, 128)?;
    log::info!("serve: {path} on port {port}");
    loop {
        let connection = match main.accept(listener) {
            Ok(connection) => connection,
            // The peer has gone again, or there is no room at the moment.
            Err(Errno::ECONNABORTED | Errno::ENFILE | Errno::EMFILE | Errno::ENOBUFS) => continue,
            Err(error) => return Err(error),
        };
        let (shared, path) = (program.clone(), path.to_string());
        let worker = thread::spawn("connection", move || match shared.thread() {
            Ok(thread) => {
                if let Err(error) = send(&thread, connection, &path) {
                    log::warn!("serve: a connection ended early: {error:?}");
                }
            }
            Err(error) => log::error!("serve: no thread for a connection: {error:?}"),
        });
        if worker.is_err() {
            log::error!("serve: no memory for a connection's thread");
            main.close(connection)?;
        }
    }
}

/// Sends the whole file, then closes the connection.
fn send(thread: &ProgramThread, connection: usize, path: &str) -> Result<(), Errno> {
    let file = thread.open(path.as_bytes(), general::O_RDONLY)?;
    let result = loop {
        let piece = thread.read(file, PIECE)?;
        if piece.is_empty() {
            break Ok(());
        }
        if let Err(error) = thread.write_all(connection, &piece) {
            break Err(error);
        }
    };
    thread.close(file)?;
    thread.close(connection)?;
    result
}
