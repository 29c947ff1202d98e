//! The agent: owns the link to the manager, and what is done for it on this machine.
//!
//! - [`life`] is its one loop: whatever the keeper, the manager or the clock says is handled there, in turn, by one owner
//!   on one thread.
//! - [`desk`] decides what runs and what waits; [`folder`], [`spares`], [`spool`], [`environment`] and [`secrets`] are what a
//!   task gets.
//! - [`given`] sees to the files that orders have: [`fetch`] brings what is missing, [`cache`] keeps it and places it.
//! - [`control`] is the link for orders and reports, [`bulk`], [`results`] and [`follow`] are for what is large or watched,
//!   each on connections of their own. [`join`] is how a node gets a manager, [`home`] how it remembers it.
//! - [`pulse`] tells how the machine is; [`status`] how the agent is; [`reserve`] keeps it from being eaten whole.
//!
//! It may be killed at any moment: what must not be lost is in the keeper's journal and in files. What waits only here
//! (orders without a slot) the manager sends again.

mod backoff;
mod bulk;
mod cache;
mod content;
mod control;
mod desk;
mod environment;
mod fetch;
mod folder;
mod follow;
mod given;
mod home;
mod join;
mod keeper;
mod life;
mod orders;
mod pulse;
mod reports;
mod reserve;
mod results;
mod run;
mod secrets;
mod spares;
mod spool;
mod status;

use std::os::unix::net::UnixStream;

use anyhow::Context;

use crate::cli::Work;
use crate::layout::Layout;

pub use status::rows as status_rows;

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

/// Until the keeper is gone or joining is refused for good.
pub fn run(config: AgentConfig, keeper: UnixStream) -> anyhow::Result<()> {
    std::thread::Builder::new()
        .name("reserve".into())
        .spawn(reserve::keep_some_back)
        .context("the agent cannot start")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(4)
        .thread_stack_size(256 * 1024)
        .build()
        .context("the agent cannot start")?;
    // Open until this process has ended: the keeper takes its closing for a death, and would not wait for our last words.
    std::mem::forget(keeper.try_clone().context("the socket to the keeper cannot be used")?);
    let ended = runtime.block_on(life::live(config, keeper));
    // A folder that takes long to remove is gone on with by the next agent.
    runtime.shutdown_background();
    ended
}
