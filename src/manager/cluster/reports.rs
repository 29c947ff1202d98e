//! What agents say after their hello. Every message may come twice, late or out of order, and a node may lie: what
//! does not fit what the core knows changes nothing.

use protocol::agent::{Finished, FromAgent, ToAgent};
use protocol::event::What;
use protocol::id::AttemptId;
use protocol::job::{NotStarted, Outcome, TaskState};
use protocol::name::NodeName;
use protocol::node::Facts;
use protocol::time::UnixMillis;

use super::Cluster;
use super::ends::Over;
use super::ids::NodeIx;
use super::orders::Phase;
use super::port::LinkId;
use super::sane;
use super::turn::Turn;
use super::valve::with_held_back;

impl Cluster {
    pub(super) fn report(&mut self, link: LinkId, report: FromAgent, turn: &mut Turn<'_>) {
        // Of a link that was replaced or cut, nothing counts any more.
        let Some(on) = self.nodes.by_link(link) else {
            self.ignored += 1;
            return;
        };
        match report {
            FromAgent::Started { attempt, at } if self.runs.has(attempt.task.job) => {
                self.answer_started(on, link, attempt, at, turn);
            }
            FromAgent::Finished(mut report) if self.runs.has(report.attempt.task.job) => {
                sane::finished(&mut report);
                self.answer_finished(on, link, report, turn);
            }
            FromAgent::Started { attempt, at } => self.started(on, link, attempt, at, turn),
            FromAgent::Finished(report) => self.finished(on, link, report, turn),
            FromAgent::Recalled { attempt } => self.recalled(on, attempt, turn),
            FromAgent::Facts(facts) => self.facts(on, *facts, turn),
            FromAgent::Metrics(patch) => {
                let Some(node) = self.nodes.get_mut(on) else { return };
                let was_full = node.is_full();
                match node.metrics.patch(patch) {
                    Ok(()) => {
                        sane::metrics(&mut node.metrics);
                        turn.touch_metrics(self.nodes.name(on));
                        self.follow_disk(on, was_full, turn);
                    }
                    Err(_) => {
                        self.ignored += 1;
                        let reason = "they are not what a machine can measure";
                        self.complain(on, turn, |node, note| What::ReportRefused {
                            node,
                            what: "the metrics".into(),
                            reason: note(reason),
                        });
                    }
                }
            }
            FromAgent::Refused { mut what, mut reason } => {
                sane::sentence(&mut what);
                sane::sentence(&mut reason);
                self.complain(on, turn, |node, note| What::OrderRefused { node, what, reason: note(&reason) });
            }
            // The shell answers for follows and for words an agent does not know; a second hello says nothing new.
            FromAgent::FollowFailed { .. } | FromAgent::NotUnderstood { .. } | FromAgent::Hello(_) => {
                self.ignored += 1;
            }
        }
    }

    fn started(&mut self, on: NodeIx, link: LinkId, attempt: AttemptId, at: UnixMillis, turn: &mut Turn<'_>) {
        let id = attempt.task;
        if self.is_live(attempt, on) {
            self.mark_started(on, attempt, at, turn);
        } else if self.jobs.past.get(&attempt).is_some_and(|past| past.node == Some(on)) {
            // It began after it had been given up for lost: another attempt runs instead.
            turn.send(link, ToAgent::Discard { attempts: vec![attempt] });
        } else if self.jobs.task(id).is_some_and(|(_, task)| task.attempt == attempt.number && task.node == Some(on)) {
            // Its end came first.
            self.ignored += 1;
        } else {
            self.never_its_own(on, link, attempt, "the start", turn);
        }
    }

    /// Once; a repetition changes nothing.
    pub(super) fn mark_started(&mut self, on: NodeIx, attempt: AttemptId, at: UnixMillis, turn: &mut Turn<'_>) {
        let id = attempt.task;
        let Some((job, task)) = self.jobs.task(id) else { return };
        if task.state != TaskState::Starting {
            return;
        }
        let at = sane::time(at, job.submitted_at, turn.now.wall);
        self.end_recall(on, id);
        if let Some(node) = self.nodes.get_mut(on) {
            node.orders.set_phase(id, Phase::Running);
        }
        self.refresh(on);
        // Kept, so that after a restart of this manager a node that has lost the attempt cannot be mistaken for one
        // that never began it: it is declared lost instead of being run again in silence.
        self.update(id, turn, |task| {
            task.state = TaskState::Running;
            task.set_started_at(Some(at));
        });
        let node = self.nodes.name(on).clone();
        turn.touch_metrics(&node);
        turn.publish(What::TaskStarted { attempt, node });
    }

