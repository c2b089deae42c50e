//! The lab's clock: tokio time for durations, and one reading of the wall clock for dates.
//!
//! Nothing else in the lab reads the wall clock, so a paused tokio clock controls the complete mesh.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::fmt::{rfc2822, temporal};
use tokio::time::Instant;

/// Milliseconds since the lab started; negative before the start.
pub(crate) type Ms = i64;

/// The start instant and its date.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    epoch_ms: i64,
}

impl Clock {
    /// A clock that starts now, at the date `epoch`; at the machine's date if none is given.
    pub(crate) fn start(epoch: Option<SystemTime>) -> Self {
        let epoch = epoch.unwrap_or_else(SystemTime::now);
        let since = epoch.duration_since(UNIX_EPOCH).unwrap_or(Duration::from_secs(1_700_000_000));
        Self { start: Instant::now(), epoch_ms: i64::try_from(since.as_millis()).unwrap_or(0) }
    }

    pub(crate) fn now(&self) -> Ms {
        i64::try_from(self.start.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// The tokio instant of a lab time; times before the start are the start.
    pub(crate) fn instant(&self, at: Ms) -> Instant {
        self.start + Duration::from_millis(u64::try_from(at).unwrap_or(0))
    }

    pub(crate) fn dates(&self) -> Dates {
        Dates { epoch_ms: self.epoch_ms }
    }
}

/// Converts lab times to dates. It has no clock, so the world can hold it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dates {
    pub(crate) epoch_ms: i64,
}

impl Dates {
    /// Unix milliseconds of a lab time.
    pub(crate) fn unix_ms(self, at: Ms) -> i64 {
        self.epoch_ms + at
    }

    fn timestamp(self, at: Ms) -> Timestamp {
        Timestamp::from_millisecond(self.unix_ms(at)).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    fn dated(self, at: Ms, digits: u8) -> String {
        temporal::DateTimePrinter::new().precision(Some(digits)).timestamp_to_string(&self.timestamp(at))
    }

    /// `2026-11-23T02:13:42Z`, the format of `creationTimestamp`.
    pub(crate) fn seconds(self, at: Ms) -> String {
        self.dated(at, 0)
    }

    /// `2026-11-23T02:13:42.170Z`, as Prometheus and Alertmanager write it.
    pub(crate) fn millis(self, at: Ms) -> String {
        self.dated(at, 3)
    }

    /// `2026-11-23T02:13:42.170000Z`, Kubernetes' `MicroTime`.
    pub(crate) fn micros(self, at: Ms) -> String {
        self.dated(at, 6)
    }

    /// `Mon, 23 Nov 2026 02:13:42 GMT`, the `Date` header.
    pub(crate) fn http(self, at: Ms) -> String {
        // Fails for years before 0 or after 9999 only.
        rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&self.timestamp(at)).unwrap_or_default()
    }

    /// Year, month and day.
    pub(crate) fn ymd(self, at: Ms) -> (i32, u8, u8) {
        let date = self.timestamp(at).to_zoned(jiff::tz::TimeZone::UTC).date();
        (i32::from(date.year()), u8::try_from(date.month()).unwrap_or(1), u8::try_from(date.day()).unwrap_or(1))
    }

    /// The lab time of a date that [`Dates::seconds`], [`Dates::millis`] or a client wrote.
    pub(crate) fn parse(self, text: &str) -> Option<Ms> {
        text.parse::<Timestamp>().ok().map(|at| at.as_millisecond() - self.epoch_ms)
    }
}

/// A span as kubectl prints an age: `45s`, `3m20s`, `57m`, `5h1m`, `4d`.
pub(crate) fn age(ms: i64) -> String {
    let s = ms.max(0) / 1000;
    match s {
        0..120 => format!("{s}s"),
        120..600 if s % 60 != 0 => format!("{}m{}s", s / 60, s % 60),
        120..10_800 => format!("{}m", s / 60),
        10_800..28_800 if (s / 60) % 60 != 0 => format!("{}h{}m", s / 3600, (s / 60) % 60),
        10_800..172_800 => format!("{}h", s / 3600),
        _ => format!("{}d", s / 86_400),
    }
}

/// Milliseconds as seconds.
pub(crate) fn seconds(ms: Ms) -> f64 {
    ms as f64 / 1000.0
}

/// The milliseconds of a duration in Go's notation: `90s`, `1.5s`, `100ms`, `5m`, `1h`.
pub(crate) fn duration(text: &str) -> Option<Ms> {
    let split = text.find(|x: char| x.is_ascii_alphabetic())?;
    let number: f64 = text[..split].parse().ok()?;
    let unit = match &text[split..] {
        "ms" => 1.0,
        "s" => 1000.0,
        "m" => 60_000.0,
        "h" => 3_600_000.0,
        _ => return None,
    };
    Some((number * unit).round() as Ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_round_trip() {
        let dates = Dates { epoch_ms: 1_795_399_000_123 };
        assert_eq!(dates.parse(&dates.millis(-5)), Some(-5));
        assert_eq!(dates.seconds(0), "2026-11-23T01:56:40Z");
        assert_eq!(dates.parse(&dates.micros(1000)), Some(1000));
        assert_eq!(dates.http(0), "Mon, 23 Nov 2026 01:56:40 GMT");
        assert_eq!(dates.millis(-3), "2026-11-23T01:56:40.120Z");
    }

    #[test]
    fn durations_parse() {
        assert_eq!((duration("2s"), duration("1.5s"), duration("x")), (Some(2000), Some(1500), None));
    }

    #[test]
    fn ages_read_as_kubectl_prints_them() {
        assert_eq!((age(45_000), age(200_000), age(3_420_000)), ("45s".into(), "3m20s".into(), "57m".into()));
        assert_eq!((age(5 * 3_600_000 + 60_000), age(4 * 86_400_000)), ("5h1m".into(), "4d".into()));
    }
}
