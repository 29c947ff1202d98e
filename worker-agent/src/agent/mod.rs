pub mod desk;
pub mod environment;
pub mod folder;
pub mod spool;
use std::os::unix::net::UnixStream;

use crate::cli::Work;
use crate::layout::Layout;

/// What an agent is started with.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    pub layout: Layout,
    pub work: Work,
}

/// No restart can help (the token is refused, no manager is known): the keeper ends too, unless it has tasks to keep.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct GiveUp(pub String);

pub fn run(_config: AgentConfig, _keeper: UnixStream) -> anyhow::Result<()> {
    anyhow::bail!("the agent is not built in")
}
