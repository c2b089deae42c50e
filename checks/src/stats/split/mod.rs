//! Responder counts against the declared weights of a traffic split.
//!
//! Three-valued: twenty answers cannot tell 70/30 from 80/20, so twenty answers never make a split "consistent".
//! Answers are taken as independent; a proxy's weighted choice is tighter than that, which errs on the safe side.

mod p_value;

use serde::{Deserialize, Serialize};

use self::p_value::p_value;
use super::proportion::Proportion;
use super::{Confidence, Interval, StatsError};

/// Difference from a declared share that the sample must be able to show: 10 points.
pub const RESOLUTION: f64 = 0.10;

/// One part of a declared split and what was seen of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Version, cluster or whatever the split divides by.
    pub name: String,
    /// Declared weight; any unit, only the proportions count. 0 for a responder that nobody declared.
    pub weight: f64,
    /// Answers it gave.
    pub observed: u64,
}

/// What the counts say about the declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// Enough answers, and no contradiction among them.
    Consistent,
    /// The counts contradict the declaration at the stated confidence.
    Inconsistent,
    /// No contradiction, but too few answers to have shown one.
    TooFew,
}

/// How the p-value was obtained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Pearson's chi-square with `parts - 1` degrees of freedom.
    ChiSquare,
    /// Exact multinomial (binomial for two parts): the probability of everything at most as likely as the counts.
    Exact,
    /// Exact binomial per share with Bonferroni's correction, where the outcomes are too many to enumerate.
    PerShare,
    /// An answer came from a part with weight 0, which no sample size explains, or only one part is declared.
    Certain,
}

/// One part of the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The part.
    pub name: String,
    /// Declared share of 1.
    pub declared: f64,
    /// Answers seen.
    pub observed: u64,
    /// Observed share of 1; `None` without answers.
    pub share: Option<f64>,
    /// Wilson interval of the observed share, for display.
    pub interval: Interval,
}

/// The comparison of a split with its declaration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// What the counts say.
    pub finding: Finding,
    /// Probability of counts at least this far off if the declaration held. `None` without answers.
    pub p_value: Option<f64>,
    /// How it was obtained.
    pub method: Method,
    /// Answers in total.
    pub answers: u64,
    /// Answers needed before "consistent" can be said.
    pub needed: u64,
    /// Every part, in the order given.
    pub shares: Vec<Share>,
}

/// Compares observed counts with declared weights at the given confidence.
///
/// An answer from a part of weight 0 is a contradiction by itself. Fails when no weight is above zero or one is not a
/// finite number.
pub fn compare(parts: &[Part], confidence: Confidence) -> Result<Split, StatsError> {
    if let Some(bad) = parts.iter().find(|p| !p.weight.is_finite() || p.weight < 0.0) {
        return Err(StatsError::Weights(format!("{} has the weight {}", bad.name, bad.weight)));
    }
    let total: f64 = parts.iter().map(|p| p.weight).sum();
    if total <= 0.0 || !total.is_finite() {
        return Err(StatsError::Weights("no part has a weight above zero".to_owned()));
    }
    let answers: u64 = parts.iter().map(|p| p.observed).sum();
    let shares = parts.iter().map(|p| share(p, total, answers, confidence)).collect::<Result<Vec<_>, _>>()?;
    let declared: Vec<&Share> = shares.iter().filter(|s| s.declared > 0.0).collect();
    let needed = declared.iter().map(|s| samples_to_confirm(s.declared, confidence)).max().unwrap_or(1).max(1);

    let stray = shares.iter().any(|s| s.declared <= 0.0 && s.observed > 0);
    let (p_value, method) = if answers == 0 {
        (None, Method::Exact)
    } else if stray {
        (Some(0.0), Method::Certain)
    } else {
        let counts: Vec<u64> = declared.iter().map(|s| s.observed).collect();
        let probabilities: Vec<f64> = declared.iter().map(|s| s.declared).collect();
        let (p, method) = p_value(&counts, &probabilities, answers);
        (Some(p), method)
    };
    let finding = match p_value {
        Some(p) if p < confidence.alpha() => Finding::Inconsistent,
        Some(_) if answers >= needed => Finding::Consistent,
        Some(_) | None => Finding::TooFew,
    };
    Ok(Split { finding, p_value, method, answers, needed, shares })
}

fn share(part: &Part, total: f64, answers: u64, confidence: Confidence) -> Result<Share, StatsError> {
    let proportion = Proportion::new(part.observed, answers)?;
    Ok(Share {
        name: part.name.clone(),
        declared: part.weight / total,
        observed: part.observed,
        share: proportion.share(),
        interval: proportion.wilson(confidence),
    })
}

/// How surely a split that is off by [`RESOLUTION`] is to be noticed, whatever confidence a contradiction needs.
const POWER: Confidence = Confidence::P95;

/// Answers needed to tell a share from another: held for another by mistake with probability `1 - confidence`, and
/// noticed with 95 %.
///
/// Normal approximation, one-sided: 200 for 20 % against 30 % at 95 %. `None` when the two do not differ.
pub(crate) fn samples_to_tell(share: f64, other: f64, confidence: Confidence) -> Option<u64> {
    let difference = (share - other).abs();
    if difference.is_nan() || difference <= 0.0 || !(0.0..=1.0).contains(&share) || !(0.0..=1.0).contains(&other) {
        return None;
    }
    let spread = |share: f64| (share * (1.0 - share)).sqrt();
    let reach = confidence.z_one_sided() * spread(share) + POWER.z_one_sided() * spread(other);
    let n = (reach / difference).powi(2);
    Some((n - 1e-9).ceil().max(1.0) as u64)
}

