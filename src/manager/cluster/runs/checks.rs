//! What tests ask of the table of runs.

use std::collections::{BTreeMap, BTreeSet};

use protocol::id::TaskId;
use protocol::job::TaskState;

use super::super::change::{AnswerRow, RunRow};
use super::super::ids::NodeIx;
use super::{By, Runs};

impl Runs {
    /// Its indexes and its counts are what its answers say.
    pub fn agree(&self) {
        let mut owed: BTreeMap<NodeIx, BTreeSet<TaskId>> = BTreeMap::new();
        let (mut answers, mut stdin) = (0, 0);
        for (id, run) in &self.all {
            answers += run.answers.len();
            stdin += run.row.stdin.0.len();
            let mut waiting = BTreeSet::new();
            let (mut under_way, mut ended) = (0, 0);
            for (index, answer) in (0..).zip(&run.answers) {
                let task = TaskId { job: *id, index };
                match answer.state {
                    TaskState::Queued => drop(waiting.insert(index)),
                    TaskState::Starting | TaskState::Running => under_way += 1,
                    _ => ended += 1,
                }
                let live = matches!(answer.state, TaskState::Starting | TaskState::Running);
                if live && let Some(By::Agent(ix)) = answer.by {
                    owed.entry(ix).or_default().insert(task);
                }
                assert!(answer.state.ended() == answer.outcome.is_some(), "{task}");
                assert!(!live || answer.by.is_some(), "{task} is under way with nobody");
                assert!(answer.changed <= run.revision, "{task}");
            }
            assert_eq!(waiting, run.waiting.iter().copied().collect(), "run {id}");
            assert_eq!((under_way, ended), (run.under_way, run.ended), "run {id}");
            assert_eq!(run.orders.is_none(), run.over(), "run {id}");
        }
        assert_eq!((answers, stdin), (self.answers, self.stdin));
        assert_eq!(owed, self.by_node);
    }

    pub fn rows(&self) -> Vec<(&RunRow, Vec<AnswerRow>)> {
        let of = |(id, run): (_, &super::Run)| -> Vec<AnswerRow> {
            let rows = (0..).zip(&run.answers).map(|(index, answer)| answer.row(TaskId { job: id, index }));
            rows.collect()
        };
        self.all.iter().map(|(id, run)| (&*run.row, of((*id, run)))).collect()
    }

    pub fn is_at_rest(&self) -> bool {
        self.by_node.is_empty() && self.watchers.is_empty() && self.all.values().all(super::Run::over)
    }
}
