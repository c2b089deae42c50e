//! The window of a change: the only time in which a drill may break anything.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

/// From when until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeWindow {
    start: Timestamp,
    end: Timestamp,
}

/// Why a text is no window.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not a window; write START/END with date, time and offset, as 2026-11-24T22:00:00Z/2026-11-25T02:00:00Z"
)]
pub struct WindowError(String);

impl FromStr for ChangeWindow {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        let wrong = || WindowError(text.to_owned());
        let (start, end) = text.split_once('/').ok_or_else(wrong)?;
        let moment = |text: &str| text.trim().parse().map_err(|_| wrong());
        let window = Self { start: moment(start)?, end: moment(end)? };
        if window.start < window.end { Ok(window) } else { Err(wrong()) }
    }
}

impl fmt::Display for ChangeWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}/{:.0}", self.start, self.end)
    }
}

impl ChangeWindow {
    /// Why a drill that takes this long may not begin now; none if it may.
    pub fn forbids(&self, now: Timestamp, takes: Duration) -> Option<String> {
        if now < self.start {
            return Some(format!("the change window opens at {:.0}, and it is {now:.0}", self.start));
        }
        if self.end <= now {
            return Some(format!("the change window closed at {:.0}, and it is {now:.0}", self.end));
        }
        let takes = jiff::SignedDuration::try_from(takes).unwrap_or(jiff::SignedDuration::MAX);
        let left = self.end.duration_since(now);
        (left < takes).then(|| {
            let length = |length: jiff::SignedDuration| {
                let secs = length.as_secs().max(0);
                if secs < 60 { format!("{secs} s") } else { format!("{} min {} s", secs / 60, secs % 60) }
            };
            format!(
                "the change window closes at {:.0}, in {}; the drill takes at least {}",
                self.end,
                length(left),
                length(takes)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drill_must_fit_into_its_window() {
        let window: ChangeWindow = "2026-11-24T22:00:00Z/2026-11-25T01:00:00+01:00".parse().unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let forbids = |now: &str, secs| window.forbids(at(now), Duration::from_secs(secs));
        assert_eq!(forbids("2026-11-24T22:00:00Z", 7200), None);
        assert!(forbids("2026-11-24T21:59:59Z", 1).unwrap().contains("opens at 2026-11-24T22:00:00Z"));
        assert!(forbids("2026-11-24T23:59:00Z", 61).unwrap().contains("closes at 2026-11-25T00:00:00Z, in 1 min 0 s"));
        assert!(forbids("2026-11-25T12:00:00Z", 1).unwrap().contains("closed at 2026-11-25T00:00:00Z"));
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for text in ["", "now/later", "2026-11-24T22:00:00Z", "2026-11-25T00:00:00Z/2026-11-24T00:00:00Z"] {
            assert!(text.parse::<ChangeWindow>().is_err(), "{text}");
        }
    }
}
