//! Comparing runs without assuming a distribution: Mann-Whitney's U between two runs, E-divisive over many.
//!
//! Both report how strange a difference is. They never gate a single night.

mod e_divisive;
mod mann_whitney;

pub use e_divisive::{ChangePoint, best_split, e_divisive_q, permutation_p_value};
pub use mann_whitney::{MannWhitney, mann_whitney, mann_whitney_asymptotic, mann_whitney_exact};