    fn finished(&mut self, on: NodeIx, link: LinkId, mut report: Finished, turn: &mut Turn<'_>) {
        sane::finished(&mut report);
        let attempt = report.attempt;
        if let Some(node) = self.nodes.get_mut(on) {
            node.late.remove(&attempt);
        }
        // Nothing of it is to be had back: it may as well go on elsewhere.
        let last_words = matches!(
            report.outcome,
            Outcome::Lost { again: true, .. }
                | Outcome::NotStarted { kind: NotStarted::Fault | NotStarted::NoRoom, .. }
        );
        if !self.is_live(attempt, on) && self.may_take_back(attempt, on) && !last_words {
            let started_at = report.started_at.unwrap_or(turn.now.wall);
            let at = self.jobs.get(attempt.task.job).map_or(started_at, |job| job.submitted_at);
            self.take_back(attempt.task, on, sane::time(started_at, at, turn.now.wall), turn);
        }
        if self.is_live(attempt, on) {
            self.finish(on, report, turn);
        } else if !self.result_of_the_past(on, report, turn) {
            return self.never_its_own(on, link, attempt, "the result", turn);
        }
        turn.send(link, ToAgent::Ack { attempts: vec![attempt] });
    }

    fn finish(&mut self, on: NodeIx, report: Finished, turn: &mut Turn<'_>) {
        let id = report.attempt.task;
        let Some((job, task)) = self.jobs.task(id) else { return };
        let known = task.started_at();
        let told = report.started_at.map(|at| sane::time(at, job.submitted_at, turn.now.wall));
        // Its start was not heard of: it is now.
        if let (None, Some(at)) = (known, told) {
            self.mark_started(on, report.attempt, at, turn);
        }
        let started_at = known.or(told);
        if let Outcome::Lost { reason, again: true } = report.outcome {
            return self.lose(id, on, Phase::Running, reason, turn);
        }
        if let Some(reason) = self.want_of_room(on, &report.outcome, turn) {
            return self.lose(id, on, Phase::Running, reason, turn);
        }
        self.tell_result_lost(report.attempt, on, report.result_lost, turn);
        self.take_order(on, id);
        let earliest = started_at.unwrap_or_default();
        let over = Over {
            outcome: report.outcome,
            started_at,
            ended_at: sane::time(report.ended_at, earliest, turn.now.wall),
            ran_ms: report.ran_ms,
            output: Some((report.stdout, report.stderr)),
        };
        self.conclude(id, over, turn);
    }

    /// Whether this attempt is the one its task runs as, on this node.
    pub(super) fn is_live(&self, attempt: AttemptId, on: NodeIx) -> bool {
        self.jobs
            .task(attempt.task)
            .is_some_and(|(_, task)| task.live() && task.attempt == attempt.number && task.node == Some(on))
    }

    /// A node speaks of an attempt that was never given to it, or of a job nobody remembers: it is to forget it.
    pub(super) fn never_its_own(
        &mut self,
        on: NodeIx,
        link: LinkId,
        attempt: AttemptId,
        what: &str,
        turn: &mut Turn<'_>,
    ) {
        self.ignored += 1;
        // Should it have a late result, that goes with it.
        if let Some(node) = self.nodes.get_mut(on) {
            node.late.remove(&attempt);
        }
        turn.send(link, ToAgent::Discard { attempts: vec![attempt] });
        // A job forgotten with age is nobody's lie.
        if self.jobs.task(attempt.task).is_some() || self.runs.has(attempt.task.job) {
            self.complain(on, turn, |node, note| What::ReportRefused {
                reason: note(&format!("it was not given to {node}")),
                node,
                what: format!("{what} of {attempt}"),
            });
        }
    }

    /// The shell did not take something that this node said beside its link.
    pub(super) fn lied(&mut self, node: &NodeName, what: String, reason: String, turn: &mut Turn<'_>) {
        self.ignored += 1;
        if let Some(on) = self.nodes.find(node) {
            self.complain(on, turn, |node, note| What::ReportRefused { node, what, reason: note(&reason) });
        }
    }

    /// An event a node can cause as often as it likes: a few pass, then one a minute.
    fn complain(
        &mut self,
        on: NodeIx,
        turn: &mut Turn<'_>,
        what: impl FnOnce(protocol::name::NodeName, &dyn Fn(&str) -> String) -> What,
    ) {
        let Some(held_back) = self.nodes.get_mut(on).and_then(|node| node.complaints.pass(turn.now.mono)) else {
            return;
        };
        turn.publish(what(self.nodes.name(on).clone(), &|reason| with_held_back(reason, held_back)));
    }

    fn facts(&mut self, on: NodeIx, mut facts: Facts, turn: &mut Turn<'_>) {
        sane::facts(&mut facts);
        let Some(node) = self.nodes.get_mut(on) else { return };
        // Which boot this is, is the hello's to say: it decides what may be sent again.
        facts.boot_id = node.facts.boot_id.clone();
        if node.facts != facts {
            let before = node.interpreters;
            node.know(facts);
            let more = !before.has(node.interpreters);
            // One that changes them without end is shown as it says, and written down now and then.
            if node.facts_kept.pass(turn.now.mono).is_some() {
                self.persist_node(on, turn);
            }
            turn.touch_node(self.nodes.name(on));
            if more {
                self.room_on(on);
            }
        }
    }
}
