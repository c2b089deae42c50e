//! Time intervals of a configuration, in which routes are muted or active.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A named list of time ranges; it holds where one of them does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TimeInterval {
    /// The ranges.
    pub ranges: Vec<TimeRange>,
}

/// Conditions on a moment; an empty list is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TimeRange {
    /// Minutes of the day, the end excluded.
    minutes: Vec<(i32, i32)>,
    /// Days of the week from Sunday (0), both ends included.
    weekdays: Vec<(i32, i32)>,
    /// Days of the month, both ends included; negative ones count from its end.
    days: Vec<(i32, i32)>,
    /// Both ends included.
    months: Vec<(i32, i32)>,
    /// Both ends included.
    years: Vec<(i32, i32)>,
    /// The name of the time zone; UTC where not written.
    zone: Option<String>,
}

/// A time zone that is not known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownZone(pub String);

#[derive(Deserialize)]
pub(super) struct RawInterval {
    pub name: String,
    #[serde(default)]
    pub time_intervals: Vec<RawRange>,
}

#[derive(Deserialize)]
pub(super) struct RawRange {
    #[serde(default)]
    times: Vec<RawTimes>,
    #[serde(default)]
    weekdays: Vec<Value>,
    #[serde(default)]
    days_of_month: Vec<Value>,
    #[serde(default)]
    months: Vec<Value>,
    #[serde(default)]
    years: Vec<Value>,
    location: Option<String>,
}

#[derive(Deserialize)]
struct RawTimes {
    start_time: Value,
    end_time: Value,
}

const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

impl TimeInterval {
    /// The interval, or what is not understood of it.
    pub(super) fn new(raw: Vec<RawRange>) -> Result<Self, String> {
        Ok(Self { ranges: raw.into_iter().map(TimeRange::new).collect::<Result<_, _>>()? })
    }

