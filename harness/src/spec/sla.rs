//! The rows of `sla:` as written.

use std::collections::BTreeMap;
use std::fmt;

use indexmap::IndexMap;
use meshdrill_checks::criterion::{During, EndpointsClaim};
use meshdrill_checks::units::{Ratio, TimeSpan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::OrDefault;

/// One row: one criterion on one subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SlaRow {
    /// The criterion.
    #[serde(rename = "$kind")]
    pub kind: CriterionSpec,
    /// The probe it speaks of; may be left out where there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
    /// The fault it speaks of (`f1`, `f2`, … in file order); may be left out where there is only one. For detectionTime,
    /// the fault that is detected; the first to take effect without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// For availability: `drill` (default), or a window such as `30d` whose error budget the drill may spend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Over>,
    /// The part of the run to look at (latency, rtt, errorRate, packetLoss, endpoints, split).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub during: Option<During>,
    /// The share of the error budget this drill may spend; 100 % by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend: Option<Ratio>,
    /// The one-sided confidence of the bounds; the mesh file's, or 95 %, by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Ratio>,
}

/// What is claimed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CriterionSpec {
    /// The share of good samples, or the part of a longer window's error budget (`over: 30d`).
    Availability(OrDefault<Ratio>),
    /// From when the fault took hold to the end of the outage that it caused.
    RecoveryTime(OrDefault<TimeSpan>),
    /// The longest stretch of down time.
    MaxOutage(TimeSpan),
    /// The share of bad samples.
    ErrorRate(Ratio),
    /// The share of lost packets.
    PacketLoss(Ratio),
    /// Quantiles of the time to a good answer: `{ p99: 300ms }`. A failed request counts as one that takes for ever.
    Latency(Quantiles),
    /// Quantiles of the round-trip time.
    Rtt(Quantiles),
    /// From the removal of each target to its replacement being ready; of a fault that removes pods (`deletePods`, `evictPods`).
    RestartTime(OrDefault<TimeSpan>),
    /// Which endpoints of a proxy answered requests.
    Endpoints(EndpointsClaim),
    /// Declared weights, by what the traffic is divided: `{ version: { v1: 50, v2: 50 }, cluster: { home: 70, others: 30 } }`.
    Split(IndexMap<String, BTreeMap<String, f64>>),
    /// From when the fault took hold to an alert that reaches somebody.
    DetectionTime(TimeSpan),
    /// The share of acknowledged writes that cannot be read back; 0 or `0%` for none.
    DataLoss(LossTarget),
}

/// Quantiles and their limits: `{ p99: 500ms }`, or `default`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Quantiles {
    /// `p50`, `p90`, `p99`, `p99.9` and so on.
    Limits(BTreeMap<String, TimeSpan>),
    /// The word `default`.
    Default(super::choice::Word),
}

impl Quantiles {
    /// The quantiles with their limits; none for the word `default`.
    pub fn limits(&self) -> Option<Vec<(Ratio, TimeSpan)>> {
        match self {
            Self::Limits(limits) => {
                Some(limits.iter().filter_map(|(name, limit)| Some((quantile(name)?, *limit))).collect())
            }
            Self::Default(_) => None,
        }
    }
}

/// `p99.9` as a share.
fn quantile(name: &str) -> Option<Ratio> {
    let percent: f64 = name.strip_prefix('p')?.parse().ok()?;
    (percent > 0.0 && percent < 100.0).then(|| format!("{percent}%").parse().ok())?
}

impl<'de> Deserialize<'de> for Quantiles {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Quantiles;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("quantiles with their limits, as in `{ p99: 500ms }`, or `default`")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Quantiles, E> {
                if text == super::DEFAULT_WORD {
                    return Ok(Quantiles::Default(super::choice::Word::Default));
                }
                Err(E::custom(format!("`{text}` names no quantile; write `{{ p99: {text} }}`")))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut entries: A) -> Result<Quantiles, A::Error> {
                let mut limits = BTreeMap::new();
                while let Some(name) = entries.next_key::<String>()? {
                    if quantile(&name).is_none() {
                        return Err(serde::de::Error::custom(format!(
                            "`{name}` is not a quantile; write `p50`, `p90`, `p99` or `p99.9`"
                        )));
                    }
                    limits.insert(name, entries.next_value()?);
                }
                if limits.is_empty() {
                    return Err(serde::de::Error::custom("no quantile is given; write `{ p99: 500ms }`"));
                }
                Ok(Quantiles::Limits(limits))
            }
        }
        from.deserialize_any(Visitor)
    }
}

/// A share, or the number 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct LossTarget(pub Ratio);

impl<'de> Deserialize<'de> for LossTarget {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = LossTarget;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a percentage such as `0.1%`, or 0")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<LossTarget, E> {
                text.parse().map(LossTarget).map_err(E::custom)
            }
            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<LossTarget, E> {
                match number {
                    0 => Ok(LossTarget(Ratio::new(0.0))),
                    _ => Err(E::custom(format!("`{number}` has no unit; write `{number}%`"))),
                }
            }
            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<LossTarget, E> {
                self.visit_u64(u64::try_from(number).map_err(|_| E::custom("a share is not negative"))?)
            }
        }
        from.deserialize_any(Visitor)
    }
}

/// The window of an availability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Over {
    /// The run itself.
    Drill(DrillWord),
    /// A longer window.
    Window(TimeSpan),
}

/// The word `drill`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DrillWord {
    /// As written.
    Drill,
}

impl<'de> Deserialize<'de> for Over {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text == "drill" {
            return Ok(Self::Drill(DrillWord::Drill));
        }
        text.parse().map(Self::Window).map_err(|error| serde::de::Error::custom(format!("{error}, or `drill`")))
    }
}