/// Answers needed to tell the share from one [`RESOLUTION`] away, in the direction that is harder to see.
///
/// Counted for a one-sided test of this share alone, 244 for 70/30. [`compare`] tests all shares at once and in both
/// directions, which is a little blunter: at this many answers it still misses such a difference up to once in eleven.
pub(crate) fn samples_to_confirm(share: f64, confidence: Confidence) -> u64 {
    if share >= 1.0 {
        // Any answer from elsewhere contradicts; see how many it takes to meet one if a tenth goes elsewhere.
        return super::proportion::samples_for_zero_failures(1.0 - RESOLUTION, confidence).unwrap_or(1);
    }
    [share - RESOLUTION, share + RESOLUTION]
        .into_iter()
        .filter_map(|other| samples_to_tell(share, other.clamp(0.0, 1.0), confidence))
        .max()
        .unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::vectors::close;

    fn split(parts: &[(f64, u64)]) -> Split {
        let parts: Vec<Part> = parts
            .iter()
            .enumerate()
            .map(|(i, &(weight, observed))| Part { name: format!("v{i}"), weight, observed })
            .collect();
        compare(&parts, Confidence::P95).unwrap()
    }

    #[test]
    fn two_hundred_tell_twenty_from_thirty_percent() {
        assert_eq!(samples_to_tell(0.2, 0.3, Confidence::P95), Some(200));
        assert_eq!(samples_to_tell(0.2, 0.2, Confidence::P95), None);
        assert!(samples_to_confirm(0.5, Confidence::P95) <= 300, "the catalogue asks for 300 answers");
        assert_eq!(samples_to_confirm(1.0, Confidence::P95), 29);
    }

    #[test]
    fn the_guides_own_sample_decides_nothing() {
        // 11 to 9 under a declared 70/30: P(9 or more remote) is 11 %.
        let seen = split(&[(70.0, 11), (30.0, 9)]);
        assert_eq!((seen.finding, seen.method), (Finding::TooFew, Method::ChiSquare));
        // None of the third version among ten under 50/30/20, expected counts below five.
        let seen = split(&[(50.0, 5), (30.0, 5), (20.0, 0)]);
        assert_eq!((seen.finding, seen.method), (Finding::TooFew, Method::Exact));
        close(seen.p_value.unwrap(), 0.189_425_125, 1e-9);
    }

    #[test]
    fn a_contradiction_needs_no_minimum() {
        let seen = split(&[(70.0, 20), (30.0, 0)]);
        assert_eq!(seen.finding, Finding::Inconsistent);
        // 20 of 20 under 70 %: chi-square is 20*0.3/0.7 = 8.571, p = 0.003414.
        close(seen.p_value.unwrap(), 0.003_414_2, 1e-6);
        assert_eq!(split(&[(70.0, 160), (30.0, 140)]).finding, Finding::Inconsistent);
        assert_eq!(split(&[(70.0, 215), (30.0, 85)]).finding, Finding::Consistent);
        assert_eq!(split(&[(50.0, 151), (30.0, 95), (20.0, 54)]).finding, Finding::Consistent);
    }

    #[test]
    fn undeclared_responders_contradict() {
        let seen = split(&[(100.0, 999), (0.0, 1)]);
        assert_eq!((seen.finding, seen.method), (Finding::Inconsistent, Method::Certain));
        assert_eq!(split(&[(100.0, 28), (0.0, 0)]).finding, Finding::TooFew);
        assert_eq!(split(&[(100.0, 29), (0.0, 0)]).finding, Finding::Consistent);
    }

    #[test]
    fn no_answers_and_no_weights() {
        let none = split(&[(1.0, 0), (1.0, 0)]);
        assert_eq!((none.finding, none.p_value), (Finding::TooFew, None));
        for weights in [&[][..], &[0.0, 0.0], &[-1.0, 2.0], &[f64::NAN, 1.0], &[f64::INFINITY]] {
            let parts: Vec<Part> =
                weights.iter().map(|w| Part { name: "v".to_owned(), weight: *w, observed: 1 }).collect();
            assert!(compare(&parts, Confidence::P95).is_err(), "{weights:?}");
        }
    }

    #[test]
    fn many_parts_are_tested_one_by_one() {
        let many = split(&[(1.0, 10), (10.0, 95), (10.0, 95), (10.0, 95), (69.0, 4)]);
        assert_eq!((many.finding, many.method), (Finding::Inconsistent, Method::PerShare));
    }

    proptest! {
        #[test]
        fn counts_as_declared_are_never_a_contradiction(weights in prop::collection::vec(1u64..50, 2..5), times in 0u64..40) {
            let parts: Vec<(f64, u64)> = weights.iter().map(|&w| (w as f64, w * times)).collect();
            prop_assert_ne!(split(&parts).finding, Finding::Inconsistent);
        }

        #[test]
        fn p_values_are_probabilities(parts in prop::collection::vec((0.1f64..100.0, 0u64..60), 2..4)) {
            if let Some(p) = split(&parts).p_value {
                prop_assert!((0.0..=1.0).contains(&p), "{p}");
            }
        }
    }
}
