//! The applications: their pods, Deployments, autoscalers and disruption budgets, and what they answer.

use serde_json::json;

use super::change::{break_new_pods, break_pods, scale_deployment};
use super::row::{Planted, Row, in_all, in_secondary};
use crate::engine::settle;
use crate::store::{object, resources};
use crate::world::Broken;

use Planted::{Bootstrap, Objects, Start};

pub(super) static ROWS: &[Row] = &[
    in_secondary("application-pod-unready", Bootstrap, "the pod of reviews-v2 stays at 1/2 ready", |world, cluster| {
        break_pods(world, cluster, "reviews", "v2", Broken::Unready);
    }),
    in_secondary("sidecar-missing", Bootstrap, "the pod of ratings-v1 has no sidecar", |world, cluster| {
        world.clusters[cluster].quirks.without_sidecar.push("ratings-v1".into());
    }),
    in_secondary("deployment-missing", Bootstrap, "Deployment bookinfo/reviews-v3 does not exist", |world, cluster| {
        world.clusters[cluster].quirks.missing_deployments.push("reviews-v3".into());
    }),
    in_all(
        "reviews-down",
        Objects,
        "all reviews Deployments have 0 replicas; /productpage still answers 200",
        |world, cluster| {
            for version in ["v1", "v2", "v3"] {
                scale_deployment(world, cluster, "bookinfo", &format!("reviews-{version}"), 0);
            }
        },
    ),
    in_secondary("wrong-title", Bootstrap, "productpage serves the page of another application", |world, cluster| {
        world.clusters[cluster].quirks.title = "Welcome to nginx!".into();
    }),
    in_secondary("slow-application", Start, "every application takes 750 ms longer to answer", |world, cluster| {
        world.clusters[cluster].quirks.slow_apps = 750.0;
    }),
    in_secondary("helloworld-silent", Objects, "both helloworld Deployments have 0 replicas", |world, cluster| {
        for name in ["helloworld-v1", "helloworld-v2"] {
            scale_deployment(world, cluster, "sample", name, 0);
        }
    }),
    in_all(
        "helloworld-everywhere",
        Bootstrap,
        "both versions of helloworld run in every cluster, instead of one version each",
        |world, cluster| world.clusters[cluster].quirks.every_helloworld = true,
    ),
    in_all("client-called-curl", Bootstrap, "the client pod is named curl instead of sleep", |world, cluster| {
        world.clusters[cluster].quirks.client = "curl";
    }),
    in_all("replacement-never-ready", Bootstrap, "a new pod of reviews never becomes ready", |world, cluster| {
        break_new_pods(world, cluster, "reviews");
    }),
    in_all(
        "rollout-stuck",
        Start,
        "a rollout of reviews never finishes: pods of the new ReplicaSet never become ready",
        |world, cluster| break_new_pods(world, cluster, "reviews"),
    ),
    in_all(
        "pods-nobody-replaces",
        Objects,
        "three pods in bookinfo belong to a StrimziPodSet whose operator does not run: nobody replaces one of them",
        |world, cluster| {
            for ordinal in 0..3 {
                let owner = json!([{"apiVersion": "core.strimzi.io/v1beta2", "kind": "StrimziPodSet", "name": "shop-broker",
                    "uid": "5a5a5a5a-0000-4000-8000-000000000001", "controller": true, "blockOwnerDeletion": false}]);
                let pod = json!({"apiVersion": "v1", "kind": "Pod",
                    "metadata": {"name": format!("broker-{ordinal}"), "namespace": "bookinfo", "labels": {"app": "broker"},
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
            for (namespace, name, app) in
                [("istio-system", "ingress", "istio-ingressgateway"), ("bookinfo", "reviews", "reviews")]
            {
                let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name, "namespace": namespace},
                    "spec": {"maxUnavailable": 0, "selector": {"matchLabels": {"app": app}}}});
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
];
