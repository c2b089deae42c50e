//! How long things take, drawn from the lab's seed.
//!
//! Within a cluster an answer through the ingress takes about 8 ms in the median and 26 ms at the 99th percentile. A hop to
//! another cluster adds one round trip between the clusters, half before and half after the remote work.

use crate::clock::Ms;
use crate::rng::Rng;

/// What a hop adds before the callee has the request.
pub(crate) fn gateway(rng: &mut Rng) -> f64 {
    0.6 + rng.exponential(0.3)
}

/// A service's own work, with a slow request now and then.
pub(crate) fn work(rng: &mut Rng) -> f64 {
    let tail = if rng.chance(0.03) { rng.exponential(6.0) } else { 0.0 };
    1.2 + rng.exponential(0.6) + tail
}

/// Connecting from the runner's machine.
pub(crate) const RUNNER_CONNECT: Ms = 1;

/// When a SYN without an answer is sent again, after the first: milliseconds from one to the next.
pub(crate) const RETRANSMIT: [u64; 6] = [1000, 2000, 4000, 8000, 16_000, 32_000];

/// Milliseconds as a duration for tokio.
pub(crate) fn wait(ms: f64) -> std::time::Duration {
    std::time::Duration::from_micros((ms.max(0.0) * 1000.0) as u64)
}
