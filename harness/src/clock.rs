//! The clock of a run: monotonic time since its start, and the wall time of that start, read once.

use jiff::{SignedDuration, Timestamp};
use meshdrill_checks::record::At;
use tokio::time::Instant;

use crate::net::Net;

/// The clock of one run.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    wall: Timestamp,
    lab: bool,
}

impl Clock {
    /// Starts now, with the date that it is where probes go out to: the machine's or, however long it took to start the
    /// embedded mesh, that of its world.
    pub fn start(net: &Net) -> Self {
        let wall = match net {
            Net::Machine => Timestamp::now(),
            Net::Lab(lab) => lab.date().try_into().unwrap_or_else(|_| Timestamp::now()),
        };
        Self { start: Instant::now(), wall, lab: matches!(net, Net::Lab(_)) }
    }

    /// Whether time is virtual: that of an embedded mesh.
    pub const fn is_virtual(&self) -> bool {
        self.lab
    }

    /// The time since the start.
    pub fn now(&self) -> At {
        self.at(Instant::now())
    }

    /// An instant as a time since the start.
    pub fn at(&self, instant: Instant) -> At {
        At::after_start(instant.saturating_duration_since(self.start))
    }

    /// The wall time of the start: RFC 3339 in UTC with milliseconds.
    pub fn started(&self) -> String {
        format!("{:.3}", self.wall)
    }

    /// The wall time of the start.
    pub const fn wall(&self) -> Timestamp {
        self.wall
    }

    /// The wall time now, by the wall time of the start and the monotonic time since.
    pub fn wall_now(&self) -> Timestamp {
        self.wall + self.start.elapsed()
    }

    /// How far the machine's wall clock has moved against the monotonic one since the start.
    pub fn moved(&self) -> SignedDuration {
        let expected = self.start.elapsed();
        let seen = Timestamp::now().duration_since(self.wall);
        seen.checked_sub(SignedDuration::try_from(expected).unwrap_or_default()).unwrap_or_default()
    }
}
