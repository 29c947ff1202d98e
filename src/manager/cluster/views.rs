//! How jobs, tasks and nodes look from outside.

use protocol::api::{AttemptView, JobView, NodeMetrics, NodeView, Picture, Refusal, Reply, TaskView};
use protocol::id::{AttemptId, JobId, TaskId};
use protocol::job::{Counts, TaskState};
use protocol::name::NodeName;
use protocol::node::{Metrics, NodeState, Role};
use protocol::time::UnixMillis;

use super::Cluster;
use super::ids::NodeIx;
use super::jobs::{Job, Past};
use super::lists::Room;
use super::nodes::{Node, Own};
use super::orders::Phase;
use super::task::Task;

impl Cluster {
    pub fn node_view(&self, name: &NodeName) -> Option<NodeView> {
        match self.nodes.find(name) {
            Some(ix) => self.view_of_node(ix),
            None => self.nodes.own.as_ref().filter(|own| own.name == *name).map(view_of_own),
        }
    }

    /// By name, the manager's own machine first.
    pub fn node_views(&self) -> Vec<NodeView> {
        let own = self.nodes.own.as_ref().map(view_of_own);
        let workers = self.nodes.iter().filter_map(|(ix, _)| self.view_of_node(ix));
        let mut views: Vec<NodeView> = own.into_iter().chain(workers).collect();
        views.sort_by(|one, other| (one.role, &one.name).cmp(&(other.role, &other.name)));
        views
    }

    pub fn job_view(&self, id: JobId) -> Option<JobView> {
        self.jobs.get(id).map(|job| self.view_of_job(id, job))
    }

    /// Everything a screen begins with: at most so many jobs, unfinished ones before those that ended last, as many
    /// as fit into a frame. When it was, and who looks, is for the caller to fill in.
    pub fn picture(&self, jobs_limit: usize) -> Picture {
        let active = self.jobs.active.iter().rev().copied();
        let chosen = active.chain(self.jobs.newest_ended()).take(jobs_limit);
        let mut room = Room::default();
        let known = chosen.filter_map(|id| Some((id, self.jobs.get(id)?)));
        let fitting = known.take_while(|(_, job)| room.takes(job.recipe.command().bytes()));
        let mut jobs: Vec<JobView> = fitting.map(|(id, job)| self.view_of_job(id, job)).collect();
        jobs.sort_unstable_by_key(|view| std::cmp::Reverse(view.id));
        Picture {
            at: UnixMillis::default(),
            nodes: self.node_views(),
            jobs,
            work: self.work(),
            people: vec![],
            last_event: self.last_event,
        }
    }

    /// The tasks of all jobs known, by state.
    pub fn work(&self) -> Counts {
        self.jobs.work()
    }

    pub(super) fn show_node(&self, name: &NodeName) -> Result<Reply, Refusal> {
        self.node_view(name).map(|view| Reply::Node(Box::new(view))).ok_or_else(|| self.unknown(name))
    }

    pub(super) fn show_task(&self, id: TaskId) -> Result<Reply, Refusal> {
        let (job, task) = self.known_task(id)?;
        let mut attempts: Vec<AttemptView> =
            self.jobs.past_of(id).map(|(attempt, past)| self.view_of_past(attempt, past)).collect();
        let latest = id.attempt(task.attempt);
        if latest.number > 0 && !self.jobs.past.contains_key(&latest) {
            attempts.push(self.view_of_latest(latest, task));
        }
        let kept = self.results.of_tasks(id.job, id.index, id.index);
        let results = kept.filter_map(|(attempt, kept)| self.view_of_result(attempt, kept)).collect();
        Ok(Reply::Task { task: self.view_of_task(id, job, task), attempts, results })
    }

    pub(super) fn view_of_job(&self, id: JobId, job: &Job) -> JobView {
        JobView {
            id,
            name: job.name.clone(),
            owner: self.people.name(job.owner).clone(),
            command: job.recipe.command().words(),
            cpus: job.cpus,
            node: job.pin.map(|ix| self.nodes.name(ix).clone()),
            first: job.first,
            submitted_at: job.submitted_at,
            started_at: job.started_at(),
            ended_at: job.ended_at(),
            state: job.counts.state(),
            counts: job.counts,
            files: vec![],
            secrets: vec![],
        }
    }

    pub(super) fn view_of_task(&self, id: TaskId, job: &Job, task: &Task) -> TaskView {
        // What a lost attempt left behind is that attempt's, not the waiting task's.
        let waits = task.state == TaskState::Queued;
        TaskView {
            id,
            name: job.name.clone(),
            owner: self.people.name(job.owner).clone(),
            command: job.recipe.words_of(id.index),
            state: task.state,
            stopping: self.jobs.stopping.contains_key(&id),
            attempt: task.attempt,
            node: task.node.filter(|_| !waits).map(|ix| self.nodes.name(ix).clone()),
            submitted_at: job.submitted_at,
            started_at: task.started_at().filter(|_| !waits),
            ended_at: task.ended_at().filter(|_| !waits),
            ran_ms: task.ran_ms().filter(|_| !waits),
            code: if waits { None } else { task.end.code() },
            reason: task.end.reason(),
        }
    }

