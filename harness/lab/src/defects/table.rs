//! Every defect, grouped by what it breaks.

use super::row::Row;
use super::{
    alerting, api, control_plane, gateway_api, gateways, identity, monitoring, network, nodes, routing, workloads,
};

/// The groups, in the order in which `meshdrill lab --list-defects` lists them.
static GROUPS: [&[Row]; 11] = [
    api::ROWS,
    nodes::ROWS,
    network::ROWS,
    control_plane::ROWS,
    identity::ROWS,
    gateways::ROWS,
    routing::ROWS,
    gateway_api::ROWS,
    workloads::ROWS,
    monitoring::ROWS,
    alerting::ROWS,
];

/// The rows of all groups.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    GROUPS.iter().flat_map(|rows| rows.iter())
}
