//! A worker: two processes of one small binary.
//!
//! - [`keeper`] is what systemd (or the demo) starts. It owns the tasks' processes and hardly ever changes: no link, no
//!   tokio, no decisions about work.
//! - [`agent`] is its child. It owns the link to the manager: orders, files, streaming, metrics.
//! - [`facts`] says what this machine is and what it lacks.
//! - [`layout`] says where everything lies; [`out`] looks at what tasks leave; [`cli`] is the command line.
//!
//! Everything is a library, so that the one `bramble` binary can play this role too (`bramble worker-agent …`).

pub mod agent;
pub mod cli;
pub mod facts;
pub mod keeper;
pub mod layout;
mod memory;
mod out;

pub use cli::{Args, main};
