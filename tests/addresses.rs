//! Addresses are plural: all entries of a load balancer and all addresses of a pod count, of both families.

use std::net::TcpListener;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::stand_in::{Answer, Folder, api_server, expect};

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("addresses::tcp connects to all entries of a load balancer", balancers),
        Trial::test("addresses::tcp connects to both families of a mesh file", families),
        Trial::test("addresses::pods are routable by any of their addresses", routable),
    ]
}

/// A port on which this address takes connections until the process ends.
fn listen(address: &str) -> Result<u16, Failed> {
    let listener = TcpListener::bind((address, 0))?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    Ok(port)
}

/// An east-west gateway whose Service has these load-balancer entries at a port.
fn gateway(entries: &Value, port: u16) -> Value {
    json!({ "kind": "ServiceList", "metadata": {}, "items": [{
        "metadata": { "name": "istio-eastwestgateway", "namespace": "istio-system", "uid": "s",
            "labels": { "topology.istio.io/network": "n", "networking.istio.io/gatewayPort": port.to_string() } },
        "spec": { "ports": [{ "port": port }] },
        "status": { "loadBalancer": { "ingress": entries } } }] })
}

const TCP: &str = "tcp: { via: eastWest/one }";

fn balancers() -> Result<(), Failed> {
    let port = listen("0.0.0.0")?;
    let check = |name: &str, entries: Value| {
        let services = gateway(&entries, port);
        let api =
            api_server(move |asked| asked.path.starts_with("/api/v1/services").then(|| Answer::json(200, &services)))?;
        Folder::new(name, &api.url, "")?.check(TCP)
    };
    let both = json!([{ "ip": "127.0.0.1" }, { "ip": "127.0.0.2" }]);
    let says = [format!("connected to 127.0.0.1:{port}"), format!("connected to 127.0.0.2:{port}")];
    expect(&check("balancers", both)?, 0, &says.each_ref().map(String::as_str))?;
    // Nothing listens on the other family.
    let dead = check("balancer-dead", json!([{ "ip": "127.0.0.1" }, { "ip": "::1" }]))?;
    expect(&dead, 10, &[&format!("::1:{port}")])
}

fn families() -> Result<(), Failed> {
    let (four, six) = (listen("127.0.0.1")?, listen("::1")?);
    let api = api_server(|_| None)?;
    let east_west = format!("eastWest: [\"127.0.0.1:{four}\", \"[::1]:{six}\"]");
    let ran = Folder::new("families", &api.url, &east_west)?.check(TCP)?;
    expect(&ran, 0, &[&format!("connected to 127.0.0.1:{four}"), &format!("connected to ::1:{six}")])
}

/// A check that needs routable pods runs where the second address of a pod takes connections.
fn routable() -> Result<(), Failed> {
    let port = listen("::1")?;
    let check = |name: &str, addresses: Value| {
        let pod = json!({ "metadata": { "name": "a", "namespace": "shop", "uid": "a", "labels": { "app": "x" } },
            "spec": { "containers": [{ "name": "c", "ports": [{ "containerPort": port }] }] },
            "status": { "phase": "Running", "podIP": addresses[0]["ip"], "podIPs": addresses,
                "conditions": [{ "type": "Ready", "status": "True" }] } });
        let list = json!({ "kind": "PodList", "metadata": {}, "items": [pod] });
        let api = api_server(move |asked| asked.path.contains("/pods").then(|| Answer::json(200, &list)))?;
        let check =
            "{ pods: { cluster: one, namespace: shop, selector: app=x, expect: { count: 1 } }, needs: [routablePods] }";
        Folder::new(name, &api.url, "")?.check(check)
    };
    expect(&check("routable", json!([{ "ip": "127.0.0.1" }, { "ip": "::1" }]))?, 0, &[])?;
    let none = check("not-routable", json!([{ "ip": "127.0.0.1" }]))?;
    expect(&none, 11, &["no pod of `one` takes a connection from here (1 tried)"])
}
