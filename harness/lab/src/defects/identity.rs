//! Trust and names: certificates, remote secrets, mutual TLS, cluster and network ids.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::change::{edit_object, others, set_field, set_found};
use super::control_plane::remove_remote_secrets;
use super::find;
use super::row::{ISTIO_ROUTES, MULTI_PRIMARY, NETWORKS, Planted, Row, SEVERAL, in_secondary};
use crate::engine::settle;
use crate::mesh::{control, push};
use crate::store::{object, resources};
use crate::world::World;

use Planted::{Bootstrap, Objects, Start};

/// The label that names a network, as a JSON pointer.
const NETWORK: &str = "/metadata/labels/topology.istio.io~1network";

pub(super) static ROWS: &[Row] = &[
    in_secondary(
        "different-roots",
        Bootstrap,
        "the intermediate CA of this cluster is signed by another root CA",
        |world, cluster| world.clusters[cluster].quirks.foreign_root = true,
    )
    .on(MULTI_PRIMARY),
    in_secondary("expired-intermediate", Bootstrap, "the intermediate CA expired yesterday", |world, cluster| {
        world.clusters[cluster].quirks.expired_intermediate = true;
    })
    .configured(),
    in_secondary("cacerts-missing-key", Objects, "secret cacerts has no ca-key.pem", |world, cluster| {
        edit_object(world, cluster, resources::secrets(), "istio-system", "cacerts", |secret| {
            object::unset(secret, "/data/ca-key.pem");
        });
    })
    .configured(),
    in_secondary(
        "remote-secret-missing",
        Objects,
        "the remote secrets for the other clusters do not exist",
        remove_remote_secrets,
    )
    .on(SEVERAL)
    .configured(),
    in_secondary(
        "remote-secret-dead-token",
        Start,
        "the tokens in the remote secrets are invalid; istiod keeps the endpoints it read before",
        renew_tokens_elsewhere,
    )
    .on(MULTI_PRIMARY),
    in_secondary(
        "identity-untold",
        Bootstrap,
        "istiod and the proxies have no CLUSTER_ID, NETWORK and MESH_ID",
        |world, cluster| world.clusters[cluster].quirks.without_identity = true,
    ),
    in_secondary(
        "wrong-network-label",
        Objects,
        "Service istio-eastwestgateway and namespace istio-system are labelled with another network",
        |world, cluster| {
            let service = find::east_west(world, cluster);
            set_found(world, cluster, resources::services(), service, NETWORK, json!("wrong-network"));
            set_field(world, cluster, resources::namespaces(), ("", "istio-system"), NETWORK, json!("wrong-network"));
        },
    )
    .on(NETWORKS),
    in_secondary(
        "destination-rule-plain",
        Objects,
        "DestinationRule reviews turns mutual TLS off (tls.mode: DISABLE)",
        |world, cluster| {
            let rule = find::rule(world, cluster);
            let off = json!({"mode": "DISABLE"});
            set_found(world, cluster, resources::destinationrules(), rule, "/spec/trafficPolicy/tls", off);
        },
    )
    .on(ISTIO_ROUTES)
    .configured(),
    in_secondary(
        "peer-authentication-off",
        Objects,
        "a PeerAuthentication turns mutual TLS off in namespace bookinfo",
        |world, cluster| {
            let Some((namespace, _)) = find::application(world, cluster) else { return };
            let policy = json!({"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication",
                "metadata": {"name": "default", "namespace": namespace}, "spec": {"mtls": {"mode": "DISABLE"}}});
            world.create(cluster, resources::peerauthentications(), policy);
            settle(world);
        },
    )
    .configured(),
];

/// Renews the token of every other cluster, and writes it into all remote secrets but those of this cluster.
fn renew_tokens_elsewhere(world: &mut World, cluster: usize) {
    for other in others(world, cluster) {
        world.clusters[other].token = format!("{}-renewed", world.clusters[other].token);
        push::push(world, cluster);
        let (token, id) = (world.clusters[other].token.clone(), world.clusters[other].ident.istio.clone());
        for third in others(world, cluster).filter(|third| *third != other) {
            let secret = control::remote_secret(&world.clusters[third].store, &id);
            let found = secret.map(|secret| (object::namespace(secret).to_owned(), object::name(secret).to_owned()));
            let text = STANDARD.encode(format!("token: {token}"));
            set_found(world, third, resources::secrets(), found, &format!("/data/{id}"), json!(text));
        }
    }
}
