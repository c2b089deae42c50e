//! Entry points of the inventory: the URLs at which a gateway serves them.

use super::ProbeError;
use crate::cluster::{World, gateway_addresses};
use crate::format::{Entrypoint, Inventory};
use meshdrill_document::nearest;

/// An entry point, and the base URL of every address of its gateway in a cluster.
pub(super) async fn bases<'a>(
    world: &World,
    inventory: &'a Inventory,
    name: &str,
    key: &str,
) -> Result<(&'a Entrypoint, Vec<String>), ProbeError> {
    let entry =
        inventory.entrypoints.get(name).ok_or_else(|| unknown("entry point", name, inventory.entrypoints.keys()))?;
    let gateway = inventory
        .gateways
        .get(&entry.gateway)
        .ok_or_else(|| unknown("gateway", &entry.gateway, inventory.gateways.keys()))?;
    let cluster = world.cluster(key)?;
    let scheme = if entry.tls { "https" } else { "http" };
    let own = &cluster.spec.ingress;
    // Without an inventory in the mesh file there is one ingress gateway, and the file may say where it is.
    if cluster.gateways.is_empty() && !own.is_empty() {
        return Ok((entry, own.clone()));
    }
    let addresses = gateway_addresses(cluster, gateway, entry.port()).await?;
    if addresses.is_empty() {
        return Err(ProbeError(format!(
            "gateway {} has no address in {key}: {}",
            entry.gateway,
            match &gateway.service {
                Some(service) =>
                    format!("Service {}/{service} has none (pending?), or is not there", gateway.namespace),
                None => "no pod of it is on the network of its node".to_owned(),
            }
        )));
    }
    Ok((entry, addresses.into_iter().map(|address| format!("{scheme}://{address}")).collect()))
}

/// A name that the inventory does not have.
fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a String>) -> ProbeError {
    let meant = nearest(name, known.map(String::as_str)).map(|meant| format!("; did you mean `{meant}`?"));
    ProbeError(format!(
        "the inventory has no {what} `{name}`{}; `meshdrill mesh init --update` looks again",
        meant.unwrap_or_default()
    ))
}
