//! Quantities as people write them: `100ms`, `5m`, `99.95%`. A bare number is never a quantity.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not a quantity. The message carries its own remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// A number without a unit where a time must be.
    #[error("`{0}` has no unit; write `{0}s`, `{0}ms` or `{0}m`")]
    NoUnit(String),
    /// Not a time.
    #[error("`{0}` is not a duration; write a number and a unit (us, ms, s, m, h, d), as in `500ms`, `30s` or `1m30s`")]
    NotATime(String),
    /// Too long to be meant.
    #[error("`{0}` is longer than 1000 years")]
    TooLong(String),
    /// Not a share.
    #[error("`{0}` is not a percentage; write a number and a percent sign, as in `99.95%`")]
    NotAShare(String),
    /// A share outside 0 to 100 %.
    #[error("`{0}` is not between 0% and 100%")]
    OutOfRange(String),
}

/// A length of time, written with its unit: `250us`, `100ms`, `30s`, `5m`, `2h`, `30d` or a sum such as `1m30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TimeSpan(pub Duration);

/// Units from large to small, in microseconds.
const UNITS: [(&str, u64); 6] =
    [("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];
/// 1000 years, in microseconds: longer is a slip of the pen, and sums stay far from overflow.
const LONGEST: f64 = 31_536_000_000_000.0 * 1000.0;

impl TimeSpan {
    /// Whole seconds.
    pub const fn secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// Whole milliseconds.
    pub const fn millis(milliseconds: u64) -> Self {
        Self(Duration::from_millis(milliseconds))
    }

    /// Seconds as a float, for statistics and JSON.
    pub fn as_secs_f64(self) -> f64 {
        self.0.as_secs_f64()
    }
}

impl FromStr for TimeSpan {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let trimmed = text.trim();
        if trimmed.parse::<f64>().is_ok() {
            return Err(UnitError::NoUnit(trimmed.to_owned()));
        }
        let wrong = || UnitError::NotATime(text.to_owned());
        let mut rest = trimmed;
        let mut micros = 0.0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
            let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
            rest = &rest[digits..];
            let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let unit = &rest[..letters];
            let scale = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?.1;
            micros += number * scale as f64;
            rest = &rest[letters..];
        }
        if trimmed.is_empty() {
            return Err(wrong());
        }
        if micros > LONGEST {
            return Err(UnitError::TooLong(text.to_owned()));
        }
        Ok(Self(Duration::from_micros(micros.round() as u64)))
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut micros = u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX);
        if micros == 0 {
            return f.write_str("0s");
        }
        for (name, scale) in UNITS {
            let count = micros / scale;
            if count > 0 {
                write!(f, "{count}{name}")?;
                micros -= count * scale;
            }
        }
        Ok(())
    }
}

impl Serialize for TimeSpan {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeSpan {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        parsed(from, "Duration", |number| UnitError::NoUnit(number).to_string())
    }
}

/// A share between 0 and 1, written as a percentage: `99.95%`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Ratio(f64);

impl Ratio {
    /// A share of 0 to 1; anything outside is clamped, NaN becomes 0.
    pub fn new(share: f64) -> Self {
        Self(if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) })
    }

    /// The share as a number from 0 to 1.
    pub const fn get(self) -> f64 {
        self.0
    }

    /// What is left to 1, rounded so that 1 - 99.95 % is exactly 0.05 %.
    pub(crate) fn complement(self) -> f64 {
        ((1.0 - self.0) * 1e12).round() / 1e12
    }
}

impl FromStr for Ratio {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let number = text.trim().strip_suffix('%').ok_or_else(|| UnitError::NotAShare(text.to_owned()))?;
        let percent: f64 = number.trim().parse().map_err(|_| UnitError::NotAShare(text.to_owned()))?;
        if !(0.0..=100.0).contains(&percent) {
            return Err(UnitError::OutOfRange(text.to_owned()));
        }
        Ok(Self((percent * 1e10).round() / 1e12))
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", (self.0 * 1e12).round() / 1e10)
    }
}

impl Serialize for Ratio {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ratio {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        parsed(from, "Percentage", |number| UnitError::NotAShare(number).to_string())
    }
}

/// Reads a quantity from a string; a bare number gets the message of `bare`.
fn parsed<'de, D, T>(from: D, name: &'static str, bare: fn(String) -> String) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = UnitError>,
{
    struct Visitor<T>(fn(String) -> String, std::marker::PhantomData<T>);
    impl<'de, T: FromStr<Err = UnitError>> serde::de::Visitor<'de> for Visitor<T> {
        type Value = T;
        fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<T, D::Error> {
            from.deserialize_any(self)
        }
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a quantity with its unit")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
        fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<T, E> {
            Err(E::custom((self.0)(number.to_string())))
        }
        fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<T, E> {
            Err(E::custom((self.0)(number.to_string())))
        }
        fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<T, E> {
            Err(E::custom((self.0)(number.to_string())))
        }
    }
    from.deserialize_newtype_struct(name, Visitor(bare, std::marker::PhantomData))
}

