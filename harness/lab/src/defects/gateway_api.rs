//! The Gateway API: Gateways, `HTTPRoutes` and `ReferenceGrants`.

use serde_json::{Value, json};

use super::change::{edit_found, remove_found, scale_deployment};
use super::find;
use super::row::{Planted, Row, in_secondary};
use crate::lab_mesh::LabMesh;
use crate::store::{object, resources};
use crate::world::World;

use Planted::Objects;

const GATEWAY_API: &[LabMesh] = &[LabMesh::GatewayApi];

pub(super) static ROWS: &[Row] = &[
    in_secondary(
        "gateway-not-programmed",
        Objects,
        "the Deployment of the ingress Gateway has 0 replicas: the Gateway is not Programmed",
        |world, cluster| {
            let Some((namespace, name)) = find::api_gateway(world, cluster) else { return };
            scale_deployment(world, cluster, &namespace, &format!("{name}-istio"), 0);
        },
    )
    .on(GATEWAY_API),
    in_secondary(
        "http-route-missing-backend",
        Objects,
        "an HTTPRoute refers to a Service that does not exist (ResolvedRefs is False)",
        |world, cluster| {
            change_split(world, cluster, |backends| {
                if let Some(last) = backends.last_mut() {
                    last["name"] = json!("nowhere");
                }
            });
        },
    )
    .on(GATEWAY_API),
    in_secondary(
        "http-route-weights-changed",
        Objects,
        "the HTTPRoute that splits traffic has weights 50/50, and 90/10 in the other cluster",
        |world, cluster| {
            change_split(world, cluster, |backends| {
                backends.iter_mut().for_each(|backend| backend["weight"] = json!(50));
            });
        },
    )
    .on(GATEWAY_API),
    in_secondary(
        "reference-grant-missing",
        Objects,
        "no ReferenceGrant permits the HTTPRoute to refer to a Service of another namespace",
        |world, cluster| {
            let found = find::any(world, cluster, resources::referencegrants());
            remove_found(world, cluster, resources::referencegrants(), found);
        },
    )
    .on(GATEWAY_API),
];

/// Changes the backends of the rule with several of them.
fn change_split(world: &mut World, cluster: usize, change: impl Fn(&mut Vec<Value>)) {
    let found = find::any(world, cluster, resources::httproutes());
    edit_found(world, cluster, resources::httproutes(), found, |route| {
        let rules = object::items(route, "/spec/rules").len();
        for rule in 0..rules {
            let backends = route.pointer_mut(&format!("/spec/rules/{rule}/backendRefs")).and_then(Value::as_array_mut);
            if let Some(backends) = backends.filter(|backends| backends.len() > 1) {
                change(backends);
            }
        }
    });
}
