//! Load balancer addresses of Services, as a cloud sets them.

use serde_json::{Value, json};

use crate::store::{object, resources};
use crate::world::{Event, World};

/// Schedules the address of a new Service.
pub(crate) fn added(world: &mut World, cluster: usize, service: &Value) {
    if object::text(service, "/spec/type") != "LoadBalancer" {
        return;
    }
    let (namespace, name) = (object::namespace(service).to_owned(), object::name(service).to_owned());
    if world.booting {
        address(world, cluster, &namespace, &name);
    } else {
        world.after(2_000, Event::Address(cluster, namespace, name));
    }
}

/// Writes the address into the status of a Service, unless a defect keeps it pending.
pub(crate) fn address(world: &mut World, cluster: usize, namespace: &str, name: &str) {
    let here = &mut world.clusters[cluster];
    if here.quirks.pending_balancers.iter().any(|pending| pending == name) {
        return;
    }
    let last = match name {
        "istio-ingressgateway" => 10,
        "istio-eastwestgateway" => 11,
        "prometheus" => 20,
        _ => {
            here.next_lb = here.next_lb.wrapping_add(1).max(30);
            here.next_lb
        }
    };
    let ip = here.ident.lb_ip(last).to_string();
    world.edit(cluster, resources::services(), namespace, name, |service| {
        object::set(service, "/status/loadBalancer/ingress", json!([{"ip": ip, "ipMode": "VIP"}]));
    });
}
