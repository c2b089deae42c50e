//! The applications: their pods, Deployments, autoscalers and disruption budgets, and what they answer.

use serde_json::json;

use super::change::{break_new_pods, break_pods, remove_found, replace_pods, scale_deployment, set_field};
use super::find;
use super::row::{GUIDE, Planted, Row, in_all, in_secondary};
use crate::engine::settle;
use crate::lab_mesh::LabMesh;
use crate::store::{object, resources};
use crate::world::{Broken, Role, World};

use Planted::{Bootstrap, Objects, Start};

pub(super) static ROWS: &[Row] = &[
    in_secondary("application-pod-unready", Objects, "the pod of reviews-v2 stays at 1/2 ready", |world, cluster| {
        let Some((_, app)) = find::application(world, cluster) else { return };
        break_pods(world, cluster, &app, "v2", Broken::Unready);
        replace_pods(world, cluster, &app, "v2");
    }),
    in_secondary("sidecar-missing", Objects, "the pod of ratings-v1 has no sidecar", |world, cluster| {
        let Some(app) = find::application(world, cluster) else { return };
        let own = find::deployments(world, cluster, &app);
        let rated = find::deployments(world, cluster, &(app.0.clone(), "ratings".to_owned()));
        let Some(name) = rated.first().or(own.last()) else { return };
        let label = "/spec/template/metadata/labels/sidecar.istio.io~1inject";
        set_field(world, cluster, resources::deployments(), (&app.0, name), label, json!("false"));
    }),
    in_secondary("deployment-missing", Objects, "Deployment bookinfo/reviews-v3 does not exist", |world, cluster| {
        let Some(app) = find::application(world, cluster) else { return };
        let last = find::deployments(world, cluster, &app).pop();
        remove_found(world, cluster, resources::deployments(), last.map(|name| (app.0, name)));
    }),
    in_all(
        "reviews-down",
        Objects,
        "all reviews Deployments have 0 replicas; /productpage still answers 200",
        |world, cluster| {
            let Some(app) = find::application(world, cluster) else { return };
            for name in find::deployments(world, cluster, &app) {
                scale_deployment(world, cluster, &app.0, &name, 0);
            }
        },
    ),
    in_secondary("wrong-title", Bootstrap, "productpage serves the page of another application", |world, cluster| {
        world.clusters[cluster].quirks.title = "Welcome to nginx!".into();
    })
    .on(GUIDE),
    in_secondary("slow-application", Start, "every application takes 750 ms longer to answer", |world, cluster| {
        world.clusters[cluster].quirks.slow_apps = 750.0;
    }),
    in_secondary("helloworld-silent", Objects, "both helloworld Deployments have 0 replicas", |world, cluster| {
        for name in ["helloworld-v1", "helloworld-v2"] {
            scale_deployment(world, cluster, "sample", name, 0);
        }
    })
    .on(GUIDE),
    in_all(
        "helloworld-everywhere",
        Bootstrap,
        "both versions of helloworld run in every cluster, instead of one version each",
        |world, cluster| world.clusters[cluster].quirks.every_helloworld = true,
    )
    .on(GUIDE),
    in_all("client-called-curl", Bootstrap, "the client pod is named curl instead of sleep", |world, cluster| {
        world.clusters[cluster].quirks.client = "curl";
    })
    .on(GUIDE),
    in_all("replacement-never-ready", Start, "a new pod of reviews never becomes ready", break_replacements),
    in_all(
        "rollout-stuck",
        Start,
        "a rollout of reviews never finishes: pods of the new ReplicaSet never become ready",
        break_replacements,
    ),
    in_all(
        "pods-nobody-replaces",
        Objects,
        "three pods in bookinfo belong to a StrimziPodSet whose operator does not run: nobody replaces one of them",
        |world, cluster| {
            let Some((namespace, _)) = find::application(world, cluster) else { return };
            for ordinal in 0..3 {
                let owner = json!([{"apiVersion": "core.strimzi.io/v1beta2", "kind": "StrimziPodSet", "name": "shop-broker",
                    "uid": "5a5a5a5a-0000-4000-8000-000000000001", "controller": true, "blockOwnerDeletion": false}]);
                let pod = json!({"apiVersion": "v1", "kind": "Pod",
                    "metadata": {"name": format!("broker-{ordinal}"), "namespace": namespace, "labels": {"app": "broker"},
                        "ownerReferences": owner},
                    "spec": {"containers": [{"name": "kafka", "image": "docker.io/shop/kafka:3.7.0"}]}});
                world.create(cluster, resources::pods(), pod);
            }
            settle(world);
        },
    ),
    in_all(
        "pdb-blocks-eviction",
        Objects,
        "PodDisruptionBudgets of the ingress gateway and reviews allow 0 disruptions",
        |world, cluster| {
            let gateway = find::ingress(world, cluster);
            let gateway = gateway.and_then(|(namespace, name)| {
                let service = world.clusters[cluster].store.get(resources::services(), &namespace, &name)?;
                Some((namespace, "ingress".to_owned(), service.pointer("/spec/selector")?.clone()))
            });
            let application = find::application(world, cluster);
            let application = application.map(|(namespace, app)| (namespace, app.clone(), json!({"app": app})));
            for (namespace, name, labels) in gateway.into_iter().chain(application) {
                let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name, "namespace": namespace},
                    "spec": {"maxUnavailable": 0, "selector": {"matchLabels": labels}}});
                world.create(cluster, resources::pdbs(), budget);
            }
            settle(world);
        },
    ),
    in_all(
        "scale-reverted",
        Start,
        "HorizontalPodAutoscalers scale the gateways and istiod up again from 0 replicas",
        |world, cluster| {
            let autoscalers = world.clusters[cluster].store.list(resources::hpas(), None);
            let names = autoscalers.map(|autoscaler| object::name(autoscaler).to_owned()).collect();
            world.clusters[cluster].quirks.never_disabled = names;
        },
    ),
    in_secondary(
        "stateful-pod-unready",
        Objects,
        "the pods of the StatefulSet of an application never become ready",
        |world, cluster| {
            let sets = world.clusters[cluster].pods.values();
            let app = sets.filter(|pod| matches!(pod.role, Role::Web(_))).find(|pod| {
                let store = &world.clusters[cluster].store;
                store.get(resources::statefulsets(), &pod.namespace, pod.workload()).is_some()
            });
            let Some(app) = app.map(|pod| pod.app().to_owned()) else { return };
            break_pods(world, cluster, &app, "", Broken::Unready);
            replace_pods(world, cluster, &app, "");
        },
    )
    .on(&[LabMesh::FlatThree, LabMesh::Single]),
];

/// New pods of the application with several versions never become ready.
fn break_replacements(world: &mut World, cluster: usize) {
    if let Some((_, app)) = find::application(world, cluster) {
        break_new_pods(world, cluster, &app);
    }
}
