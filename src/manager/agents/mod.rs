//! The agents' side: the manager's SSH server, who is let in, and what each connection is for.

mod bulk;
mod control;
mod fetch;
mod follows;
mod join;
mod results;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use link::{Admission, Admit, Budget, Fingerprint, Guard, Incoming, Key, ServerConfig};
use protocol::agent::{BULK, CONTROL, JOIN, JOIN_USER, WORKER_USER};
use protocol::name::NodeName;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use super::cluster::LinkId;
use super::config::Config;
use super::files::Room;
use super::heart::{Heart, Keys};
use super::store::{Outputs, Space};

pub use follows::Follows;
pub use results::look_after as look_after_halves;

/// How long a connection may take to say what it is for.
const FIRST_FRAME: Duration = Duration::from_secs(10);

/// What one node may have half sent, over all its links: four of the longest frames.
const NODE_BUDGET: usize = 16 << 20;
/// What all strangers together may have: a request to join is small.
const STRANGERS_BUDGET: usize = 256 << 10;

#[derive(Clone)]
pub struct Agents {
    pub heart: Heart,
    pub outputs: Outputs,
    pub follows: Follows,
    pub files: Room,
    pub space: Space,
    /// The most a node may hand in of one stream of a task.
    pub output_limit: u64,
    pub budgets: Budgets,
}

/// Who may have how much half sent.
#[derive(Clone)]
pub struct Budgets {
    strangers: Budget,
    nodes: Arc<Mutex<HashMap<NodeName, Budget>>>,
}

impl Default for Budgets {
    fn default() -> Self {
        Self { strangers: Budget::new(STRANGERS_BUDGET), nodes: Arc::default() }
    }
}

impl Budgets {
    fn of(&self, node: &NodeName) -> Budget {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.entry(node.clone()).or_insert_with(|| Budget::new(NODE_BUDGET)).clone()
    }
}

/// Known keys are workers; an unknown one may only join.
struct Gate {
    keys: watch::Receiver<Arc<Keys>>,
}

impl Admit for Gate {
    fn admit(&self, user: &str, key: &Fingerprint, peer: SocketAddr) -> Admission {
        match user {
            JOIN_USER => Admission::Stranger,
            WORKER_USER if self.keys.borrow().contains_key(key) => Admission::Known,
            _ => {
                tracing::warn!(
                    "{} as {user:?} from {peer} was not let in: that key is unknown here or revoked",
                    key.as_str()
                );
                Admission::Refuse
            }
        }
    }
}

/// Serves agents until dropped.
pub async fn serve(listener: TcpListener, host_key: Arc<Key>, config: &Config, agents: Agents) -> std::io::Result<()> {
    let guard = Guard {
        strangers: config.strangers as usize,
        strangers_per_address: config.strangers_per_address as usize,
        ..Guard::default()
    };
    let server = ServerConfig {
        host_key,
        guard,
        keepalive: config.keepalive,
        keepalive_max: config.keepalive_max as usize,
        subsystems: [JOIN, CONTROL, BULK].map(String::from).to_vec(),
    };
    let (to, mut incoming) = mpsc::channel(64);
    let gate = Arc::new(Gate { keys: agents.heart.keys() });
    let serving = link::serve(listener, server, gate, to);
    tokio::pin!(serving);
    loop {
        tokio::select! {
            ended = &mut serving => return ended,
            Some(one) = incoming.recv() => {
                // Now, and not once it has said hello: an older link may take longer to say it.
                let number = agents.heart.new_link();
                tokio::spawn(receive(agents.clone(), one, number));
            }
        }
    }
}

async fn receive(agents: Agents, one: Incoming, number: LinkId) {
    let known = agents.heart.keys().borrow().get(&one.key).cloned();
    match (one.user.as_str(), one.subsystem.as_str(), known) {
        (JOIN_USER, JOIN, _) => join::receive(&agents, one).await,
        (WORKER_USER, CONTROL, Some(node)) => control::receive(&agents, one, node, number).await,
        (WORKER_USER, BULK, Some(node)) => bulk::receive(&agents, one, node).await,
        (user, subsystem, _) => tracing::warn!("{user:?} from {} may not open {subsystem:?}", one.peer),
    }
}
