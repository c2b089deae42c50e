//! `pods/portforward`: channels 2i and 2i+1 carry the data and the errors of the i-th port.

use std::net::Ipv4Addr;

use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::channels::{Socket, end, frame, send};
use crate::api::query::Query;
use crate::engine::Engine;
use crate::plane::programs::open;
use crate::plane::reach::{Caller, Reach, reach};
use crate::plane::stream::LabStream;
use crate::world::Uid;

/// Carries connections until the client or every port is done.
pub(super) async fn run(engine: Engine, cluster: usize, uid: Uid, query: &Query, mut socket: Socket) {
    let ports: Vec<u16> =
        query.all("ports").flat_map(|p| p.split(',')).filter_map(|p| p.parse().ok()).take(60).collect();
    let (to, mut from_pod) = mpsc::channel::<(u8, Vec<u8>)>(64);
    let mut writers: Vec<Option<WriteHalf<LabStream>>> = Vec::new();
    for (i, port) in ports.iter().enumerate() {
        let data = u8::try_from(2 * i).unwrap_or(0);
        for channel in [data, data + 1] {
            if !send(&mut socket, channel, &port.to_le_bytes()).await {
                return;
            }
        }
        let place =
            engine.with(|world| match reach(world, &Caller::Pod(cluster, uid.clone()), Ipv4Addr::LOCALHOST, *port) {
                Reach::To(place) => Ok(place),
                Reach::Refused | Reach::Dropped | Reach::Unreachable => {
                    Err(world.clusters[cluster].pods.get(&uid).map(|p| p.name.clone()).unwrap_or_default())
                }
            });
        match place {
            Ok(place) => {
                let (read, write) = tokio::io::split(open(&engine, place));
                tokio::spawn(pump(read, data, to.clone()));
                writers.push(Some(write));
            }
            Err(pod) => {
                let why = format!(
                    "error forwarding port {port} to pod {pod}, uid : failed to execute portforward in network namespace: failed to connect to localhost:{port} \
                     inside namespace, IPv4: dial tcp4 127.0.0.1:{port}: connect: connection refused"
                );
                if !send(&mut socket, data + 1, why.as_bytes()).await {
                    return;
                }
                writers.push(None);
            }
        }
    }
    drop(to);
    loop {
        tokio::select! {
            piece = from_pod.recv() => match piece {
                Some((channel, data)) => if socket.send(frame(channel, &data)).await.is_err() { return },
                None => break,
            },
            message = socket.next() => match message {
                Some(Ok(Message::Binary(data))) if !data.is_empty() => {
                    if let Some(Some(writer)) = writers.get_mut(usize::from(data[0] / 2))
                        && writer.write_all(&data[1..]).await.is_err()
                    {
                        break;
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
    let _ = socket.send(end()).await;
    while let Some(Ok(_)) = socket.next().await {}
}

async fn pump(mut read: ReadHalf<LabStream>, channel: u8, to: mpsc::Sender<(u8, Vec<u8>)>) {
    let mut buffer = vec![0; 32 * 1024];
    while let Ok(n) = read.read(&mut buffer).await {
        if n == 0 || to.send((channel, buffer[..n].to_vec())).await.is_err() {
            return;
        }
    }
}
