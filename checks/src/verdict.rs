//! Verdicts, and how they combine. No data is never a pass.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The judgement of one criterion, one check or a whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The evidence supports the claim at the stated confidence.
    Pass,
    /// The evidence supports neither the claim nor its opposite.
    Inconclusive,
    /// The evidence contradicts the claim.
    Fail,
    /// A measurement error, or damage could not be undone.
    Error,
    /// It was not attempted; a reason stands beside it.
    NotRun,
}

impl Verdict {
    /// Rank in the merge: not-run weighs nothing, error weighs most.
    const fn rank(self) -> u8 {
        match self {
            Self::NotRun => 0,
            Self::Pass => 1,
            Self::Inconclusive => 2,
            Self::Fail => 3,
            Self::Error => 4,
        }
    }

    /// The heavier of two verdicts: `pass < inconclusive < fail`, with `error` above and `not-run` below them.
    #[must_use]
    pub const fn merge(self, other: Self) -> Self {
        if self.rank() >= other.rank() { self } else { other }
    }

    /// The merge of many; nothing at all is `not-run`, never a pass.
    pub fn all(verdicts: impl IntoIterator<Item = Self>) -> Self {
        verdicts.into_iter().fold(Self::NotRun, Self::merge)
    }

    /// The word used in files and on the screen.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Inconclusive => "inconclusive",
            Self::Fail => "fail",
            Self::Error => "error",
            Self::NotRun => "not-run",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any() -> impl Strategy<Value = Verdict> {
        prop::sample::select(vec![Verdict::Pass, Verdict::Inconclusive, Verdict::Fail, Verdict::Error, Verdict::NotRun])
    }

    proptest! {
        #[test]
        fn merging_is_associative_and_commutative(a in any(), b in any(), c in any()) {
            prop_assert_eq!(a.merge(b), b.merge(a));
            prop_assert_eq!(a.merge(b).merge(c), a.merge(b.merge(c)));
        }

        #[test]
        fn nothing_can_turn_a_bad_verdict_into_a_pass(a in any(), b in any()) {
            if !matches!(a, Verdict::Pass | Verdict::NotRun) {
                prop_assert_ne!(a.merge(b), Verdict::Pass);
            }
        }
    }

    #[test]
    fn nothing_is_not_a_pass() {
        assert_eq!(Verdict::all([]), Verdict::NotRun);
    }
}