    fn view_of_latest(&self, id: AttemptId, task: &Task) -> AttemptView {
        AttemptView {
            id,
            state: task.end.outcome().map_or(task.state, |outcome| outcome.state()),
            node: task.node.map(|ix| self.nodes.name(ix).clone()),
            started_at: task.started_at(),
            ended_at: task.ended_at(),
            ran_ms: task.ran_ms(),
            code: task.end.code(),
            reason: task.end.reason(),
            late: None,
        }
    }

    fn view_of_past(&self, id: AttemptId, past: &Past) -> AttemptView {
        AttemptView {
            id,
            state: past.outcome.state(),
            node: past.node.map(|ix| self.nodes.name(ix).clone()),
            started_at: past.started_at,
            ended_at: past.ended_at,
            ran_ms: past.ran_ms,
            code: past.outcome.code(),
            reason: past.outcome.reason(),
            late: past.late.clone(),
        }
    }

    /// What changes about a node all the time; nothing while it is not up, when old numbers are not news.
    pub fn node_metrics(&self, name: &NodeName) -> Option<NodeMetrics> {
        let Some(ix) = self.nodes.find(name) else {
            let own = self.nodes.own.as_ref().filter(|own| own.name == *name)?;
            return Some(NodeMetrics {
                name: name.clone(),
                role: Role::Manager,
                metrics: own.metrics.clone(),
                running_cpus: 0,
                running: 0,
                finished: 0,
            });
        };
        let node = self.nodes.get(ix).filter(|node| node.up())?;
        let (running, running_cpus) = runs_on(node);
        Some(NodeMetrics {
            name: name.clone(),
            role: node.role,
            metrics: node.metrics.clone(),
            running_cpus,
            running,
            finished: node.finished,
        })
    }

    /// What each node that is up says of itself, the manager's own machine among them.
    pub fn metrics(&self) -> impl Iterator<Item = (&NodeName, &Metrics)> {
        let own = self.nodes.own.iter().map(|own| (&own.name, &own.metrics));
        let workers = self.nodes.iter().filter(|(_, node)| node.up());
        own.chain(workers.map(|(ix, node)| (self.nodes.name(ix), &node.metrics)))
    }

    pub fn node_names(&self) -> impl Iterator<Item = &NodeName> {
        let own = self.nodes.own.iter().map(|own| &own.name);
        own.chain(self.nodes.iter().map(|(ix, _)| self.nodes.name(ix)))
    }

    /// Refuses with the sentence for it what is no node here.
    pub fn known_node(&self, name: &NodeName) -> Result<(), Refusal> {
        if self.node_names().any(|known| known == name) { Ok(()) } else { Err(self.unknown(name)) }
    }

    fn view_of_node(&self, ix: NodeIx) -> Option<NodeView> {
        let node = self.nodes.get(ix)?;
        let (running, running_cpus) = runs_on(node);
        Some(NodeView {
            ssh: node.ssh.clone(),
            name: self.nodes.name(ix).clone(),
            role: node.role,
            state: node.state(),
            draining: node.draining,
            revoked: node.revoked,
            shared_uid: node.shared_uid,
            version: node.version.clone(),
            address: node.address.clone(),
            cpus: node.cpus,
            slots: node.slots,
            running_cpus,
            running,
            finished: node.finished,
            joined_at: node.joined_at,
            seen_at: node.seen_at,
            facts: node.facts.clone(),
            trouble: node.trouble.clone(),
            metrics: node.up().then(|| node.metrics.clone()),
        })
    }
}

/// Tasks that run there, and the CPUs they take.
fn runs_on(node: &Node) -> (u32, u32) {
    let runs = node.orders.iter().filter(|(_, order)| order.phase == Phase::Running);
    runs.fold((0, 0u32), |(n, cpus), (_, order)| (n + 1, cpus.saturating_add(order.cpus)))
}

fn view_of_own(own: &Own) -> NodeView {
    NodeView {
        ssh: None,
        name: own.name.clone(),
        role: Role::Manager,
        state: NodeState::Up,
        draining: false,
        revoked: false,
        shared_uid: false,
        version: Some(protocol::VERSION.to_owned()),
        address: None,
        cpus: own.facts.cpus.unwrap_or(0),
        slots: 0,
        running_cpus: 0,
        running: 0,
        finished: 0,
        joined_at: own.since,
        seen_at: None,
        facts: own.facts.clone(),
        trouble: None,
        metrics: Some(own.metrics.clone()),
    }
}
