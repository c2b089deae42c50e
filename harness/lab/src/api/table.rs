//! `Table` responses: what `kubectl get` prints.

use serde_json::{Value, json};

use super::read::metadata_only;
use super::table_kinds::{Column, columns};
use crate::clock::{Dates, Ms, age};
use crate::store::{Resource, object};

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
            let cells: Vec<String> = columns.iter().map(|column| (column.cell)(item, &View { now, dates })).collect();
            json!({"cells": cells, "object": metadata_only(item)})
        })
        .collect();
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": version.to_string()},
        "columnDefinitions": definitions, "rows": rows})
}

/// What a cell may need beside its object.
pub(crate) struct View {
    now: Ms,
    dates: Dates,
}

impl View {
    /// The time since a date, as kubectl shows ages.
    pub(crate) fn since(&self, date: &str) -> String {
        self.dates.parse(date).map_or_else(|| "<unknown>".into(), |at| age(self.now - at))
    }

    pub(crate) fn age(&self, item: &Value) -> String {
        self.since(object::text(item, "/metadata/creationTimestamp"))
    }
}
