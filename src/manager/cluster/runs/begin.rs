//! How answers are begun: by whom, and how many at once.

use protocol::agent::{Order, ToAgent};
use protocol::id::{JobId, TaskId};
use protocol::job::{NotStarted, Outcome, TaskState};
use protocol::run::{RunAs, Whence};

use super::super::Cluster;
use super::super::change::{Change, RunRow};
use super::super::ids::NodeIx;
use super::super::port::OwnRun;
use super::super::turn::Turn;
use super::answers::Over;
use super::{By, Run};

/// Bytes of scripts and standard inputs under way to nodes, of one run.
const MOST_UNDER_WAY: usize = 8 << 20;

impl Run {
    /// How many of its answers may be under way.
    fn at_once(&self) -> u32 {
        let Some(orders) = &self.orders else { return 0 };
        let script = orders.run.script.as_ref().map_or(0, |script| script.text.len());
        let bytes = orders.run.stdin.0.len() + script;
        let by_size = MOST_UNDER_WAY.checked_div(bytes).unwrap_or(usize::MAX).max(1);
        self.row.spec.at_once.unwrap_or(u32::MAX).min(u32::try_from(by_size).unwrap_or(u32::MAX))
    }
}

impl Cluster {
    /// All that may begin now.
    pub(in super::super) fn begin_answers(&mut self, turn: &mut Turn<'_>) {
        while let Some(id) = self.runs.fresh.pop_first() {
            let mut later = vec![];
            while let Some(index) = self.runs.all.get_mut(&id).and_then(|run| {
                let room = run.under_way < run.at_once();
                room.then(|| run.waiting.pop_front()).flatten()
            }) {
                let task = TaskId { job: id, index };
                match self.is_expected(task) {
                    true => later.push(index),
                    false => self.begin_answer(task, turn),
                }
            }
            if let Some(run) = self.runs.all.get_mut(&id) {
                later.into_iter().rev().for_each(|index| run.waiting.push_front(index));
            }
        }
    }

    /// Its node may not have had the time yet to come back to a manager that was started anew.
    fn is_expected(&self, id: TaskId) -> bool {
        let name = self.runs.answer(id).and_then(|(_, answer)| answer.whence.node());
        let ix = name.and_then(|name| self.nodes.find(name)).filter(|ix| self.runs.expected.contains(ix));
        let welcome = ix.and_then(|ix| self.nodes.get(ix)).is_some_and(|node| !node.revoked);
        welcome && self.way_to(id).is_err()
    }

    /// Those that are expected back have had a lease's time for it.
    pub(in super::super) fn expect_nobody(&mut self) {
        self.runs.expected.clear();
        self.runs.wake_all();
    }

    /// Those that cannot be asked have ended, before any other is.
    pub(super) fn end_unreachable(&mut self, id: JobId, turn: &mut Turn<'_>) {
        let Some(run) = self.runs.all.get(&id) else { return };
        let waiting: Vec<u32> = run.waiting.iter().copied().collect();
        for index in waiting {
            let task = TaskId { job: id, index };
            if let Err(why) = self.way_to(task) {
                if let Some(run) = self.runs.all.get_mut(&id) {
                    run.waiting.retain(|other| *other != index);
                }
                self.end_answer(task, Over::not_begun(why, turn.now.wall), turn);
            }
        }
    }

    fn begin_answer(&mut self, id: TaskId, turn: &mut Turn<'_>) {
        let by = match self.way_to(id) {
            Ok(by) => by,
            Err(why) => return self.end_answer(id, Over::not_begun(why, turn.now.wall), turn),
        };
        if let Some(run) = self.runs.all.get_mut(&id.job) {
            run.under_way += 1;
        }
        self.change_answer(id, turn, |answer| {
            answer.state = TaskState::Starting;
            answer.by = Some(by);
        });
        match by {
            By::Agent(ix) => {
                self.runs.owed(ix, id);
                self.claim(id, ix, turn);
                self.send_answer_order(id, ix, turn);
            }
            By::Shell => {
                if let Some(own) = self.own_run(id, turn) {
                    turn.own_run(own);
                }
            }
        }
    }

