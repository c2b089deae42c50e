//! The exit codes of the program, and which wins where several runs end together.

use serde::{Deserialize, Serialize};

/// How the program ends. A number in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum ExitCode {
    /// Every criterion passed, and recovery was verified.
    Pass,
    /// A bug of the program.
    Internal,
    /// Wrong usage or an invalid file: nothing was contacted.
    Usage,
    /// Preflight or the steady state was not met: nothing was injected.
    Refused,
    /// A criterion failed.
    Fail,
    /// The evidence does not suffice.
    Inconclusive,
    /// Recovery is not verified: damage may remain.
    NotRecovered,
    /// A measurement error.
    Invalid,
    /// Interrupted after injection; everything was undone and verified.
    Interrupted,
}

/// A number that no run ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not an exit code of meshdrill")]
pub struct UnknownExitCode(u8);

impl ExitCode {
    /// All codes of runs, in the order in which they win. Wrong usage comes before any run.
    pub const PRECEDENCE: [Self; 9] = [
        Self::NotRecovered,
        Self::Internal,
        Self::Interrupted,
        Self::Fail,
        Self::Invalid,
        Self::Refused,
        Self::Usage,
        Self::Inconclusive,
        Self::Pass,
    ];

    /// The number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Internal => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Fail => 10,
            Self::Inconclusive => 11,
            Self::NotRecovered => 12,
            Self::Invalid => 13,
            Self::Interrupted => 130,
        }
    }

    /// The exit code of several runs: the first present of 12, 1, 130, 10, 13, 3, 11, 0. No run at all is inconclusive.
    pub fn merge(codes: impl IntoIterator<Item = Self>) -> Self {
        let codes: Vec<Self> = codes.into_iter().collect();
        Self::PRECEDENCE.into_iter().find(|code| codes.contains(code)).unwrap_or(Self::Inconclusive)
    }
}

impl From<ExitCode> for u8 {
    fn from(code: ExitCode) -> Self {
        code.number()
    }
}

impl TryFrom<u8> for ExitCode {
    type Error = UnknownExitCode;

    fn try_from(number: u8) -> Result<Self, UnknownExitCode> {
        Self::PRECEDENCE.into_iter().find(|code| code.number() == number).ok_or(UnknownExitCode(number))
    }
}

impl std::fmt::Display for ExitCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(codes: &[u8]) -> u8 {
        ExitCode::merge(codes.iter().map(|code| ExitCode::try_from(*code).unwrap())).number()
    }

    #[test]
    fn damage_outranks_everything() {
        assert_eq!(merge(&[0, 1, 10, 12, 130]), 12);
        assert_eq!(merge(&[0, 1, 10, 130]), 1);
        assert_eq!(merge(&[130, 10, 13]), 130);
        assert_eq!(merge(&[0, 10, 13]), 10);
        assert_eq!(merge(&[3, 13, 11]), 13);
        assert_eq!(merge(&[0, 3, 11]), 3);
        assert_eq!(merge(&[0, 11]), 11);
        assert_eq!(merge(&[0, 0]), 0);
        assert_eq!(merge(&[]), 11);
    }

    #[test]
    fn a_code_is_a_number_in_json() {
        assert_eq!(serde_json::to_string(&ExitCode::Interrupted).unwrap(), "130");
        assert_eq!(serde_json::from_str::<ExitCode>("12").unwrap(), ExitCode::NotRecovered);
        assert!(serde_json::from_str::<ExitCode>("77").is_err());
    }
}
