//! Runs: one command or script on some nodes, now. They wait for no slot, are tried once, and each node's answer ends
//! at most once; agents run them like attempts, and so tell of them.

use protocol::agent::Finished;
use protocol::api::{Refusal, Reply};
use protocol::id::{AttemptId, JobId};
use protocol::run::{RunQuery, RunSpec};
use protocol::time::UnixMillis;

use super::Cluster;
use super::change::{AnswerRow, RunRow};
use super::port::Caller;
use super::turn::Turn;

#[derive(Debug, Default)]
pub struct Runs {}

impl Runs {
    pub fn load(_runs: Vec<RunRow>, _answers: Vec<AnswerRow>) -> Self {
        Self::default()
    }
}

impl Cluster {
    pub(super) fn run(&mut self, _caller: &Caller, _spec: RunSpec, _turn: &mut Turn<'_>) -> Result<Reply, Refusal> {
        Err(not_yet())
    }

    pub(super) fn run_again(
        &mut self,
        _caller: &Caller,
        _run: Option<JobId>,
        _turn: &mut Turn<'_>,
    ) -> Result<Reply, Refusal> {
        Err(not_yet())
    }

    pub(super) fn list_runs(&self, _caller: &Caller, _query: &RunQuery) -> Result<Reply, Refusal> {
        Err(not_yet())
    }

    pub(super) fn show_run(&self, _caller: &Caller, _run: JobId) -> Result<Reply, Refusal> {
        Err(not_yet())
    }

    pub(super) fn run_text(&self, _caller: &Caller, _run: JobId) -> Result<Reply, Refusal> {
        Err(not_yet())
    }

    pub(super) fn own_run_started(&mut self, _attempt: AttemptId, _at: UnixMillis, _turn: &mut Turn<'_>) {}

    pub(super) fn own_run_ended(&mut self, _finished: Finished, _turn: &mut Turn<'_>) {}
}

fn not_yet() -> Refusal {
    Refusal::refused("this manager takes no runs yet")
}
