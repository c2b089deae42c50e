//! A defect as users name it: `reviews-down`, or `node-cordoned@primary`.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use super::info::DefectInfo;
use super::row::Row;
use super::table;
use crate::lab_mesh::LabMesh;

/// Something that is wrong with the mesh from the start: `reviews-down`, or `node-cordoned@primary`.
#[derive(Clone)]
pub struct Defect {
    row: &'static Row,
    cluster: Option<String>,
}

/// Why a defect cannot be parsed.
#[derive(Debug, thiserror::Error)]
pub enum DefectError {
    /// No defect has that name.
    #[error("unknown defect {0:?}")]
    Unknown(String),
    /// The defect is outside the clusters.
    #[error("defect {0:?} is outside the clusters and takes no cluster")]
    Unscoped(String),
    /// No lab has such a cluster.
    #[error("unknown cluster {0:?}: use {keys}, or all", keys = keys().join(", "))]
    Cluster(String),
}

/// The keys of the clusters of all meshes.
fn keys() -> Vec<&'static str> {
    LabMesh::ALL.into_iter().flat_map(LabMesh::clusters).copied().collect()
}

impl Defect {
    /// Every defect, grouped by what it breaks.
    pub fn all() -> &'static [DefectInfo] {
        static INFOS: OnceLock<Vec<DefectInfo>> = OnceLock::new();
        INFOS.get_or_init(|| table::rows().map(|row| row.info).collect())
    }

    /// The name, without a cluster.
    pub fn name(&self) -> &'static str {
        self.row.info.name
    }

    pub(super) fn row(&self) -> &'static Row {
        self.row
    }

    /// The cluster that is named in it, if one is.
    pub(super) fn cluster(&self) -> Option<&str> {
        self.cluster.as_deref()
    }
}

impl FromStr for Defect {
    type Err = DefectError;

    fn from_str(text: &str) -> Result<Self, DefectError> {
        let (name, cluster) = text.split_once('@').map_or((text, None), |(name, key)| (name, Some(key)));
        let row = table::rows().find(|row| row.info.name == name).ok_or_else(|| DefectError::Unknown(text.into()))?;
        if cluster.is_some() && !row.info.scoped {
            return Err(DefectError::Unscoped(text.into()));
        }
        match cluster.filter(|key| *key != "all" && !keys().contains(key)) {
            Some(key) => Err(DefectError::Cluster(key.into())),
            None => Ok(Self { row, cluster: cluster.map(str::to_owned) }),
        }
    }
}

impl PartialEq for Defect {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name() && self.cluster == other.cluster
    }
}

impl Eq for Defect {}

impl fmt::Debug for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Defect").field(&self.to_string()).finish()
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cluster {
            Some(cluster) => write!(f, "{}@{cluster}", self.name()),
            None => f.write_str(self.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_kebab_case_and_round_trip() {
        let all = Defect::all();
        for (i, info) in all.iter().enumerate() {
            assert!(
                info.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
                "{}",
                info.name
            );
            assert!(all[i + 1..].iter().all(|other| other.name != info.name), "{} twice", info.name);
            assert_eq!(info.name.parse::<Defect>().unwrap().to_string(), info.name);
        }
        assert_eq!("reviews-down@primary".parse::<Defect>().unwrap().to_string(), "reviews-down@primary");
        assert!("reviews-down@mars".parse::<Defect>().is_err() && "no-such".parse::<Defect>().is_err());
    }
}