    /// Whether it holds at a moment, in the zones that `zone` knows by name.
    pub fn holds(&self, at: jiff::Timestamp, zone: &dyn Fn(&str) -> Option<TimeZone>) -> Result<bool, UnknownZone> {
        for range in &self.ranges {
            let local = match range.zone.as_deref() {
                None | Some("" | "UTC") => TimeZone::UTC.to_datetime(at),
                Some(name) => zone(name).ok_or_else(|| UnknownZone(name.to_owned()))?.to_datetime(at),
            };
            if range.holds(local) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl TimeRange {
    fn new(raw: RawRange) -> Result<Self, String> {
        let times = raw.times.iter().map(|times| {
            let (begin, end) = (minute(&times.start_time), minute(&times.end_time));
            begin.zip(end).ok_or_else(|| format!("times {} to {}", text(&times.start_time), text(&times.end_time)))
        });
        Ok(Self {
            minutes: times.collect::<Result<_, _>>()?,
            weekdays: ranges(&raw.weekdays, |word| named(word, &WEEKDAYS))?,
            days: ranges(&raw.days_of_month, |word| word.parse().ok())?,
            months: ranges(&raw.months, |word| named(word, &MONTHS).map(|at| at + 1).or_else(|| word.parse().ok()))?,
            years: ranges(&raw.years, |word| word.parse().ok())?,
            zone: raw.location,
        })
    }

    fn holds(&self, at: DateTime) -> bool {
        let minute = i32::from(at.hour()) * 60 + i32::from(at.minute());
        let last = i32::from(at.days_in_month());
        let day = |day: i32| if day < 0 { last + 1 + day } else { day };
        let within = |list: &[(i32, i32)], value: i32| {
            list.is_empty() || list.iter().any(|(begin, end)| (*begin..=*end).contains(&value))
        };
        (self.minutes.is_empty() || self.minutes.iter().any(|(begin, end)| (*begin..*end).contains(&minute)))
            && within(&self.weekdays, i32::from(at.weekday().to_sunday_zero_offset()))
            && (self.days.is_empty()
                || self.days.iter().any(|(begin, end)| (day(*begin)..=day(*end)).contains(&i32::from(at.day()))))
            && within(&self.months, i32::from(at.month()))
            && within(&self.years, i32::from(at.year()))
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn named(word: &str, names: &[&str]) -> Option<i32> {
    names.iter().position(|name| *name == word).and_then(|at| i32::try_from(at).ok())
}

/// `BEGIN:END`, or one value for both.
fn ranges(values: &[Value], read: impl Fn(&str) -> Option<i32>) -> Result<Vec<(i32, i32)>, String> {
    let range = |value: &Value| {
        let written = text(value).trim().to_lowercase();
        let (begin, end) = written.split_once(':').unwrap_or((&written, &written));
        read(begin.trim()).zip(read(end.trim())).filter(|(begin, end)| begin <= end || *end < 0).ok_or(written.clone())
    };
    values.iter().map(range).collect()
}

/// `HH:MM` as the minute of the day; 24:00 is its end. Some YAML readers take it as a number of minutes.
fn minute(value: &Value) -> Option<i32> {
    if let Some(minutes) = value.as_i64() {
        return i32::try_from(minutes).ok();
    }
    let (hour, minute) = value.as_str()?.split_once(':')?;
    let at = hour.trim().parse::<i32>().ok()? * 60 + minute.trim().parse::<i32>().ok()?;
    (0..=1440).contains(&at).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(yaml: &str) -> TimeInterval {
        TimeInterval::new(serde_saphyr::from_str(yaml).unwrap()).unwrap()
    }

    fn holds(interval: &TimeInterval, at: &str) -> bool {
        interval.holds(at.parse().unwrap(), &|_| None).unwrap()
    }

    #[test]
    fn business_hours() {
        let hours = interval("[{ weekdays: ['monday:friday'], times: [{ start_time: '09:00', end_time: '17:00' }] }]");
        // 2026-11-23 is a Monday.
        for (at, expected) in [
            ("2026-11-23T09:00:00Z", true),
            ("2026-11-23T16:59:59Z", true),
            ("2026-11-23T17:00:00Z", false),
            ("2026-11-27T12:00:00Z", true),
            ("2026-11-28T12:00:00Z", false),
        ] {
            assert_eq!(holds(&hours, at), expected, "{at}");
        }
    }

    #[test]
    fn days_months_and_years() {
        let last_days = interval("[{ days_of_month: ['-3:-1'] }]");
        assert!(holds(&last_days, "2026-02-26T00:00:00Z") && !holds(&last_days, "2026-02-25T00:00:00Z"));
        let first = interval("[{ days_of_month: ['1'], months: ['november:december', '2'], years: ['2026:2027'] }]");
        assert!(holds(&first, "2026-11-01T10:00:00Z") && holds(&first, "2027-02-01T10:00:00Z"));
        assert!(!holds(&first, "2026-03-01T10:00:00Z") && !holds(&first, "2028-11-01T10:00:00Z"));
        assert!(holds(&interval("[{}]"), "2026-11-01T10:00:00Z"));
        assert!(!holds(&interval("[]"), "2026-11-01T10:00:00Z"));
    }

    #[test]
    fn time_zones() {
        let night = interval("[{ times: [{ start_time: '22:00', end_time: '24:00' }], location: Far/East }]");
        let at: jiff::Timestamp = "2026-11-23T14:30:00Z".parse().unwrap();
        assert_eq!(night.holds(at, &|_| None), Err(UnknownZone("Far/East".to_owned())));
        let east = |_: &str| Some(TimeZone::fixed(jiff::tz::offset(8)));
        assert_eq!(night.holds(at, &east), Ok(true));
        assert_eq!(night.ranges[0].zone.as_deref(), Some("Far/East"));
    }

    #[test]
    fn what_is_not_understood() {
        for yaml in [
            "[{ weekdays: [someday] }]",
            "[{ weekdays: ['saturday:sunday'] }]",
            "[{ times: [{ start_time: '25:00', end_time: '26:00' }] }]",
        ] {
            assert!(TimeInterval::new(serde_saphyr::from_str(yaml).unwrap()).is_err(), "{yaml}");
        }
    }
}
