//! What a link that comes or goes means for the answers its agent owes.

use std::collections::BTreeMap;

use protocol::agent::ToAgent;
use protocol::id::{AttemptId, TaskId};
use protocol::job::TaskState;

use super::super::Cluster;
use super::super::hello::Has;
use super::super::ids::NodeIx;
use super::super::port::LinkId;
use super::super::turn::Turn;

impl Cluster {
    /// Brings together what this agent has and what it owes. What it has besides is left in `held`.
    pub(in super::super) fn reconcile_answers(
        &mut self,
        ix: NodeIx,
        link: LinkId,
        held: &mut BTreeMap<AttemptId, Has>,
        rebooted: bool,
        turn: &mut Turn<'_>,
    ) {
        self.runs.expect_no_more(ix);
        let owed: Vec<TaskId> = self.runs.by_node.get(&ix).into_iter().flatten().copied().collect();
        for id in owed {
            let attempt = id.attempt(1);
            let Some((_, answer)) = self.runs.answer(id) else { continue };
            let (stopping, running) = (answer.stopping.clone(), answer.state == TaskState::Running);
            match held.remove(&attempt) {
                Some(has) => {
                    if !has.ended {
                        self.note_answer_start(id, has.started_at, turn);
                    }
                    if let Some(reason) = stopping {
                        turn.send(link, ToAgent::Stop { attempt, reason });
                    }
                }
                // Whether it had begun is not known, and nothing is run twice.
                None if rebooted => self.lose_answer(id, "its node was started anew", turn),
                None if running => self.lose_answer(id, "its node no longer has it", turn),
                None => match stopping {
                    Some(reason) => self.end_stopped_answer(id, reason, turn),
                    // The order was lost on its way.
                    None if self.nodes.get(ix).is_some_and(|node| node.takes_runs) => {
                        self.send_answer_order(id, ix, turn);
                    }
                    None => self.lose_answer(id, "its agent is an older one now, and takes no commands", turn),
                },
            }
        }
    }

    pub(in super::super) fn lose_answers_on(&mut self, ix: NodeIx, reason: &str, turn: &mut Turn<'_>) {
        let owed: Vec<TaskId> = self.runs.by_node.get(&ix).into_iter().flatten().copied().collect();
        for id in owed {
            self.lose_answer(id, reason, turn);
        }
    }
}
