//! After each hello, what the node has and what the core believes of it are brought together, attempt by attempt.

use std::collections::BTreeMap;

use protocol::agent::{Hello, ToAgent};
use protocol::id::{AttemptId, TaskId};
use protocol::job::TaskState;
use protocol::time::UnixMillis;

use super::Cluster;
use super::ids::NodeIx;
use super::orders::Phase;
use super::port::LinkId;
use super::queue::Key;
use super::sane;
use super::turn::Turn;

#[derive(Debug, Clone, Copy)]
pub struct Has {
    pub started_at: UnixMillis,
    pub ended: bool,
}

impl Cluster {
    pub(super) fn reconcile(&mut self, ix: NodeIx, link: LinkId, hello: &Hello, rebooted: bool, turn: &mut Turn<'_>) {
        let held = hello.held.iter().map(|h| (h.attempt, Has { started_at: h.started_at, ended: h.ended }));
        let mut held: BTreeMap<AttemptId, Has> = held.collect();
        self.reconcile_answers(ix, link, &mut held, rebooted, turn);
        let mut phases: BTreeMap<TaskId, Phase> = BTreeMap::new();
        let given = self.nodes.get(ix).map(|node| node.orders.in_order()).unwrap_or_default();
        for (task, order) in given {
            match held.remove(&task.attempt(order.number)) {
                Some(has) => {
                    self.mark_started(ix, task.attempt(order.number), has.started_at, turn);
                    phases.insert(task, phase(has));
                }
                None => self.missing(ix, task, order.phase, rebooted, turn),
            }
        }
        self.unasked(ix, link, held, &mut phases, turn);
        if let Some(node) = self.nodes.get_mut(ix) {
            node.orders.reset(hello.slots, |task| phases.get(&task).copied());
        }
        self.send_again(ix, link, &phases, turn);
        // After a restart more may wait here than its turn to run explains.
        self.agenda.pull = true;
        self.room_on(ix);
    }

    /// The node does not have an attempt that was given to it.
    fn missing(&mut self, ix: NodeIx, id: TaskId, phase: Phase, rebooted: bool, turn: &mut Turn<'_>) {
        let running = self.jobs.task(id).is_some_and(|(_, task)| task.state == TaskState::Running);
        let node = self.nodes.get(ix);
        let draining = node.is_some_and(|node| node.draining);
        // Its agent may be an older one now.
        let key = self.jobs.get(id.job).map(|job| Key::of(job, id.index));
        let unfit = key.zip(node).is_some_and(|(key, node)| !node.can(&key));
        let stopping = self.jobs.stopping.contains_key(&id);
        if rebooted {
            // Whether it had begun before is not known: it may run a second time, so that is said.
            self.lose(id, ix, phase, "its node was started anew".into(), turn);
        } else if running || phase == Phase::Ending {
            self.lose(id, ix, phase, "its node no longer has it".into(), turn);
        } else if stopping {
            self.take_order(ix, id);
            self.end_stopped(id, "", turn);
        } else if draining || unfit {
            self.take_order(ix, id);
            self.unassign(id, turn);
        }
        // Otherwise the order was lost on its way, and is sent again.
    }

    /// The node has attempts that are not, or not any more, given to it.
    fn unasked(
        &mut self,
        ix: NodeIx,
        link: LinkId,
        held: BTreeMap<AttemptId, Has>,
        phases: &mut BTreeMap<TaskId, Phase>,
        turn: &mut Turn<'_>,
    ) {
        let mut discard = vec![];
        for (attempt, has) in held {
            if self.may_take_back(attempt, ix) && (has.ended || self.takes_owner(ix, attempt, turn)) {
                let earliest = self.jobs.get(attempt.task.job).map_or(has.started_at, |job| job.submitted_at);
                let started_at = sane::time(has.started_at, earliest, turn.now.wall);
                self.take_back(attempt.task, ix, started_at, turn);
                phases.insert(attempt.task, phase(has));
            } else if has.ended && self.may_be_late(attempt, ix) {
                // Its result may still come, and is kept apart.
                if let Some(node) = self.nodes.get_mut(ix) {
                    node.late.insert(attempt);
                }
            } else {
                discard.push(attempt);
            }
        }
        if !discard.is_empty() {
            turn.send(link, ToAgent::Discard { attempts: discard });
        }
    }

    /// What runs on a node makes it its owner's, where tasks share a uid; one that has become another's since then is
    /// not shared, and the attempt runs elsewhere.
    fn takes_owner(&mut self, ix: NodeIx, attempt: AttemptId, turn: &mut Turn<'_>) -> bool {
        let owner = self.jobs.get(attempt.task.job).map(|job| job.owner);
        let node = self.nodes.get(ix);
        let Some((owner, node)) = owner.zip(node) else { return false };
        if !self.welcome(ix, node, owner) {
            return false;
        }
        self.take_for(ix, owner, turn);
        true
    }

    fn send_again(&mut self, ix: NodeIx, link: LinkId, phases: &BTreeMap<TaskId, Phase>, turn: &mut Turn<'_>) {
        let given = self.nodes.get(ix).map(|node| node.orders.in_order()).unwrap_or_default();
        for (id, order) in given {
            match phases.get(&id) {
                None => {
                    let Some(owner) = self.jobs.get(id.job).map(|job| job.owner) else { continue };
                    let uid = self.config.task_uid_base.saturating_add(self.people.serial(owner, turn));
                    if let Some(order) = self.order(id, uid) {
                        turn.send(link, ToAgent::Start(order));
                    }
                }
                // One that has ended gives up a result that it cannot deliver.
                Some(_) => {
                    if let Some(reason) = self.jobs.stopping.get(&id) {
                        let attempt = id.attempt(order.number);
                        turn.send(link, ToAgent::Stop { attempt, reason: reason.clone() });
                    }
                }
            }
        }
    }
}

fn phase(has: Has) -> Phase {
    if has.ended { Phase::Ending } else { Phase::Running }
}
