//! How old what is shown really is.
//!
//! A query answers with the time of its evaluation, so the age of the data has to be asked for: federated series are
//! shown for five minutes after their source died.

use std::time::Duration;

use jiff::Timestamp;

use super::{RuleGroup, Target, Vector};

/// The ages in an answer to `time() - timestamp(SELECTOR)`, oldest last. `None` without data or with an age that is not a number.
pub fn ages(answer: &Vector) -> Option<Vec<Duration>> {
    let mut numbers = answer.numbers();
    if numbers.is_empty() || numbers.iter().any(|n| !n.is_finite()) {
        return None;
    }
    numbers.sort_by(f64::total_cmp);
    // Clocks that differ by a moment make ages below zero.
    numbers.into_iter().map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok()).collect()
}

/// Time from then to now, zero when then lies ahead. Both must be of the same clock: take now from the HTTP date.
pub fn age(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or(Duration::ZERO)
}

impl RuleGroup {
    /// How long ago the rule of the group that waits longest was evaluated; `None` if one never was, or there is none.
    pub fn age(&self, now: Timestamp) -> Option<Duration> {
        let evaluated: Option<Vec<Timestamp>> = self.rules.iter().map(|rule| rule.last_evaluation).collect();
        evaluated?.into_iter().min().map(|then| age(then, now))
    }
}

impl Target {
    /// How long ago it was scraped; `None` if never.
    pub fn age(&self, now: Timestamp) -> Option<Duration> {
        self.last_scrape.map(|then| age(then, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::prometheus::{parse_query, parse_rules, parse_targets};

    fn now() -> Timestamp {
        "2026-11-22T11:57:33.031322849Z".parse().unwrap()
    }

    #[test]
    fn ages_of_the_captures() {
        let body = include_bytes!("../../../tests/captures/prometheus/api_v1_rules.json");
        let group = &parse_rules(200, body).unwrap().data[0];
        assert_eq!(group.age(now()), Some(Duration::from_secs(15)));
        let body = include_bytes!("../../../tests/captures/prometheus/api_v1_targets.json");
        let target = &parse_targets(200, body).unwrap().data.active[0];
        assert_eq!(target.age(now()).unwrap().as_secs(), 8);
        assert_eq!(age(now(), now() - Duration::from_secs(9)), Duration::ZERO);
    }

    #[test]
    fn ages_of_a_query() {
        let answer = |values: &[&str]| {
            let samples: Vec<_> = values.iter().map(|v| format!(r#"{{"metric":{{}},"value":[1,"{v}"]}}"#)).collect();
            let body =
                format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#, samples.join(","));
            ages(&parse_query(200, body.as_bytes()).unwrap().data)
        };
        assert_eq!(answer(&["294.5", "-0.2"]), Some(vec![Duration::ZERO, Duration::from_millis(294_500)]));
        assert_eq!(answer(&[]), None);
        assert_eq!(answer(&["NaN"]), None);
    }
}
