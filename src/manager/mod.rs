//! The manager: a daemon that owns the state of a bramble and tells everyone else about it.
//!
//! People come through the [`door`], nodes through [`agents`]; both only turn words into inputs of the [`heart`],
//! which owns the pure [`cluster`] core and hands what follows to the [`store`]. The bytes of files lie in [`files`]. How nodes have been doing is in the
//! [`history`]. What nodes without an agent are asked, and what the manager runs itself, is in [`own_runs`]; whether such nodes
//! answer, in [`reach`]. Who is to be told of the end of a job, [`notify`] tells. Nothing is told before it is kept.

mod agents;
pub mod cluster;
pub mod config;
mod daemon;
mod door;
mod files;
mod heart;
mod history;
mod notify;
mod own_runs;
mod reach;
mod reply;
mod rule;
mod scripts;
mod store;
#[cfg(test)]
mod tests;
mod token;

pub use daemon::{Observer, run};
