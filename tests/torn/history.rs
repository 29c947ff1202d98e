//! All events of the run, arranged so that the state after any of them can be asked for.

use std::collections::{BTreeMap, HashMap};

use protocol::event::{Event, What};
use protocol::file::ContentHash;
use protocol::id::{AttemptId, JobId};
use protocol::job::TaskState;
use protocol::name::{FileName, NodeName, PersonName};

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
    files: Vec<(u64, What)>,
}

#[derive(Debug, Clone, Copy)]
enum Turn {
    Joined,
    Draining(bool),
    Revoked,
    Removed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub owner: PersonName,
    pub name: FileName,
    pub size: u64,
    pub hash: ContentHash,
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
                What::FileKept { .. } | What::FileRemoved { .. } | What::FileRenamed { .. } => {
                    history.files.push((no, event.what.clone()));
                }
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

    /// The files there are after event `no`, by their versions.
    pub fn files(&self, no: u64) -> BTreeMap<u64, File> {
        let mut files: BTreeMap<u64, File> = BTreeMap::new();
        for (_, what) in self.files.iter().take_while(|(at, _)| *at <= no) {
            match what {
                What::FileKept { owner, name, version, size, hash } => {
                    files.retain(|_, file| (&file.owner, &file.name) != (owner, name));
                    let (owner, name) = (owner.clone(), name.clone());
                    files.insert(*version, File { owner, name, size: *size, hash: *hash });
                }
                What::FileRemoved { version, .. } => drop(files.remove(version)),
                What::FileRenamed { version, to, .. } => {
                    files.entry(*version).and_modify(|file| file.name = to.clone());
                }
                _ => {}
            }
        }
        files
    }

    /// Whether the event is among the first `no` that says that this version was kept.
    pub fn was_kept(&self, version: u64, no: u64) -> bool {
        let kept = |what: &What| matches!(what, What::FileKept { version: kept, .. } if *kept == version);
        self.files.iter().any(|(at, what)| *at <= no && kept(what))
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
