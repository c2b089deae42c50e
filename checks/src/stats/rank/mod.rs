//! Comparing runs without assuming a distribution: Mann-Whitney's U between two runs, E-divisive over many.
//!
//! Both report how unlikely a difference is. Neither decides a verdict.

pub(crate) mod e_divisive;
pub(crate) mod mann_whitney;
