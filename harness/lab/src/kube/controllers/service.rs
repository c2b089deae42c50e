//! Load balancer addresses of Services, as a cloud would give them.

use serde_json::{Value, json};

use crate::store::{object, resources};
use crate::world::{Event, World};

/// A Service appeared.
pub(crate) fn added(world: &mut World, c: usize, service: &Value) {
    if object::text(service, "/spec/type") != "LoadBalancer" {
        return;
    }
    let (namespace, name) = (object::namespace(service).to_owned(), object::name(service).to_owned());
    if world.booting {
        address(world, c, &namespace, &name);
    } else {
        world.after(2_000, Event::Address(c, namespace, name));
    }
}

/// Writes the address into the Service's status, unless the cloud has none to give.
pub(crate) fn address(world: &mut World, c: usize, namespace: &str, name: &str) {
    let cluster = &mut world.clusters[c];
    if cluster.quirks.pending_balancers.iter().any(|pending| pending == name) {
        return;
    }
    let last = match name {
        "istio-ingressgateway" => 10,
        "istio-eastwestgateway" => 11,
        "prometheus" => 20,
        _ => {
            cluster.next_lb = cluster.next_lb.wrapping_add(1).max(30);
            cluster.next_lb
        }
    };
    let ip = cluster.ident.lb_ip(last).to_string();
    world.edit(c, resources::services(), namespace, name, |service| {
        object::set(service, "/status/loadBalancer/ingress", json!([{"ip": ip, "ipMode": "VIP"}]));
    });
}
