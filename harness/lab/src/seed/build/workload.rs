//! Services, Deployments and `StatefulSets` of applications.

use serde_json::{Value, json};

use crate::seed::put::put;
use crate::store::resources;
use crate::world::World;

/// A Service in front of an application.
pub(crate) fn service(namespace: &str, name: &str, port: u16) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace, "labels": {"app": name, "service": name}},
        "spec": {"selector": {"app": name}, "ports": [{"name": "http", "port": port}]}})
}

/// A Deployment of one replica.
#[expect(clippy::needless_pass_by_value, reason = "the value is built in the argument")]
pub(crate) fn deployment(namespace: &str, name: &str, labels: &Value, container: Value, grace: i64) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels},
            "spec": {"terminationGracePeriodSeconds": grace, "containers": [container]}}}})
}

/// The port of every web application.
pub(crate) const WEB: u16 = 8080;

/// A web application that answers with its identity.
pub(crate) struct Web<'a> {
    pub(crate) namespace: &'a str,
    /// The label `app`, and the name of the container.
    pub(crate) app: &'a str,
    pub(crate) version: &'a str,
    pub(crate) replicas: i64,
    /// The services it requests, `NAME=HOST:PORT`.
    pub(crate) calls: &'a [&'a str],
}

impl Web<'_> {
    fn labels(&self) -> Value {
        json!({"app": self.app, "version": self.version})
    }

    fn container(&self) -> Value {
        let mut args =
            vec!["web".to_owned(), "-port".to_owned(), WEB.to_string(), "-version".to_owned(), self.version.to_owned()];
        if !self.calls.is_empty() {
            args.extend(["-calls".to_owned(), self.calls.join(",")]);
        }
        json!({"name": self.app, "image": "registry.local/app:1", "args": args, "ports": [{"name": "http", "containerPort": WEB}],
            "readinessProbe": {"httpGet": {"path": "/", "port": WEB}, "periodSeconds": 1}})
    }

    /// Creates it as a Deployment.
    pub(crate) fn deploy(&self, world: &mut World, cluster: usize, name: &str) {
        let mut value = deployment(self.namespace, name, &self.labels(), self.container(), 2);
        value["spec"]["replicas"] = json!(self.replicas);
        put(world, cluster, resources::deployments(), value);
    }

    /// Creates it as a `StatefulSet` with a headless Service of the given name.
    pub(crate) fn deploy_stateful(&self, world: &mut World, cluster: usize, name: &str, headless: &str) {
        let mut governing = service(self.namespace, headless, WEB);
        governing["metadata"]["labels"] = json!({"app": self.app});
        governing["spec"]["selector"] = json!({"app": self.app});
        governing["spec"]["clusterIP"] = json!("None");
        put(world, cluster, resources::services(), governing);
        let labels = self.labels();
        let value = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name, "namespace": self.namespace, "labels": labels},
            "spec": {"replicas": self.replicas, "serviceName": headless, "podManagementPolicy": "OrderedReady",
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
                "selector": {"matchLabels": {"app": self.app}}, "template": {"metadata": {"labels": labels},
                    "spec": {"terminationGracePeriodSeconds": 2, "containers": [self.container()]}}}});
        put(world, cluster, resources::statefulsets(), value);
    }
}

/// Creates the Service of a web application.
pub(crate) fn web_service(world: &mut World, cluster: usize, namespace: &str, name: &str) {
    put(world, cluster, resources::services(), service(namespace, name, WEB));
}

/// An object of Istio's group `networking.istio.io`.
pub(crate) fn istio_object(kind: &str, namespace: &str, name: &str, spec: Value) -> Value {
    let mut value = json!({"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}});
    value["spec"] = spec;
    value
}
