//! The error budget: how long a service may be down in a window, and how fast that is being spent.

use std::time::Duration;

use serde::Serialize;

use super::StatsError;
use super::proportion::open_share;

/// What an availability target leaves for down time over a window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ErrorBudget {
    window: Duration,
    availability: f64,
}

impl ErrorBudget {
    /// `availability` is a share strictly between 0 and 1; a window of zero has nothing to spend and is refused.
    pub fn new(window: Duration, availability: f64) -> Result<Self, StatsError> {
        if window.is_zero() {
            return Err(StatsError::NoWindow);
        }
        Ok(Self { window, availability: open_share(availability)? })
    }

    /// Down time the window allows: 1296 s for 99.95 % over 30 days.
    pub fn total(self) -> Duration {
        self.window.mul_f64(1.0 - self.availability)
    }

    /// Share of the budget that `down` spends; 0.2315 for five minutes of the 1296 s, above 1 when overspent.
    pub(crate) fn share_spent(self, down: Duration) -> f64 {
        down.as_secs_f64() / (self.window.as_secs_f64() * (1.0 - self.availability))
    }

    /// What is left after `down`, zero when overspent.
    pub fn remaining(self, down: Duration) -> Duration {
        self.total().saturating_sub(down)
    }

    /// How many times faster than allowed the budget was spent while `down` of `observed` was down. `None` for no time.
    pub(crate) fn burn_rate(self, down: Duration, observed: Duration) -> Option<f64> {
        (!observed.is_zero()).then(|| down.as_secs_f64() / observed.as_secs_f64() / (1.0 - self.availability))
    }

    /// The error rate at which the budget burns `burn` times faster than allowed: 0.0072 for 14.4 at 99.95 %.
    pub(crate) fn error_rate_of(self, burn: f64) -> f64 {
        burn * (1.0 - self.availability)
    }

    /// How long a total outage lasts before a burn-rate alert of this factor over `alert_window` notices it.
    ///
    /// `None` when the factor is so high that even a total outage of the whole alert window does not reach it.
    pub(crate) fn total_outage_until_alert(self, burn: f64, alert_window: Duration) -> Option<Duration> {
        let rate = self.error_rate_of(burn);
        (0.0..=1.0).contains(&rate).then(|| alert_window.mul_f64(rate))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stats::vectors::{close, number, rows, whole};

    fn month() -> ErrorBudget {
        ErrorBudget::new(Duration::from_hours(30 * 24), 0.9995).unwrap()
    }

    #[test]
    fn budgets_match_the_vectors() {
        for row in rows("error_budget_99_95") {
            let budget = ErrorBudget::new(Duration::from_secs(whole(&row, "window_s")), 0.9995).unwrap();
            close(budget.total().as_secs_f64(), number(&row, "budget_s"), 1e-8);
        }
    }

    #[test]
    fn burn_rates_match_the_vectors() {
        for row in rows("burn_rate_99_95") {
            let (burn, window) = (number(&row, "burn"), Duration::from_secs(whole(&row, "window_s")));
            close(month().error_rate_of(burn), number(&row, "threshold_error_rate"), 1e-8);
            let detect = month().total_outage_until_alert(burn, window).unwrap();
            close(detect.as_secs_f64(), number(&row, "detect_s_total_outage"), 1e-8);
            close(month().burn_rate(detect, window).unwrap(), burn, 1e-8);
        }
    }

    #[test]
    fn five_minutes_of_the_month() {
        close(month().share_spent(Duration::from_mins(5)), 0.231_481_481_5, 1e-9);
        assert_eq!(month().remaining(Duration::from_secs(2000)), Duration::ZERO);
        assert_eq!(month().burn_rate(Duration::ZERO, Duration::ZERO), None);
        assert_eq!(month().total_outage_until_alert(3000.0, Duration::from_mins(1)), None);
        assert!(ErrorBudget::new(Duration::ZERO, 0.5).is_err());
        assert!(ErrorBudget::new(Duration::from_secs(1), 1.0).is_err());
    }

    proptest! {
        #[test]
        fn spending_more_leaves_less(window in 1u64..100_000_000, target in 0.5f64..0.99999, a in 0u64..10_000, b in 0u64..10_000) {
            let budget = ErrorBudget::new(Duration::from_secs(window), target).unwrap();
            let (less, more) = (Duration::from_secs(a.min(b)), Duration::from_secs(a.max(b)));
            prop_assert!(budget.share_spent(less) <= budget.share_spent(more));
            prop_assert!(budget.remaining(less) >= budget.remaining(more));
        }
    }
}
