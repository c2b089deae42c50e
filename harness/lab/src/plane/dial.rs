//! Connects from the runner's machine.

use std::io;
use std::time::Duration;

use tokio::time::sleep;

use super::listen::Kind;
use super::reach::{Caller, Reach, reach};
use super::stream::LabStream;
use super::{connection, latency, programs, resolve};
use crate::api;
use crate::engine::Engine;

/// Connects from the runner's machine.
pub(crate) async fn dial(engine: &Engine, host: &str, port: u16) -> io::Result<LabStream> {
    let Some(ip) = engine.with(|world| resolve::runner(world, host)) else {
        let text = format!("failed to lookup address information: {host}: Name or service not known");
        return Err(io::Error::new(io::ErrorKind::NotFound, text));
    };
    let mut waits = latency::RETRANSMIT.iter();
    loop {
        match engine.with(|world| reach(world, &Caller::Runner, ip, port)) {
            Reach::To(place) => {
                let stream = if place.kind == Kind::Api {
                    connection::open(engine, place, |engine, place, request| {
                        api::handle(engine, place.cluster, request)
                    })
                } else {
                    sleep(Duration::from_millis(latency::RUNNER_CONNECT.unsigned_abs())).await;
                    programs::open(engine, place)
                };
                return Ok(stream.with_cut(engine.runner_cut()));
            }
            Reach::Refused => return Err(io::ErrorKind::ConnectionRefused.into()),
            Reach::Unreachable => return Err(io::ErrorKind::HostUnreachable.into()),
            Reach::Dropped => match waits.next() {
                Some(ms) => sleep(Duration::from_millis(*ms)).await,
                None => std::future::pending().await,
            },
        }
    }
}
