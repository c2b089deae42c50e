//! Every defect, by what it concerns.

use super::{Row, drills, validation};

/// The rows of [`super::Defect::all`], in order.
pub(super) static ROWS: [&[Row]; 2] = [validation::ROWS, drills::ROWS];
