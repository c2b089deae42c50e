//! What a person sees while runs go on: progress on stderr, results on stdout, in one order because one thread writes both.

mod board;
mod event;
mod handle;
mod lanes;
mod lines;
mod view;

pub(super) use handle::{Display, DisplayOptions, Entry};
