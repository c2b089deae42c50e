//! The shared test vectors, read once per test.

use serde_json::Value;

/// The whole table.
pub(crate) fn table() -> Value {
    serde_json::from_str(include_str!("../../tests/vectors/stats.json")).expect("vectors are JSON")
}

/// The rows under one key.
pub(crate) fn rows(key: &str) -> Vec<Value> {
    let rows = table()[key].as_array().expect("vectors have this key").clone();
    assert!(!rows.is_empty(), "no vectors under {key}");
    rows
}

pub(crate) fn number(row: &Value, key: &str) -> f64 {
    row[key].as_f64().expect("a number")
}

pub(crate) fn whole(row: &Value, key: &str) -> u64 {
    row[key].as_u64().expect("a whole number")
}

pub(crate) fn series(value: &Value) -> Vec<f64> {
    value.as_array().expect("a series").iter().map(|v| v.as_f64().expect("a number")).collect()
}

/// Fails unless both are within `tolerance` of each other.
pub(crate) fn close(got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance, "got {got}, want {want} within {tolerance}");
}
