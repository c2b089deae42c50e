//! One exec session: runs the command, carries its streams, reports its exit code.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use tokio::sync::{Mutex, mpsc};
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;

use super::channels::{CLOSE, ERROR, Output, STDIN, Socket, end, send};
use super::command;
use super::context::{Container, Context};
use crate::engine::Engine;

/// The least time a container runtime takes to start a program. kubectl drops output that arrives before its streams exist.
const START: Duration = Duration::from_millis(20);

/// Runs a session to its end.
pub(super) async fn run(
    engine: Engine,
    cluster: usize,
    container: Container,
    argv: Vec<String>,
    stdin: bool,
    mut socket: Socket,
) {
    let (to, mut written) = mpsc::channel(64);
    let (feed, stdin_end) = mpsc::channel(64);
    let mut feed = stdin.then_some(feed);
    let output = Output { to, quiet_out: false, quiet_err: false, joined: false };
    let cx = Context { engine, cluster, container, stdin: Mutex::new(stdin_end) };
    let mut running = Box::pin(async move {
        sleep(START).await;
        let exit = command::run(&cx, &argv, &output).await;
        drop(output);
        exit
    });
    let exit = loop {
        tokio::select! {
            biased;
            Some((channel, data)) = written.recv() => if !send(&mut socket, channel, &data).await { return },
            exit = &mut running => break exit,
            message = socket.next() => match message {
                Some(Ok(Message::Binary(data))) => match data.first() {
                    Some(&STDIN) if data.len() > 1 => if let Some(feed) = &feed {
                        let _ = feed.send(data.slice(1..)).await;
                    },
                    Some(&CLOSE) => feed = None,
                    _ => {}
                },
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    };
    while let Ok((channel, data)) = written.try_recv() {
        if !send(&mut socket, channel, &data).await {
            return;
        }
    }
    let _ = send(&mut socket, ERROR, exit.status().as_bytes()).await;
    let _ = socket.send(end()).await;
    // The client closes its side after it has read everything.
    while let Some(Ok(_)) = socket.next().await {}
}
