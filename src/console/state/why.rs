//! Why a task waits, asked from a list and told over it.

use std::collections::BTreeMap;

use protocol::api::{Request, TaskQuery, TaskView, Why};
use protocol::id::{JobId, Target, TaskId};
use protocol::job::TaskState;

use super::dialog::Dialog;
use super::{Overlay, State, toast};
use crate::console::event::{Effect, Purpose};
use crate::text;

/// Reasons a dialog has room for; a task's page and `bramble why` have them all.
const MOST_REASONS: usize = 5;

impl State {
    /// Asks why this waits; of a job, the first of its tasks that does.
    pub fn ask_why(&mut self, target: Target) -> Vec<Effect> {
        let id = match target {
            Target::Task(task) => task,
            Target::Attempt(attempt) => attempt.task,
            Target::Range { job, first, .. } => TaskId { job, index: first },
            Target::Job(job) => {
                self.last_command = Some(format!("bramble why {job}"));
                let waiting = self.picture.jobs.iter().find(|known| known.id == job).map(|job| job.counts.queued > 0);
                let states = if waiting == Some(true) { vec![TaskState::Queued] } else { vec![] };
                let query = TaskQuery { targets: vec![target], states, limit: 1, ..Default::default() };
                return vec![Effect::Ask(Purpose::WhyOf(job), Request::Tasks(query))];
            }
        };
        self.last_command = Some(format!("bramble why {id}"));
        vec![Effect::Ask(Purpose::WhyTold, Request::Why { id })]
    }

    pub(super) fn why_of(&mut self, job: JobId, task: Option<&TaskView>) -> Vec<Effect> {
        match task {
            Some(task) => vec![Effect::Ask(Purpose::WhyTold, Request::Why { id: task.id })],
            None => {
                self.toasts.say(toast::Kind::Plain, format!("no task of job {job} waits any more"), self.now);
                vec![]
            }
        }
    }

    pub(super) fn tell_why(&mut self, why: &Why) {
        // Whoever has begun to type since is not interrupted.
        if self.overlay.is_none() {
            let command = format!("bramble why {}", why.id);
            self.overlay = Some(Overlay::Dialog(Dialog::tell(format!("Why {}", why.id), told(why), Some(command))));
        }
    }
}

/// The sentence for the whole, then the reasons, each with the nodes that have it.
fn told(why: &Why) -> Vec<String> {
    let mut told = vec![format!("{} {}", why.id, text::reason(&why.summary))];
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for node in &why.nodes {
        reasons.entry(node.reason.as_str()).or_default().push(node.node.as_str());
    }
    let mut reasons: Vec<(&str, Vec<&str>)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, nodes)| std::cmp::Reverse(nodes.len()));
    let lines = reasons.iter().map(|(reason, nodes)| format!("{}: {reason}", crate::console::actions::listed(nodes)));
    told.extend(lines.take(MOST_REASONS));
    if reasons.len() > MOST_REASONS {
        let more = text::count((reasons.len() - MOST_REASONS) as u64, "more reason");
        told.push(format!("{more}: bramble why {}", why.id));
    }
    told
}
