//! The meshes that a lab can have.

use std::fmt;
use std::str::FromStr;

/// A mesh that a lab can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LabMesh {
    /// The mesh of the quick-start guide: one network per cluster, `Bookinfo`, monitoring in `istio-system`.
    #[default]
    Guide,
    /// Three clusters on one network, without east-west gateways.
    FlatThree,
    /// One cluster with two ingress gateways and two revisions of istiod.
    Single,
    /// Two clusters on two networks, with the Gateway API in place of Istio's own routing objects.
    GatewayApi,
    /// Two clusters on two networks; istiod runs in the first one only.
    PrimaryRemote,
    /// Five clusters on one network with 40 namespaces, 400 workloads and 300 Services each: for measuring.
    Large,
}

/// No mesh has that name.
#[derive(Debug, thiserror::Error)]
#[error("unknown mesh {name:?}{}; the lab has {}", nearest(name), list())]
pub struct UnknownMesh {
    /// The name as written.
    pub name: String,
}

impl LabMesh {
    /// The meshes that users are offered: every one but [`Self::Large`].
    pub const ALL: [Self; 5] = [Self::Guide, Self::FlatThree, Self::Single, Self::GatewayApi, Self::PrimaryRemote];
    /// Every mesh.
    pub const WITH_LARGE: [Self; 6] =
        [Self::Guide, Self::FlatThree, Self::Single, Self::GatewayApi, Self::PrimaryRemote, Self::Large];

    /// The name, in kebab case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Guide => "guide",
            Self::FlatThree => "flat-three",
            Self::Single => "single",
            Self::GatewayApi => "gateway-api",
            Self::PrimaryRemote => "primary-remote",
            Self::Large => "large",
        }
    }
}

impl LabMesh {
    /// The keys of its clusters, in order. [`LabConfig::clusters`](crate::LabConfig) chooses how many of them the guide's mesh has.
    pub const fn clusters(self) -> &'static [&'static str] {
        match self {
            Self::Guide => &["primary", "secondary", "third", "fourth", "fifth"],
            Self::FlatThree => &["eu", "us", "ap"],
            Self::Single => &["prod"],
            Self::GatewayApi => &["north", "south"],
            Self::PrimaryRemote => &["hub", "spoke"],
            Self::Large => &["ams", "fra", "iad", "nrt", "sin"],
        }
    }
}

impl fmt::Display for LabMesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for LabMesh {
    type Err = UnknownMesh;

    fn from_str(text: &str) -> Result<Self, UnknownMesh> {
        let found = Self::WITH_LARGE.into_iter().find(|mesh| mesh.name() == text);
        found.ok_or_else(|| UnknownMesh { name: text.to_owned() })
    }
}

fn list() -> String {
    LabMesh::ALL.map(LabMesh::name).join(", ")
}

/// The mesh that was probably meant.
fn nearest(name: &str) -> String {
    let near = LabMesh::ALL.map(|mesh| (strsim::damerau_levenshtein(&name.to_lowercase(), mesh.name()), mesh));
    let near = near.into_iter().min_by_key(|(distance, _)| *distance);
    let near = near.filter(|(distance, _)| *distance <= 1.max(name.len() / 2));
    near.map_or_else(String::new, |(_, mesh)| format!("; did you mean {mesh}?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_slips_get_the_nearest() {
        for mesh in LabMesh::WITH_LARGE {
            assert_eq!(mesh.to_string().parse::<LabMesh>().unwrap(), mesh);
        }
        let error = "flat-tree".parse::<LabMesh>().unwrap_err().to_string();
        assert!(error.contains("did you mean flat-three?") && error.contains("primary-remote"), "{error}");
        assert!(!"x".parse::<LabMesh>().unwrap_err().to_string().contains("did you mean"));
    }
}
