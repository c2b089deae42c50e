//! What is made here is found intact, and nothing that is altered afterwards is.

mod alterations;
mod findings;
mod forged;
mod formats;
mod sample;
