//! What has to be shown.

use std::collections::BTreeMap;

use jiff::civil::Date;
use meshdrill_checks::scorecard::titled;
use meshdrill_checks::units::TimeSpan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything that has to be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Required {
    /// What is signed off, as `go-live`.
    pub name: String,
    /// How old evidence may be.
    pub max_age: TimeSpan,
    /// The UIDs that the mesh file names, by the key of the cluster.
    pub uids: BTreeMap<String, String>,
    /// The claims.
    pub lines: Vec<RequiredLine>,
}

/// One claim.
#[derive(Debug, Clone, PartialEq)]
pub struct RequiredLine {
    /// The claim, as people read it.
    pub claim: String,
    /// The runs that must back it.
    pub runs: Vec<RequiredRun>,
    /// The attestation that must back it, by its key.
    pub attested: Option<String>,
    /// What a waiver of the mesh file does.
    pub waivers: Waivers,
}

/// A run that must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredRun {
    /// The scenario's name, and the names that it had before.
    pub names: Vec<String>,
    /// What `forEach` bound; empty without one.
    pub binding: String,
    /// Whether it contacts clusters, so that it has to say which.
    pub of_clusters: bool,
    /// The command that makes one.
    pub command: String,
}

impl RequiredRun {
    /// `SCENARIO@BINDING`.
    pub fn title(&self) -> String {
        titled(self.names.first().map_or("", String::as_str), &self.binding)
    }
}

/// What a waiver of the mesh file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Waivers {
    /// What is waived is shown with owner and date, and does not stand in the way.
    #[default]
    Allowed,
    /// What is waived is NO-GO.
    Refused,
}

/// What only people can say, by its key.
pub type Attestations = BTreeMap<String, Attestation>;

/// What someone attests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation {
    /// Who.
    pub by: String,
    /// When.
    pub on: Date,
    /// What, in a sentence.
    pub statement: String,
    /// The last day on which it holds.
    pub until: Option<Date>,
}