macro_rules! text_schema {
    ($type:ty, $name:literal, $pattern:literal, $description:literal) => {
        impl schemars::JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern, "description": $description })
            }
        }
    };
}
text_schema!(
    TimeSpan,
    "Duration",
    r"^\s*([0-9.]+(us|ms|s|m|h|d))+\s*$",
    "A duration with its unit, such as 500ms, 30s or 1m30s"
);
text_schema!(Ratio, "Percentage", r"^\s*[0-9.]+\s*%$", "A percentage, such as 99.95%");

/// Seconds, rounded to what a reader can use: `4.10 s`, `38 ms`, `1296 s`.
pub fn seconds(value: f64) -> String {
    if value == 0.0 {
        "0 s".to_owned()
    } else if value.abs() < 0.001 {
        format!("{:.2} ms", value * 1e3)
    } else if value.abs() < 0.01 {
        format!("{:.1} ms", value * 1e3)
    } else if value.abs() < 1.0 {
        format!("{:.0} ms", value * 1e3)
    } else if value.abs() < 100.0 {
        format!("{value:.2} s")
    } else {
        format!("{value:.0} s")
    }
}

/// A share as a percentage with enough digits to tell it from its neighbours near 0 and near 100 %.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let distance = percent.min(100.0 - percent).abs();
    let digits = match distance {
        d if d == 0.0 || d >= 10.0 => 1,
        d if d >= 0.1 => 2,
        d if d >= 0.01 => 3,
        _ => 4,
    };
    let text = format!("{percent:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} %")
}

/// `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 problem`, `2 problems`.
pub fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{} {noun}s", grouped(count as u64)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_read_with_their_units() {
        for (text, micros) in [
            ("100ms", 100_000),
            ("5m", 300_000_000),
            ("1m30s", 90_000_000),
            ("1.5s", 1_500_000),
            ("250us", 250),
            ("30d", 2_592_000_000_000),
            (" 0s ", 0),
        ] {
            assert_eq!(text.parse::<TimeSpan>().unwrap().0, Duration::from_micros(micros), "{text}");
        }
        assert_eq!("30".parse::<TimeSpan>(), Err(UnitError::NoUnit("30".into())));
        for wrong in ["", "fast", "5 minutes", "5M", "s", "1..2s", "-5s", "10s!"] {
            assert!(wrong.parse::<TimeSpan>().is_err(), "{wrong}");
        }
        assert!(matches!("999999999d".parse::<TimeSpan>(), Err(UnitError::TooLong(_))));
    }

    #[test]
    fn shares_need_a_percent_sign_and_a_range() {
        assert!((("99.95%".parse::<Ratio>().unwrap()).get() - 0.9995).abs() < 1e-15);
        assert!(matches!("101%".parse::<Ratio>(), Err(UnitError::OutOfRange(_))));
        assert!(matches!("-1%".parse::<Ratio>(), Err(UnitError::OutOfRange(_))));
        assert!(matches!("0.9995".parse::<Ratio>(), Err(UnitError::NotAShare(_))));
        assert!("NaN%".parse::<Ratio>().is_err());
        assert!(("99.95%".parse::<Ratio>().unwrap().complement() - 0.0005).abs() < 1e-15);
    }

    #[test]
    fn figures_are_rounded_for_readers() {
        assert_eq!(seconds(4.1), "4.10 s");
        assert_eq!(seconds(0.038), "38 ms");
        assert_eq!(seconds(0.0042), "4.2 ms");
        assert_eq!(percent(0.9995), "99.95 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.0033), "0.33 %");
        assert_eq!(percent(0.0), "0 %");
    }

    #[test]
    fn things_are_counted() {
        assert_eq!([0, 999, 1_000, 12_345, 1_234_567].map(grouped), ["0", "999", "1,000", "12,345", "1,234,567"]);
        assert_eq!([0, 1, 2_000].map(|count| counted(count, "run")), ["0 runs", "1 run", "2,000 runs"]);
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(micros in 0_u64..10_000_000_000_000) {
            let span = TimeSpan(Duration::from_micros(micros));
            prop_assert_eq!(span.to_string().parse::<TimeSpan>().unwrap(), span);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,20}") {
            let _ = text.parse::<TimeSpan>();
            let _ = text.parse::<Ratio>();
        }
    }
}
