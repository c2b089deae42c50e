//! Latencies, drawn from the lab's seed.
//!
//! A request through the ingress within a cluster takes about 8 ms at the median and 26 ms at the 99th percentile. A hop to
//! another cluster adds one round trip between the clusters, half before and half after the remote work.

use crate::clock::Ms;
use crate::rng::Rng;

/// What a hop adds before the callee has the request, milliseconds.
pub(crate) fn gateway(rng: &mut Rng) -> f64 {
    0.6 + rng.exponential(0.3)
}

/// The work of a service, with a slow request from time to time, milliseconds.
pub(crate) fn work(rng: &mut Rng) -> f64 {
    let tail = if rng.chance(0.03) { rng.exponential(6.0) } else { 0.0 };
    1.2 + rng.exponential(0.6) + tail
}

/// A connect from the runner's machine, milliseconds.
pub(crate) const RUNNER_CONNECT: Ms = 1;

/// The intervals at which an unanswered SYN is sent again, milliseconds.
pub(crate) const RETRANSMIT: [u64; 6] = [1000, 2000, 4000, 8000, 16_000, 32_000];

/// Milliseconds as a duration for tokio.
pub(crate) fn wait(ms: f64) -> std::time::Duration {
    std::time::Duration::from_micros((ms.max(0.0) * 1000.0) as u64)
}
