//! What makes the lab move: time, the consequences of every change, and the handle through which requests reach the world.

mod changes;
mod handle;
mod time;

pub(crate) use changes::settle;
pub(crate) use handle::Engine;
