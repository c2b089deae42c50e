//! The sign-off: one line per claim, each with the runs that back it. GO needs fresh, intact, passing evidence of the same
//! clusters for every one of them; whatever is less is NO-GO, with what would settle it.

mod decision;
mod evaluate;
mod markdown;
mod offered;
mod page;
mod requirement;
#[cfg(test)]
mod tests;
mod text;

pub use decision::{Backing, DecidedLine, DecidedRun, Decision, Seen, State};
pub use evaluate::decide;
pub use markdown::markdown;
pub use meshdrill_checks::findings::{Finding, FindingOwner, FindingOwners};
pub use offered::Offered;
pub use page::page;
pub use requirement::{Attestation, Attestations, Required, RequiredLine, RequiredRun, Waivers};
pub use text::text;
