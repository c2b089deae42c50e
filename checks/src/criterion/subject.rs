//! What a criterion judges, and what a criterion must know of it.

use serde::{Deserialize, Serialize};

use crate::detection::Stage;

/// What a criterion judges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    /// A probe, by its name.
    Probe(String),
    /// A fault, by its id.
    Fault(String),
}

impl Subject {
    /// The name of the probe or the id of the fault.
    pub fn name(&self) -> &str {
        match self {
            Self::Probe(name) | Self::Fault(name) => name,
        }
    }
}

/// What criteria ask of a probe or fault before they judge it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectFacts {
    /// A probe.
    Probe(ProbeFacts),
    /// A fault.
    Fault {
        /// Whether it removes pods that are replaced.
        removes_pods: bool,
    },
}

/// What a probe of one kind measures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProbeFacts {
    /// What there is to judge.
    pub measures: Vec<Measure>,
    /// The last stage at which an alert can be observed.
    pub last_stage: Option<Stage>,
    /// The cluster that `home` stands for in weights by cluster.
    pub home: Option<String>,
}

/// Something that criteria judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The time to an answer, where that time is the mesh's.
    Latency,
    /// Packets: their loss and round-trip time.
    Packets,
    /// The endpoints of a proxy, with the requests they answered.
    Endpoints,
    /// Who answered.
    Responders,
    /// Writes, read back at the end.
    Writes,
    /// An alert.
    Alert,
}

/// Why a criterion cannot judge a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    /// What is wrong.
    pub message: &'static str,
    /// What to write instead.
    pub help: &'static str,
}

impl SubjectFacts {
    /// Whether it is a probe that measures something.
    pub(super) fn measures(&self, measure: Measure) -> bool {
        match self {
            Self::Probe(facts) => facts.measures.contains(&measure),
            Self::Fault { .. } => false,
        }
    }

    /// Refuses what does not measure something.
    pub(super) fn needs(&self, measure: Measure, message: &'static str, help: &'static str) -> Result<(), Mismatch> {
        if self.measures(measure) { Ok(()) } else { Err(Mismatch { message, help }) }
    }

    /// Refuses what does not measure packets.
    pub(super) fn needs_packets(&self) -> Result<(), Mismatch> {
        let help = "name a ping probe, or use errorRate or latency";
        self.needs(Measure::Packets, "only `ping` probes measure packets", help)
    }
}
