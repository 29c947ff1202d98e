//! The door: how people's programs reach the manager. One set of handlers for every way in; for now the way in is
//! a unix socket, whose callers are known by their peer credentials.

mod caller;
mod connection;
mod events;
mod get;
mod logs;
mod people;
mod put;
mod runs;
mod socket;
mod watch;

use std::sync::Arc;

use link::Fingerprint;
use protocol::api::Refusal;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::agents::Follows;
use super::config::Config;
use super::files::Room;
use super::heart::Heart;
use super::own_runs::{OwnRuns, Ways};
use super::store::{Outputs, Reader, Space, StoreError};

pub use people::People;
pub use socket::{Plate, listen, serve};

/// What every connection needs.
pub struct Door {
    pub heart: Heart,
    pub config: Arc<Config>,
    pub reader: Arc<Mutex<Reader>>,
    pub outputs: Outputs,
    pub space: Space,
    pub files: Room,
    pub follows: Follows,
    pub people: People,
    /// To nodes without an agent.
    pub ways: Arc<Ways>,
    /// What the manager runs itself, there and here.
    pub own_runs: OwnRuns,
    /// HOST:PORT for nodes to dial.
    pub address: String,
    pub host_key: Fingerprint,
    /// The manager is stopping: connections write what they have and end.
    pub closing: CancellationToken,
}

impl Door {
    /// Looks into the store. Readers take turns before they take a thread: however many there are, and however slow
    /// the disk, only one of the few threads that may wait is theirs.
    async fn read<T, F>(&self, look: F) -> Result<T, Refusal>
    where
        T: Send + 'static,
        F: FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    {
        let reader = self.reader.clone().lock_owned().await;
        match tokio::task::spawn_blocking(move || look(&reader).map_err(|error| reader.explained(error))).await {
            Ok(read) => read.map_err(|e| Refusal::unavailable(e.to_string())),
            Err(_) => Err(Refusal::unavailable("the store could not be read; see the manager's log")),
        }
    }
}
