//! `via:` of HTTP and TCP probes: the entry into the mesh.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::cluster::{ForwardTarget, Permission};
use crate::format::{ClusterChoice, MeshSpec};

/// An entry into the mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// The ingress gateway of a cluster, found by its Service.
    Ingress {
        /// The cluster.
        cluster: ClusterChoice,
        /// The port; by default the gateway's HTTP port.
        port: Option<u16>,
    },
    /// The east-west gateway of a cluster, found by its Service (TCP only).
    EastWest {
        /// The cluster.
        cluster: ClusterChoice,
        /// The port; default 15443.
        port: Option<u16>,
    },
    /// An entry point of the inventory, at the addresses of its gateway in a cluster.
    Entrypoint {
        /// Its name.
        name: String,
        /// The cluster.
        cluster: ClusterChoice,
    },
    /// A port-forward; `target.cluster` is replaced when `cluster` is expanded.
    Forward {
        /// The cluster.
        cluster: ClusterChoice,
        /// The namespace, workload and port.
        target: ForwardTarget,
    },
}

impl Via {
    /// The cluster choice in it.
    pub const fn choice(&mut self) -> &mut ClusterChoice {
        match self {
            Self::Ingress { cluster, .. }
            | Self::EastWest { cluster, .. }
            | Self::Entrypoint { cluster, .. }
            | Self::Forward { cluster, .. } => cluster,
        }
    }

    /// The clusters that `all` and `!KEY` stand for: for an entry point those that serve it.
    pub fn clusters(&self, mesh: &MeshSpec) -> Vec<String> {
        let keys = mesh.keys();
        let Self::Entrypoint { name, .. } = self else { return keys };
        let inventory = mesh.inventory();
        let served = inventory.entrypoints.get(name).map(|entry| inventory.clusters_of_entrypoint(entry, &keys));
        served.unwrap_or(keys)
    }

    /// The permissions that it needs.
    pub fn permissions(&self, mesh: &MeshSpec) -> Vec<Permission> {
        match self {
            Self::Ingress { cluster, .. } => {
                Permission::for_discovery(mesh, cluster.key(), |spec| !spec.ingress.is_empty())
            }
            Self::EastWest { cluster, .. } => {
                Permission::for_discovery(mesh, cluster.key(), |spec| !spec.east_west.is_empty())
            }
            Self::Entrypoint { name, cluster } => {
                let inventory = mesh.inventory();
                let gateway = inventory.entrypoints.get(name).and_then(|entry| inventory.gateways.get(&entry.gateway));
                gateway.map_or_else(Vec::new, |gateway| {
                    ["get", "list"]
                        .map(|verb| Permission::new(cluster.key(), &gateway.namespace, "", "services", verb))
                        .into()
                })
            }
            Self::Forward { .. } => self.forward().map_or_else(Vec::new, |target| target.permissions()),
        }
    }

    /// The port-forward, with the cluster that it was expanded to.
    pub fn forward(&self) -> Option<ForwardTarget> {
        match self {
            Self::Forward { cluster, target } => {
                Some(ForwardTarget { cluster: cluster.key().to_owned(), ..target.clone() })
            }
            Self::Ingress { .. } | Self::EastWest { .. } | Self::Entrypoint { .. } => None,
        }
    }
}

impl FromStr for Via {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not an entry into the mesh; write ingress/CLUSTER[:PORT], entrypoint/NAME/CLUSTER, eastWest/CLUSTER[:PORT] or forward/CLUSTER/NAMESPACE/(deployment|pod|service)/NAME:PORT"
            )
        };
        let gateway = |rest: &str| -> Result<(ClusterChoice, Option<u16>), String> {
            let (key, port) = match rest.split_once(':') {
                // Without a mesh file its names stand for any value.
                Some((key, port)) if port.starts_with("${") => (key, None),
                Some((key, port)) => (key, Some(port.parse().map_err(|_| wrong())?)),
                None => (rest, None),
            };
            if key.is_empty() || key.contains('/') {
                Err(wrong())
            } else {
                Ok((ClusterChoice::One(key.to_owned()), port))
            }
        };
        match text.split_once('/') {
            Some(("ingress", rest)) => gateway(rest).map(|(cluster, port)| Self::Ingress { cluster, port }),
            Some(("eastWest", rest)) => gateway(rest).map(|(cluster, port)| Self::EastWest { cluster, port }),
            Some(("entrypoint", rest)) => {
                let (name, key) = rest.split_once('/').unwrap_or((rest, "all"));
                if name.is_empty() || key.is_empty() || key.contains('/') {
                    return Err(wrong());
                }
                let cluster = ClusterChoice::One(key.to_owned());
                Ok(Self::Entrypoint { name: name.to_owned(), cluster })
            }
            Some(("forward", rest)) => {
                let target: ForwardTarget = rest.parse()?;
                Ok(Self::Forward { cluster: ClusterChoice::One(target.cluster.clone()), target })
            }
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = |port: &Option<u16>| port.map_or_else(String::new, |port| format!(":{port}"));
        match self {
            Self::Ingress { cluster, port: number } => write!(f, "ingress/{cluster}{}", port(number)),
            Self::EastWest { cluster, port: number } => write!(f, "eastWest/{cluster}{}", port(number)),
            Self::Entrypoint { name, cluster } => write!(f, "entrypoint/{name}/{cluster}"),
            Self::Forward { .. } => match self.forward() {
                Some(target) => write!(f, "forward/{target}"),
                None => Ok(()),
            },
        }
    }
}

impl Serialize for Via {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Via {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Via {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Via".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(ingress/|entrypoint/|eastWest/|forward/|.*\\$\\{)",
            "description": "ingress/CLUSTER[:PORT], entrypoint/NAME/CLUSTER, eastWest/CLUSTER[:PORT] or forward/CLUSTER/NAMESPACE/(deployment|pod|service)/NAME:PORT"
        })
    }
}
