//! Accepts connections, serves them, and stops in an orderly way.
use crate::files::Site;
use crate::options::Options;
use crate::{log, respond::respond};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};

/// How long requests that are being answered may take once the server is told to stop.
const GRACE: Duration = Duration::from_secs(8);
/// How long to wait when a connection cannot be accepted, for descriptors or memory to come free.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves `site` until SIGTERM or SIGINT; then requests in flight are finished first.
///
/// # Errors
/// The address cannot be listened on, or signals cannot be received.
pub async fn serve(site: Site, options: &Options) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", options.listen);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
    println!("listening on {}", listener.local_addr().map_err(failed)?);

    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(options.idle);
    let connections = GracefulShutdown::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => start(&http, &connections, stream, peer.ip(), &site, options.log),
                Err(error) => {
                    eprintln!("httpd: accept: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    drop(listener);
    if tokio::time::timeout(GRACE, connections.shutdown()).await.is_err() {
        eprintln!("httpd: stopped with requests unanswered");
    }
    Ok(())
}

/// Serves one connection in a task of its own.
fn start(
    http: &http1::Builder,
    connections: &GracefulShutdown,
    stream: TcpStream,
    client: IpAddr,
    site: &Site,
    log: bool,
) {
    // Answers go out at once; if this fails they are only later.
    let _ = stream.set_nodelay(true);
    let site = site.clone();
    let service = service_fn(move |request| {
        let response = respond(&site, &request);
        if log {
            let status = response.status().as_u16();
            let size = response.body().size();
            log::request(client, request.method(), request.uri(), request.version(), status, size);
        }
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
    // An error means that the client has broken off or sent no HTTP; hyper has answered what can be answered.
    tokio::spawn(async { drop(connection.await) });
}
