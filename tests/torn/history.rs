//! All events of the run, arranged so that the state after any of them can be asked for.

use std::collections::{BTreeMap, HashMap};

use protocol::event::{Event, What};
use protocol::id::{AttemptId, JobId};
use protocol::job::TaskState;
use protocol::name::NodeName;

#[derive(Default)]
pub struct History {
    /// As the database writes them; number 1 is the first.
    texts: Vec<String>,
    /// When a job came and when it was forgotten.
    jobs: HashMap<JobId, (u64, Option<u64>)>,
    submits: Vec<u64>,
    forgets: Vec<u64>,
    pub ends: HashMap<AttemptId, (u64, TaskState, Option<i32>)>,
    pub all_ends: Vec<(u64, AttemptId)>,
    nodes: BTreeMap<NodeName, Vec<(u64, Turn)>>,
}

#[derive(Debug, Clone, Copy)]
enum Turn {
    Joined,
    Draining(bool),
    Revoked,
    Removed,
}

/// How a node stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    pub draining: bool,
    pub revoked: bool,
}

impl History {
    pub fn of(events: &[Event]) -> Self {
        let mut history = Self::default();
        for (event, no) in events.iter().zip(1..) {
            assert_eq!(event.no, no, "an event was not told");
            history.texts.push(serde_json::to_string(&event.what).unwrap());
            let mut node = |name: &NodeName, turn| history.nodes.entry(name.clone()).or_default().push((no, turn));
            match &event.what {
                What::JobSubmitted { job, .. } => {
                    history.jobs.insert(*job, (no, None));
                    history.submits.push(no);
                }
                What::JobForgotten { job } => {
                    if let Some(known) = history.jobs.get_mut(job) {
                        known.1 = Some(no);
                    }
                    history.forgets.push(no);
                }
                What::TaskEnded { attempt, state, code, .. } => {
                    let twice = history.ends.insert(*attempt, (no, *state, *code));
                    assert_eq!(twice, None, "{attempt} ended twice");
                    history.all_ends.push((no, *attempt));
                }
                What::NodeJoined { node: name, .. } => node(name, Turn::Joined),
                What::NodeDraining { node: name } => node(name, Turn::Draining(true)),
                What::NodeUndrained { node: name } => node(name, Turn::Draining(false)),
                What::NodeRevoked { node: name } => node(name, Turn::Revoked),
                What::NodeRemoved { node: name } => node(name, Turn::Removed),
                _ => {}
            }
        }
        history
    }

    pub fn text(&self, no: u64) -> Option<&str> {
        self.texts.get(no.checked_sub(1)? as usize).map(String::as_str)
    }

    pub fn len(&self) -> u64 {
        self.texts.len() as u64
    }

    /// Whether the job is known after event `no`.
    pub fn knows(&self, job: JobId, no: u64) -> bool {
        self.jobs.get(&job).is_some_and(|(came, went)| *came <= no && went.is_none_or(|went| went > no))
    }

    pub fn forgotten(&self, job: JobId, no: u64) -> bool {
        self.jobs.get(&job).is_some_and(|(_, went)| went.is_some_and(|went| went <= no))
    }

    /// How many jobs are known after event `no`.
    pub fn jobs(&self, no: u64) -> usize {
        let until = |numbers: &[u64]| numbers.partition_point(|n| *n <= no);
        until(&self.submits) - until(&self.forgets)
    }

    /// The nodes there are after event `no`.
    pub fn nodes(&self, no: u64) -> BTreeMap<NodeName, Standing> {
        let mut nodes = BTreeMap::new();
        for (name, turns) in &self.nodes {
            let mut standing = None;
            for (_, turn) in turns.iter().take_while(|(at, _)| *at <= no) {
                match turn {
                    Turn::Joined => standing = Some(Standing::default()),
                    Turn::Removed => standing = None,
                    Turn::Draining(on) => standing.iter_mut().for_each(|node: &mut Standing| node.draining = *on),
                    Turn::Revoked => standing.iter_mut().for_each(|node: &mut Standing| node.revoked = true),
                }
            }
            nodes.extend(standing.map(|standing| (name.clone(), standing)));
        }
        nodes
    }
}
