//! What can be wrong with the mesh. A defect changes the model or its objects at the start; everything else follows.

mod drills;
mod monitoring;
mod quirks;
mod table;
mod validation;

use std::fmt;
use std::str::FromStr;

pub(crate) use quirks::{Discovery, Federation, ONCALL, PodQuirk, Quirks};

use crate::lab::LabError;
use crate::world::World;

/// When a defect takes hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// Before there is any object.
    Before,
    /// When all objects are there, an hour before the lab starts.
    Objects,
    /// When the proxies have their configuration.
    Configured,
    /// At the moment the lab starts.
    Start,
}

/// A defect as [`Defect::all`] lists it.
#[derive(Debug, Clone, Copy)]
pub struct DefectInfo {
    /// In kebab case.
    pub name: &'static str,
    /// Whether `name@cluster` picks the cluster it is in.
    pub scoped: bool,
    /// The cluster it is in when none is named; `all` for every cluster.
    pub default_cluster: &'static str,
    /// What is wrong.
    pub what: &'static str,
}

struct Row {
    info: DefectInfo,
    when: When,
    apply: fn(&mut World, usize),
}

/// Something wrong with the mesh from the start: `reviews-down`, or `node-cordoned@primary`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    row: usize,
    cluster: Option<String>,
}

/// Why a defect cannot be parsed.
#[derive(Debug, thiserror::Error)]
pub enum DefectError {
    /// No defect has that name.
    #[error("unknown defect {0:?}")]
    Unknown(String),
    /// The defect concerns the whole mesh.
    #[error("defect {0:?} concerns the whole mesh and takes no cluster")]
    Unscoped(String),
    /// No lab has such a cluster.
    #[error("unknown cluster {0:?}: primary, secondary, third, fourth, fifth or all")]
    Cluster(String),
}

impl Defect {
    /// Every defect there is.
    pub fn all() -> &'static [DefectInfo] {
        static INFOS: std::sync::OnceLock<Vec<DefectInfo>> = std::sync::OnceLock::new();
        INFOS.get_or_init(|| table::ROWS.iter().flat_map(|rows| rows.iter()).map(|row| row.info).collect())
    }

    /// Its name without a cluster.
    pub fn name(&self) -> &'static str {
        self.row().info.name
    }

    fn row(&self) -> &'static Row {
        let mut rows = table::ROWS.iter().flat_map(|rows| rows.iter());
        rows.nth(self.row).unwrap_or(&table::ROWS[0][0])
    }
}

impl FromStr for Defect {
    type Err = DefectError;

    fn from_str(text: &str) -> Result<Self, DefectError> {
        let (name, cluster) = text.split_once('@').map_or((text, None), |(n, c)| (n, Some(c)));
        let row =
            Self::all().iter().position(|info| info.name == name).ok_or_else(|| DefectError::Unknown(text.into()))?;
        if cluster.is_some() && !Self::all()[row].scoped {
            return Err(DefectError::Unscoped(text.into()));
        }
        if let Some(key) =
            cluster.filter(|key| !["all", "primary", "secondary", "third", "fourth", "fifth"].contains(key))
        {
            return Err(DefectError::Cluster(key.into()));
        }
        Ok(Self { row, cluster: cluster.map(str::to_owned) })
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

/// A defect and the number of the cluster it is in.
pub(crate) struct Placed {
    row: &'static Row,
    c: usize,
}

/// Finds the clusters the defects are in.
pub(crate) fn place(world: &World, defects: &[Defect]) -> Result<Vec<Placed>, LabError> {
    let mut placed = Vec::new();
    for defect in defects {
        let row = defect.row();
        let key = defect.cluster.as_deref().unwrap_or(row.info.default_cluster);
        if key == "all" {
            placed.extend((0..world.clusters.len()).map(|c| Placed { row, c }));
            continue;
        }
        let found = world.clusters.iter().position(|c| c.ident.key == key);
        let c = match (found, &defect.cluster) {
            (Some(c), _) => c,
            // A lab of one cluster has its defects there.
            (None, None) => world.clusters.len() - 1,
            (None, Some(cluster)) => {
                return Err(LabError::Cluster { defect: defect.to_string(), cluster: cluster.clone() });
            }
        };
        placed.push(Placed { row, c });
    }
    Ok(placed)
}

fn apply(world: &mut World, placed: &[Placed], when: When) {
    for one in placed.iter().filter(|one| one.row.when == when) {
        (one.row.apply)(world, one.c);
    }
}

/// Applies what has to be in place before any object is.
pub(crate) fn before(world: &mut World, placed: &[Placed]) {
    apply(world, placed, When::Before);
}

/// Applies changes of objects.
pub(crate) fn objects(world: &mut World, placed: &[Placed]) {
    apply(world, placed, When::Objects);
}

/// Applies changes of proxies and control planes.
pub(crate) fn after(world: &mut World, placed: &[Placed]) {
    apply(world, placed, When::Configured);
}

/// Applies what begins when the lab does.
pub(crate) fn running(world: &mut World, placed: &[Placed]) {
    apply(world, placed, When::Start);
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
