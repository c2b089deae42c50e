//! istiod, its webhooks, and what its proxies receive.

use serde_json::{Value, json};

use super::change::{break_pods, edit_found, remove_found, replace_pods, select_no_pod};
use super::find;
use super::row::{Planted, Row, SEVERAL, in_all, in_primary, in_secondary};
use crate::lab_mesh::LabMesh;
use crate::mesh::{control, push};
use crate::store::{object, resources};
use crate::world::{Broken, World};

use Planted::{Bootstrap, Objects, Proxies, Start};

pub(super) static ROWS: &[Row] = &[
    in_secondary("istio-version-drift", Bootstrap, "istiod and the proxies run Istio 1.27.1", |world, cluster| {
        world.clusters[cluster].quirks.istio_version = Some("1.27.1".into());
    }),
    in_secondary(
        "istio-images-by-digest",
        Bootstrap,
        "Istio's images are set by digest, so that no image tag shows a version",
        |world, cluster| world.clusters[cluster].quirks.images_by_digest = true,
    ),
    in_secondary("istiod-crash-looping", Start, "istiod is in CrashLoopBackOff", |world, cluster| {
        break_pods(world, cluster, "istiod", "", Broken::CrashLoop);
        replace_pods(world, cluster, "istiod", "");
    })
    .configured(),
    in_secondary("stale-proxies", Proxies, "the proxies of reviews reject every push of istiod", |world, cluster| {
        let app = find::application(world, cluster).map(|(_, app)| app);
        for pod in world.clusters[cluster].pods.values_mut().filter(|pod| Some(pod.label("app")) == app.as_deref()) {
            if let Some(proxy) = pod.proxy.as_mut() {
                proxy.stale = true;
            }
        }
        push::push(world, cluster);
    }),
    in_secondary(
        "remote-endpoints-missing",
        Proxies,
        "istiod has no endpoints of other clusters: their remote secrets do not exist",
        |world, cluster| {
            remove_remote_secrets(world, cluster);
            for one in 0..world.clusters.len() {
                if control::instances(world, one).iter().any(|instance| instance.cluster == cluster) {
                    push::push(world, one);
                }
            }
        },
    )
    .on(SEVERAL)
    .configured(),
    in_primary(
        "data-plane-depends-on-control-plane",
        Start,
        "the ingress gateway answers 503 while istiod is down",
        |world, cluster| world.clusters[cluster].quirks.needs_istiod = true,
    ),
    in_all(
        "delay-left-behind",
        Start,
        "proxies keep an injected HTTP fault after the VirtualService no longer has it",
        |world, cluster| world.clusters[cluster].quirks.sticky_faults = true,
    ),
    in_secondary(
        "webhooks-without-hooks",
        Objects,
        "MutatingWebhookConfiguration istio-sidecar-injector has no webhooks",
        |world, cluster| {
            let resource = resources::mutating_webhooks();
            let found = find::webhooks(world, cluster, resource);
            edit_found(world, cluster, resource, found, |configuration| object::unset(configuration, "/webhooks"));
        },
    ),
    in_secondary(
        "validation-webhook-dead",
        Objects,
        "Istio's validating webhook calls a Service that does not exist",
        |world, cluster| {
            let resource = resources::validating_webhooks();
            let found = find::webhooks(world, cluster, resource);
            edit_found(world, cluster, resource, found, |configuration| {
                if let Some(name) = configuration.pointer_mut("/webhooks/0/clientConfig/service/name") {
                    *name = json!("istiod-old");
                }
            });
        },
    )
    .configured(),
    in_secondary(
        "webhooks-by-url",
        Objects,
        "istiod's webhooks are configured by URL, with the cluster IP of Service istiod",
        |world, cluster| {
            let service = world.clusters[cluster].store.get(resources::services(), "istio-system", "istiod");
            let address = service.map(|service| object::text(service, "/spec/clusterIP").to_owned());
            call_webhooks_by_url(world, cluster, &format!("{}:443", address.unwrap_or_default()));
        },
    ),
    in_secondary(
        "webhooks-by-unknown-url",
        Objects,
        "istiod's webhooks are configured by a URL that is outside the clusters",
        |world, cluster| call_webhooks_by_url(world, cluster, "istiod.elsewhere.example:15017"),
    ),
    in_primary(
        "canary-webhook-without-endpoints",
        Objects,
        "the selector of Service istiod-canary matches no pod: pods of its namespaces cannot be created",
        |world, cluster| {
            let canary = find::revision_service(world, cluster);
            if let Some(service) = canary {
                select_no_pod(world, cluster, &service);
            }
        },
    )
    .on(&[LabMesh::Single]),
];

/// Removes the secrets with which istiod reads the other clusters.
pub(super) fn remove_remote_secrets(world: &mut World, cluster: usize) {
    for other in super::change::others(world, cluster) {
        let here = &world.clusters[cluster];
        let secret = control::remote_secret(&here.store, &world.clusters[other].ident.istio);
        let found = secret.map(|secret| (object::namespace(secret).to_owned(), object::name(secret).to_owned()));
        remove_found(world, cluster, resources::secrets(), found);
    }
}

/// Makes the API server call istiod's webhooks by URL.
fn call_webhooks_by_url(world: &mut World, cluster: usize, authority: &str) {
    for (resource, path) in [(resources::mutating_webhooks(), "inject"), (resources::validating_webhooks(), "validate")]
    {
        let found = find::webhooks(world, cluster, resource);
        edit_found(world, cluster, resource, found, |configuration| {
            let hooks = configuration.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten();
            for client in hooks.filter_map(|hook| hook.get_mut("clientConfig")?.as_object_mut()) {
                client.remove("service");
                client.insert("url".into(), json!(format!("https://{authority}/{path}")));
            }
        });
    }
}
