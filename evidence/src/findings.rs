//! The findings of the runs of a bundle: what failed in a drill, which later run of the bundle closed it, and who takes care of it.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use meshdrill_checks::findings::{DrillRun, Finding, FindingOwner, FindingOwners, findings};
use serde_json::{Value, json};

use crate::Problem;
use crate::json::differences;

/// The file of the findings in a bundle; one without findings has none.
pub const FINDINGS: &str = "findings.json";
/// The schema name written into it.
pub const FINDINGS_SCHEMA: &str = "meshdrill.io/findings/v1";

/// The file of some drills; none where nothing was found. `overdue` is as of the day of the newest drill, so that the same runs give
/// the same bytes.
pub(crate) fn file(drills: &[DrillRun], owners: &FindingOwners) -> Option<Vec<u8>> {
    let found = found(drills, owners)?;
    let text = serde_json::to_string_pretty(&found).ok()?;
    Some((text + "\n").into_bytes())
}

fn found(drills: &[DrillRun], owners: &FindingOwners) -> Option<Value> {
    let newest = drills.iter().filter_map(|drill| drill.started.parse::<Timestamp>().ok()).max()?;
    let day = newest.to_zoned(TimeZone::UTC).date();
    let found: Vec<Finding> = findings(drills, owners, day);
    (!found.is_empty()).then(|| json!({ "schema": FINDINGS_SCHEMA, "asOf": day.to_string(), "findings": found }))
}

/// What is wrong with the file of some drills: only owners, due dates and notes are not in their records.
pub(crate) fn check(bytes: &[u8], drills: &[DrillRun]) -> Vec<Problem> {
    let written: Value = match serde_json::from_slice(bytes) {
        Ok(written) => written,
        Err(error) => return vec![Problem::new(FINDINGS, format!("was altered: it cannot be read: {error}"))],
    };
    let owners = owners(&written);
    let expected = found(drills, &owners).unwrap_or_default();
    let differ = differences(FINDINGS, &expected, &written);
    if differ.is_empty() && file(drills, &owners).as_deref() != Some(bytes) {
        return vec![Problem::new(FINDINGS, "was altered: its text is not in canonical form")];
    }
    differ.into_iter().map(|one| Problem { what: format!("is not that of the records: {}", one.what), ..one }).collect()
}

fn owners(written: &Value) -> FindingOwners {
    let text = |one: &Value, key: &str| one[key].as_str().map(str::to_owned);
    let owner = |one: &Value| {
        let due: Option<Date> = one["due"].as_str().and_then(|due| due.parse().ok());
        let owner = FindingOwner { owner: text(one, "owner").unwrap_or_default(), due, note: text(one, "note") };
        Some((text(one, "id")?, owner))
    };
    written["findings"].as_array().into_iter().flatten().filter_map(owner).collect()
}
