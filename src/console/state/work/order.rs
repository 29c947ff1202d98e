//! What jobs are sorted by, and what a filter finds in them.

use std::cmp::Reverse;

use protocol::api::JobView;
use protocol::id::TaskId;
use protocol::job::TaskState;
use serde::{Deserialize, Serialize};

use crate::console::state::filter::{Filtered, contains};
use crate::text;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkColumn {
    #[default]
    Newest,
    Name,
    State,
    Owner,
    Done,
    Size,
}

impl WorkColumn {
    pub const ALL: [WorkColumn; 6] = [
        WorkColumn::Newest,
        WorkColumn::Name,
        WorkColumn::State,
        WorkColumn::Owner,
        WorkColumn::Done,
        WorkColumn::Size,
    ];

    pub fn word(self) -> &'static str {
        match self {
            WorkColumn::Newest => "newest",
            WorkColumn::Name => "name",
            WorkColumn::State => "state",
            WorkColumn::Owner => "owner",
            WorkColumn::Done => "done",
            WorkColumn::Size => "size",
        }
    }
}

/// Sorts indices into the jobs; equal ones stay as the picture has them, the newest first.
pub(super) fn sort(order: &mut [usize], by: WorkColumn, jobs: &[JobView]) {
    let share = |job: &JobView| u64::from(job.counts.ended()) * 1000 / u64::from(job.counts.total().max(1));
    match by {
        WorkColumn::Newest => {}
        WorkColumn::Name => order.sort_by_cached_key(|at| title(&jobs[*at]).to_lowercase()),
        WorkColumn::State => order.sort_by_key(|at| urgency(jobs[*at].state)),
        WorkColumn::Owner => order.sort_by(|one, other| jobs[*one].owner.cmp(&jobs[*other].owner)),
        WorkColumn::Done => order.sort_by_key(|at| Reverse(share(&jobs[*at]))),
        WorkColumn::Size => order.sort_by_key(|at| Reverse(jobs[*at].counts.total())),
    }
}

/// What goes on comes first, then what went wrong.
fn urgency(state: TaskState) -> u8 {
    match state {
        TaskState::Running => 0,
        TaskState::Starting => 1,
        TaskState::Queued => 2,
        TaskState::Lost => 3,
        TaskState::Failed => 4,
        TaskState::Stopped => 5,
        TaskState::Succeeded => 6,
    }
}

/// What a job is called by: its name, else its command.
pub fn title(job: &JobView) -> String {
    match &job.name {
        Some(name) => text::clean(name.as_str()).into_owned(),
        None => text::command(&job.command),
    }
}

/// The task of a job that is but one.
pub fn only_task(job: &JobView) -> Option<TaskId> {
    (job.counts.total() == 1).then_some(TaskId { job: job.id, index: job.first })
}

impl Filtered for JobView {
    const FIELDS: &'static [&'static str] = &["state", "node", "owner", "person", "name", "job"];

    fn texts(&self, found: &mut dyn FnMut(&str)) {
        found(&self.id.0.to_string());
        found(self.owner.as_str());
        if let Some(name) = &self.name {
            found(name.as_str());
        }
        self.command.iter().for_each(|word| found(word));
        found(self.state.word());
    }

    fn field(&self, name: &str, value: &str) -> Option<bool> {
        match name {
            "state" => {
                let mut counts = self.counts;
                Some(TaskState::ALL.into_iter().any(|state| *counts.of(state) > 0 && contains(state.word(), value)))
            }
            "node" => Some(self.node.as_ref().is_some_and(|node| contains(node.as_str(), value))),
            "owner" | "person" => Some(contains(self.owner.as_str(), value)),
            "name" => Some(self.name.as_ref().is_some_and(|name| contains(name.as_str(), value))),
            "job" => Some(self.id.0.to_string() == value),
            _ => None,
        }
    }
}
