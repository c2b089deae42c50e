//! Comparing runs without assuming a distribution: Mann-Whitney's U between two runs, E-divisive over many.
//!
//! All report how unlikely a difference is. None decides a verdict.

mod change;
mod e_divisive;
mod mann_whitney;
mod shuffle;

pub use change::{Change, ChangeSearch, WINDOW, windows};
pub use e_divisive::{ChangePoint, best_split, e_divisive_q, permutation_p_value};
pub use mann_whitney::{MannWhitney, mann_whitney, mann_whitney_asymptotic, mann_whitney_exact};
