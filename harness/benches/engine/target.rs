//! What the benchmarks ask: an HTTP server on loopback and on a thread of its own, which answers at once or never.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// A running server; it lives as long as the process.
pub struct Target {
    pub url: String,
}

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok\n";

impl Target {
    pub fn start(answers: bool) -> io::Result<Self> {
        let (said, address) = std::sync::mpsc::channel();
        let name = std::thread::Builder::new().name("target".to_owned());
        name.spawn(move || -> io::Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let socket = TcpSocket::new_v4()?;
                socket.bind((std::net::Ipv4Addr::LOCALHOST, 0).into())?;
                let listener = socket.listen(4096)?;
                let _ = said.send(listener.local_addr()?);
                loop {
                    let (stream, _) = listener.accept().await?;
                    tokio::spawn(serve(stream, answers));
                }
            })
        })?;
        let address = address.recv().map_err(io::Error::other)?;
        Ok(Self { url: format!("http://{address}/") })
    }
}

/// Answers one request after the other until the asker is gone.
async fn serve(mut stream: TcpStream, answers: bool) -> io::Result<()> {
    let mut request = [0; 1024];
    stream.set_nodelay(true)?;
    while stream.read(&mut request).await? > 0 {
        if answers {
            stream.write_all(ANSWER).await?;
        }
    }
    Ok(())
}
