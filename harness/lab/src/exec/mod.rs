//! `pods/exec` and `pods/portforward` over `WebSockets`.

mod channels;
mod command;
mod context;
mod curl;
mod files;
mod forward;
mod image;
mod pilot;
mod ping;
mod script;
mod session;
mod upgrade;

pub(crate) use upgrade::upgrade;
