//! The API server: whether it responds, to whom, and what it accepts.

use super::row::{Planted, Row, in_all, in_primary, in_secondary};
use crate::clock::Ms;
use crate::world::ApiMode;

use Planted::{Bootstrap, Start};

/// When `api-away` takes the API server down and when it is back, milliseconds after the start.
const AWAY: (Ms, Ms) = (28_000, 333_000);

pub(super) static ROWS: &[Row] = &[
    in_secondary(
        "wrong-cluster",
        Bootstrap,
        "the kubeconfig context leads to the API server of another cluster",
        |world, cluster| world.clusters[cluster].quirks.api_alias = Some(usize::from(cluster == 0)),
    ),
    in_secondary("api-down", Start, "the API server refuses connections", |world, cluster| {
        world.clusters[cluster].quirks.api = ApiMode::Down;
    }),
    in_secondary("api-hangs", Start, "the API server accepts connections and never responds", |world, cluster| {
        world.clusters[cluster].quirks.api = ApiMode::Hangs;
    }),
    in_secondary("api-401", Start, "the API server rejects the credentials (401)", |world, cluster| {
        world.clusters[cluster].quirks.api = ApiMode::Unauthorized;
    }),
    in_secondary("api-403", Start, "RBAC allows the user nothing (403)", |world, cluster| {
        world.clusters[cluster].quirks.api = ApiMode::Forbidden;
    }),
    in_secondary("api-read-only", Start, "RBAC allows the user get, list and watch only", |world, cluster| {
        world.clusters[cluster].quirks.api = ApiMode::ReadOnly;
    }),
    in_secondary("api-no-exec", Start, "RBAC denies the user pods/exec and pods/portforward", |world, cluster| {
        world.clusters[cluster].quirks.api = ApiMode::NoExec;
    }),
    in_primary("api-away", Start, "the API server is down from 28 s to 333 s after the start", |world, cluster| {
        world.clusters[cluster].quirks.api_away = Some(AWAY);
    }),
    in_secondary("clock-skew", Start, "the clock of the API server is 2 minutes ahead", |world, cluster| {
        world.clusters[cluster].quirks.skew = 120_000;
    }),
    in_primary(
        "replica-restore-blocked",
        Start,
        "an admission webhook denies every scale-up of Deployment istio-system/istiod",
        |world, cluster| world.clusters[cluster].quirks.no_scale_up.push("istiod".into()),
    ),
    in_all(
        "fault-has-no-effect",
        Start,
        "the API server accepts deletions and scale requests but changes nothing",
        |world, cluster| world.clusters[cluster].quirks.ignores_changes = true,
    ),
];
