//! From rows back to the living state. What contradicts itself, as only a foreign hand could have written it, is
//! left out rather than feared.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::job::TaskState;
use protocol::name::NodeName;

use super::change::{AttemptRow, Image, NodeRow, TaskRow};
use super::config::ClusterConfig;
use super::ids::NodeIx;
use super::jobs::{Job, Jobs, Past};
use super::joining::Joining;
use super::nodes::{Node, Nodes};
use super::outbox::Outbox;
use super::people::People;
use super::port::{Mono, Now};
use super::queue::{Key, Queue};
use super::runs::Runs;
use super::scripts::Scripts;
use super::secrets::Secrets;
use super::shelves::Shelves;
use super::task::{End, FRESH};
use super::timers::{Timer, Timers};
use super::{Agenda, Cluster};

pub fn load(config: ClusterConfig, image: Image, now: Now) -> Cluster {
    let mut cluster = Cluster {
        people: People::load(image.people),
        nodes: Nodes::default(),
        jobs: Jobs::default(),
        queue: Queue::default(),
        openings: Default::default(),
        agenda: Agenda { trim: true, ..Agenda::default() },
        timers: Timers::default(),
        joining: Joining::load(image.tokens, now),
        waits: Default::default(),
        lookers: Default::default(),
        files: Shelves::load(image.files, image.last_file),
        last_event: image.last_event,
        ignored: 0,
        supplies: Default::default(),
        results: Default::default(),
        outbox: Outbox::load(image.notices, image.last_notice),
        secrets: Secrets::load(image.secrets),
        runs: Runs::default(),
        scripts: Scripts::load(&config.scripts, image.scripts, image.texts, image.grants, image.last_script),
        no_env: Arc::new(BTreeMap::new()),
        config,
    };
    cluster.timers.set(now.mono, Timer::Trim);
    if let Some(at) = cluster.joining.next_forgotten() {
        cluster.timers.set(at, Timer::Tokens);
    }
    image.nodes.into_iter().for_each(|row| cluster.load_node(row));
    for row in image.jobs {
        let owner = cluster.people.intern(&row.owner);
        cluster.supply(row.id, &row.owner, &row.spec.files, row.given);
        cluster.outbox.want(row.id, &row.spec.notify);
        cluster.secrets.give(row.id, &row.spec.secrets);
        let pin = row.spec.node.as_ref().map(|name| cluster.nodes.intern(name));
        cluster.jobs.add(row.id, Job::new(&row.spec, owner, pin, row.submitted_at));
    }
    cluster.jobs.last = cluster.jobs.last.max(image.last_job);
    image.tasks.into_iter().for_each(|row| cluster.load_task(row));
    image.attempts.into_iter().for_each(|row| cluster.load_attempt(row));
    cluster.jobs.settle();
    cluster.load_runs(image.runs, image.answers);
    cluster.load_results(image.results, image.ages, (image.hours, image.minutes), now.mono);
    cluster.fill_queue();
    cluster.grant_leases(now.mono);
    cluster
}

impl Cluster {
    fn load_node(&mut self, row: NodeRow) {
        let taken_by = row.taken_by.as_ref().map(|name| self.people.intern(name));
        let (name, node) = Node::load(row, taken_by);
        self.nodes.add(&name, node);
    }

    fn load_task(&mut self, row: TaskRow) {
        let Some(job) = self.jobs.get(row.id.job).filter(|job| job.has(row.id.index)) else { return };
        let (cpus, movable) = (job.cpus, job.pin.is_none());
        let node = row.node.as_ref().map(|name| self.nodes.intern(name));
        let mut task = FRESH.clone();
        task.state = row.state;
        task.attempt = row.attempt;
        task.losses = u16::try_from(row.losses).unwrap_or(u16::MAX);
        task.node = node;
        task.end = row.outcome.map(End::of).unwrap_or_default();
        task.set_started_at(row.started_at);
        task.set_ended_at(row.ended_at);
        task.set_ran_ms(row.ran_ms);
        if task.live() {
            match node.and_then(|ix| self.nodes.get_mut(ix)) {
                Some(node) => node.orders.give(row.id, row.attempt, cpus, movable),
                // Its node is gone with its row; nothing of it can run any more.
                None => {
                    task.clear_attempt();
                    task.state = TaskState::Queued;
                }
            }
        } else if task.state.ended()
            && let Some(node) = node.and_then(|ix| self.nodes.get_mut(ix))
        {
            node.finished += 1;
        }
        if task.live()
            && let Some(reason) = row.stopping
        {
            self.jobs.stopping.insert(row.id, reason);
        }
        self.jobs.restore(row.id, task);
    }

    fn load_attempt(&mut self, row: AttemptRow) {
        if self.jobs.task(row.id.task).is_none() {
            return;
        }
        let past = Past {
            node: row.node.as_ref().map(|name: &NodeName| self.nodes.intern(name)),
            started_at: row.started_at,
            ended_at: row.ended_at,
            ran_ms: row.ran_ms,
            outcome: row.outcome,
            late: row.late,
        };
        self.jobs.past.insert(row.id, past);
    }

    fn fill_queue(&mut self) {
        for &id in &self.jobs.active {
            let Some(job) = self.jobs.get(id) else { continue };
            let (first, last) = job.maps().into_inner();
            let key = Key::of(job, first);
            let untouched = job.untouched_from();
            for index in (first..=last).take_while(|index| u64::from(*index) < untouched) {
                if job.task(index).state == TaskState::Queued {
                    self.queue.insert_range(key, id, index, index);
                }
            }
            if let Ok(from) = u32::try_from(untouched)
                && from <= last
            {
                self.queue.insert_range(key, id, from, last);
            }
            if let Some(index) = job.reducer()
                && job.task(index).state == TaskState::Queued
                && !job.waits(index)
            {
                self.queue.insert_range(Key::of(job, index), id, index, index);
            }
        }
    }

    fn grant_leases(&mut self, now: Mono) {
        let until = now.plus(self.config.lease_ms);
        if self.runs.expects_any() {
            self.timers.set(until, Timer::Runs);
        }
        let busy: Vec<NodeIx> = self
            .nodes
            .iter()
            .filter(|(_, node)| !node.orders.is_empty())
            .map(|(ix, _)| ix)
            .chain(self.runs.owing())
            .collect();
        for ix in busy {
            if let Some(node) = self.nodes.get_mut(ix) {
                node.lease = Some(until);
                self.timers.set(until, Timer::Lease(ix));
            }
        }
    }
}
