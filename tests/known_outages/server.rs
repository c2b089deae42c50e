//! A small HTTP server on loopback that breaks down at a known instant, in a known way, for a known time.

use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

/// How long something that must happen is waited for.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// How it breaks down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breakdown {
    /// It answers 503.
    Unavailable,
    /// Nothing listens.
    Refusing,
    /// It takes connections and answers when the outage is over.
    StallingThenAnswering,
    /// It takes connections and closes them when the outage is over.
    StallingThenDropping,
}

/// When it breaks down, counted from its first request, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Outage {
    pub breakdown: Breakdown,
    pub after: Duration,
    pub length: Duration,
}

/// When an outage really began and ended, by the wall clock.
#[derive(Debug, Clone, Copy)]
pub struct Truth {
    pub start: SystemTime,
    pub end: SystemTime,
}

/// A server, on a thread of its own; it ends when this is dropped.
pub struct Server {
    pub url: String,
    first_request: Receiver<()>,
    truth: Receiver<Truth>,
    _alive: oneshot::Sender<()>,
}

impl Server {
    /// Starts one; without an outage it is always well.
    pub fn start(outage: Option<Outage>) -> io::Result<Self> {
        let listener = listen()?;
        let url = format!("http://{}/", listener.local_addr()?);
        let (said_first, first_request) = channel();
        let (said_truth, truth) = channel();
        let (alive, ended) = oneshot::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                tokio::select! {
                    failed = serve(listener, outage, said_first, said_truth) => failed,
                    _ = ended => Ok(()),
                }
            })
        });
        Ok(Self { url, first_request, truth, _alive: alive })
    }

    /// Waits for the first request; false if none comes.
    pub fn wait_for_request(&self) -> bool {
        self.first_request.recv_timeout(PATIENCE).is_ok()
    }

    /// The outage as it was, once it is over.
    pub fn truth(&self) -> Option<Truth> {
        self.truth.recv_timeout(PATIENCE).ok()
    }
}

/// Listens on a port below those that outgoing connections take: one that is given up for a while is still free then.
fn listen() -> io::Result<std::net::TcpListener> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 12_000 + (std::process::id() % 180) as u16 * 100;
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..100 {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed) % 100;
        match std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Serves for ever, with one outage on the way.
async fn serve(
    listener: std::net::TcpListener,
    outage: Option<Outage>,
    said_first: Sender<()>,
    said_truth: Sender<Truth>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let (broken, state) = watch::channel(None);
    let (request, mut requests) = mpsc::channel(1);
    let accept = |listener| tokio::spawn(accept_all(listener, state.clone(), request.clone()));
    let mut acceptor = accept(TcpListener::from_std(listener)?);
    requests.recv().await;
    let _ = said_first.send(());
    if let Some(outage) = outage {
        sleep(outage.after).await;
        if outage.breakdown == Breakdown::Refusing {
            acceptor.abort();
            let _ = (&mut acceptor).await;
        }
        broken.send_replace(Some(outage.breakdown));
        let start = SystemTime::now();
        sleep(outage.length).await;
        if outage.breakdown == Breakdown::Refusing {
            acceptor = accept(TcpListener::bind(address).await?);
        }
        broken.send_replace(None);
        let _ = said_truth.send(Truth { start, end: SystemTime::now() });
    }
    acceptor.await.map_err(io::Error::other)?
}

async fn accept_all(
    listener: TcpListener,
    state: watch::Receiver<Option<Breakdown>>,
    request: mpsc::Sender<()>,
) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(answer(stream, state.clone(), request.clone()));
    }
}

async fn answer(mut stream: TcpStream, mut state: watch::Receiver<Option<Breakdown>>, request: mpsc::Sender<()>) {
    if read_head(&mut stream).await.is_err() {
        return;
    }
    let _ = request.try_send(());
    let broken = *state.borrow();
    let status = match broken {
        None | Some(Breakdown::Refusing) => "200 OK",
        Some(Breakdown::Unavailable) => "503 Service Unavailable",
        Some(stalling) => {
            let over = state.wait_for(Option::is_none).await.is_ok();
            if !over || stalling == Breakdown::StallingThenDropping {
                return;
            }
            "200 OK"
        }
    };
    let _ = reply(&mut stream, status).await;
}

/// Reads a request up to its empty line.
pub async fn read_head(stream: &mut TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

/// Answers, and says that the connection ends.
pub async fn reply(stream: &mut TcpStream, status: &str) -> io::Result<()> {
    let text = format!("HTTP/1.1 {status}\r\ncontent-length: 3\r\nconnection: close\r\n\r\nok\n");
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}
