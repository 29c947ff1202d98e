//! The door: how people's programs reach the manager. One set of handlers for every way in; for now the way in is
//! a unix socket, whose callers are known by their peer credentials.

mod caller;
mod connection;
mod events;
mod logs;
mod socket;
mod watch;

use std::sync::Arc;

use link::Fingerprint;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::agents::Follows;
use super::config::Config;
use super::heart::Heart;
use super::store::{Outputs, Reader, Space};

pub use socket::{Plate, listen, serve};

/// What every connection needs.
pub struct Door {
    pub heart: Heart,
    pub config: Arc<Config>,
    pub reader: Mutex<Reader>,
    pub outputs: Outputs,
    pub space: Space,
    pub follows: Follows,
    /// HOST:PORT for nodes to dial.
    pub address: String,
    pub host_key: Fingerprint,
    /// The manager is stopping: connections write what they have and end.
    pub closing: CancellationToken,
}
