//! Values of the text form, put where they belong. `None` means that the key or the form of the value is not known.

use crate::observe::envoy::clusters::Limits;
use crate::observe::envoy::{Cluster, Health, Host};

/// Sets a value of a host.
pub(super) fn set_host(host: &mut Host, key: &[u8], value: &[u8]) -> Option<()> {
    match key {
        b"hostname" => host.hostname = lossy(value),
        b"health_flags" => host.health = Health::parse(&String::from_utf8_lossy(value)),
        b"weight" => host.weight = u32::try_from(number(value)?).ok()?,
        b"region" => host.locality.region = lossy(value),
        b"zone" => host.locality.zone = lossy(value),
        b"sub_zone" => host.locality.sub_zone = lossy(value),
        b"canary" => host.canary = Some(boolean(value)?),
        b"priority" => host.priority = u32::try_from(number(value)?).ok()?,
        b"success_rate" => rate(&mut host.success_rate, value)?,
        b"local_origin_success_rate" => rate(&mut host.local_origin_success_rate, value)?,
        stat => *host.stats.slot(stat)? = number(value)?,
    }
    Some(())
}

/// Sets a value of the cluster; `None` where the key or the form of the value is not known.
pub(super) fn set_cluster(cluster: &mut Cluster, group: &[u8], key: &[u8], value: &[u8]) -> Option<()> {
    match (group, key) {
        (b"", b"observability_name") => cluster.observability_name = lossy(value),
        (b"", b"eds_service_name") => cluster.eds_service_name = lossy(value),
        (b"", b"added_via_api") => cluster.added_via_api = boolean(value)?,
        (b"default_priority", _) => *limit(&mut cluster.default_limits, key)? = Some(number(value)?),
        (b"high_priority", _) => *limit(&mut cluster.high_limits, key)? = Some(number(value)?),
        (b"outlier", b"success_rate_average") => rate(&mut cluster.outlier.success_rate_average, value)?,
        (b"outlier", b"success_rate_ejection_threshold") => {
            rate(&mut cluster.outlier.success_rate_ejection_threshold, value)?;
        }
        (b"outlier", b"local_origin_success_rate_average") => {
            rate(&mut cluster.outlier.local_origin_success_rate_average, value)?;
        }
        (b"outlier", b"local_origin_success_rate_ejection_threshold") => {
            rate(&mut cluster.outlier.local_origin_success_rate_ejection_threshold, value)?;
        }
        _ => return None,
    }
    Some(())
}

fn limit<'l>(limits: &'l mut Limits, key: &[u8]) -> Option<&'l mut Option<u64>> {
    Some(match key {
        b"max_connections" => &mut limits.max_connections,
        b"max_pending_requests" => &mut limits.max_pending_requests,
        b"max_requests" => &mut limits.max_requests,
        b"max_retries" => &mut limits.max_retries,
        _ => return None,
    })
}

pub(super) fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |n, b| match b {
        b'0'..=b'9' => n.checked_mul(10)?.checked_add(u64::from(b - b'0')),
        _ => None,
    })
}

fn boolean(text: &[u8]) -> Option<bool> {
    match text {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

/// Sets a percentage, where -1 stands for none.
fn rate(slot: &mut Option<f64>, text: &[u8]) -> Option<()> {
    *slot = if text == b"-1" { None } else { Some(std::str::from_utf8(text).ok()?.parse().ok()?) };
    Some(())
}
