//! Every defect, by what it concerns.

use super::{Row, drills, monitoring, validation};

/// The rows of [`super::Defect::all`], in order.
pub(super) static ROWS: [&[Row]; 3] = [validation::ROWS, monitoring::ROWS, drills::ROWS];
