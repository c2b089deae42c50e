//! `Table` responses: what `kubectl get` prints.

use serde_json::{Value, json};

use super::columns::{Column, Moment, columns};
use super::form::metadata_only;
use crate::clock::{Dates, Ms};
use crate::store::Resource;

/// Objects as a table.
pub(crate) fn table(resource: &Resource, items: &[Value], version: u64, now: Ms, dates: Dates) -> Value {
    let columns = columns(resource);
    let definitions: Vec<Value> = columns
        .iter()
        .map(|Column { name, wide, .. }| {
            let format = if *name == "Name" { "name" } else { "" };
            json!({"name": name, "type": "string", "format": format, "description": "", "priority": i32::from(*wide)})
        })
        .collect();
    let rows: Vec<Value> = items
        .iter()
        .map(|item| {
            let cells: Vec<String> = columns.iter().map(|column| (column.cell)(item, &Moment { now, dates })).collect();
            json!({"cells": cells, "object": metadata_only(item)})
        })
        .collect();
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": version.to_string()},
        "columnDefinitions": definitions, "rows": rows})
}