    /// Tasks that share a uid are one person's.
    fn claim(&mut self, id: TaskId, ix: NodeIx, turn: &mut Turn<'_>) {
        let Some((run, _)) = self.runs.answer(id) else { return };
        if run.row.spec.run_as == RunAs::Me {
            let owner = self.people.intern(&run.row.owner.clone());
            self.take_for(ix, owner, turn);
        }
    }

    /// Who can give this answer, or why nobody can.
    fn way_to(&self, id: TaskId) -> Result<By, String> {
        let Some((run, answer)) = self.runs.answer(id) else { return Err("the run is forgotten".into()) };
        let Whence::Node(name) = &answer.whence else { return Ok(By::Shell) };
        let Some((ix, node)) = self.nodes.find(name).and_then(|ix| Some((ix, self.nodes.get(ix)?))) else {
            return Err(format!("{name} was removed"));
        };
        if node.revoked {
            return Err(format!("the key of {name} was revoked"));
        }
        let root = run.row.spec.run_as == RunAs::Root;
        if node.link.is_some() && node.takes_runs {
            if root && node.shared_uid {
                return Err(format!("the agent of {name} is not root, so nothing can be run as root there"));
            }
            let owner = self.people.find(&run.row.owner);
            if !root && !owner.is_some_and(|owner| self.welcome(ix, node, owner)) {
                return Err(format!("{name} works for somebody else: all that runs there shares one uid"));
            }
            return Ok(By::Agent(ix));
        }
        if node.ssh.is_some() && !node.silent() {
            return Ok(By::Shell);
        }
        Err(match (node.link, &node.version) {
            (Some(_), Some(version)) => {
                format!("the agent of {name} ({version}) is older and takes no commands: update bramble on {name}")
            }
            _ => format!("{name} is down"),
        })
    }

    pub(super) fn send_answer_order(&mut self, id: TaskId, ix: NodeIx, turn: &mut Turn<'_>) {
        let Some(link) = self.nodes.get(ix).and_then(|node| node.link) else { return };
        if let Some((order, _)) = self.answer_order(id, turn) {
            turn.send(link, ToAgent::Start(order));
        }
    }

    fn answer_order(&mut self, id: TaskId, turn: &mut Turn<'_>) -> Option<(Order, std::sync::Arc<RunRow>)> {
        let (run, _) = self.runs.answer(id)?;
        let (orders, row) = (run.orders.clone()?, run.row.clone());
        let owner = self.people.intern(&row.owner);
        let uid = self.config.task_uid_base.saturating_add(self.people.serial(owner, turn));
        let order = Order {
            attempt: id.attempt(1),
            uid,
            cpus: 0,
            command: orders.command,
            env: orders.env,
            files: [].into(),
            secrets: [].into(),
            run: Some(orders.run),
        };
        Some((order, row))
    }

    fn own_run(&mut self, id: TaskId, turn: &mut Turn<'_>) -> Option<OwnRun> {
        let (order, _) = self.answer_order(id, turn)?;
        let (_, answer) = self.runs.answer(id)?;
        let way = answer.whence.node().and_then(|name| {
            let node = self.nodes.find(name).and_then(|ix| self.nodes.get(ix))?;
            Some((name.clone(), node.ssh.clone()?))
        });
        let Order { attempt, uid, command, env, run, .. } = order;
        Some(OwnRun { attempt, way, uid, command, env, run: run? })
    }

    pub(super) fn persist_answers(&self, id: JobId, turn: &mut Turn<'_>) {
        let Some(run) = self.runs.all.get(&id) else { return };
        for (index, answer) in (0..).zip(&run.answers) {
            turn.persist(Change::Answer(answer.row(TaskId { job: id, index })));
        }
    }
}

impl Over {
    fn not_begun(message: String, now: protocol::time::UnixMillis) -> Self {
        let outcome = Outcome::NotStarted { kind: NotStarted::NotReached, message };
        Over { outcome, started_at: None, ended_at: now, ran_ms: None, output: None }
    }
}
