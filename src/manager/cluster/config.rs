//! What the core is told once, when it is made.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::name::{NodeName, ScriptName};
use protocol::{OLDEST_PROTOCOL, PROTOCOL};

use super::scripts::Text;

#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// How long a node may be away before its attempts are declared lost.
    pub lease_ms: u64,
    /// Between SIGTERM and SIGKILL.
    pub stop_grace_ms: u64,
    /// The most output kept of each stream of a task.
    pub output_limit: u64,
    /// How often a task whose attempt was lost is queued again by itself.
    pub most_losses: u32,
    /// CPUs' worth of orders a node may have beyond its free ones; `None`: twice its slots, at least 8: enough for tasks of a
    /// millisecond while a commit and a round trip take two.
    pub backlog: Option<u32>,
    /// How long the head of the queue may be overtaken by smaller tasks before a node is kept free for it.
    pub patience_ms: u64,
    pub task_uid_base: u32,
    /// Nodes with a shared uid that may take the work of more than one person.
    pub allow_shared_uid: BTreeSet<NodeName>,
    /// The most tasks of ended jobs that are remembered.
    pub keep_tasks: u32,
    /// The most bytes of files that one person keeps.
    pub files_quota: u64,
    /// How long results are kept that nobody has collected, from the end of their job on, in hours that are counted.
    pub results_keep_hours: u64,
    /// How long they are kept after somebody has.
    pub results_collected_hours: u64,
    /// The most bytes of all results, where there is a most.
    pub results_limit: Option<u64>,
    /// How long a join token is good for where nothing else was asked.
    pub token_ttl_ms: u64,
    /// Scripts that come with the program.
    pub scripts: Arc<[(ScriptName, Arc<Text>)]>,
    /// The manager's own version, for the welcome.
    pub version: String,
    /// Those it speaks with agents.
    pub protocols: RangeInclusive<u32>,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            lease_ms: 60_000,
            stop_grace_ms: 10_000,
            output_limit: 64 << 20,
            most_losses: 3,
            backlog: None,
            patience_ms: 60_000,
            task_uid_base: 1_900_000_000,
            allow_shared_uid: BTreeSet::new(),
            keep_tasks: 200_000,
            files_quota: 10 << 30,
            results_keep_hours: 30 * 24,
            results_collected_hours: 24,
            results_limit: None,
            token_ttl_ms: 3_600_000,
            scripts: Arc::new([]),
            version: protocol::VERSION.to_owned(),
            protocols: OLDEST_PROTOCOL..=PROTOCOL,
        }
    }
}

impl ClusterConfig {
    pub fn backlog_of(&self, slots: u32) -> u32 {
        self.backlog.unwrap_or_else(|| slots.saturating_mul(2).max(8))
    }
}
