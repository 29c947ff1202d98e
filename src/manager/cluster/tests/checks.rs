//! The tables and indexes of the core: that they agree with each other and with the disk, and are empty in the end.

use std::collections::{BTreeMap, BTreeSet};

use protocol::id::TaskId;
use protocol::job::{Counts, TaskState};

use crate::manager::cluster::Cluster;
use crate::manager::cluster::ids::NodeIx;
use crate::manager::cluster::nodes::Node;
use crate::manager::cluster::orders::{Phase, Recall};
use crate::manager::cluster::queue::Key;
use crate::manager::cluster::results::Lot;

/// The tables and indexes of the core agree with each other.
pub fn indexes_agree(core: &Cluster) {
    let mut live: BTreeMap<TaskId, (u32, u32)> = BTreeMap::new();
    let mut waiting = 0;
    let mut work = Counts::default();
    for (id, job) in core.jobs.newest() {
        let mut counts = Counts::default();
        for index in job.first..=job.last {
            let (task_id, task) = (TaskId { job: id, index }, job.task(index));
            *counts.of(task.state) += 1;
            *work.of(task.state) += 1;
            let queued = core.queue.contains(Key::of(job, index), task_id);
            assert_eq!(queued, task.state == TaskState::Queued && !job.waits(index), "{task_id} is {}", task.state);
            waiting += u64::from(queued);
            if task.live() {
                live.insert(task_id, (task.attempt, job.cpus));
            }
            assert!(task.live() || !core.jobs.stopping.contains_key(&task_id), "{task_id} is over, and being stopped");
        }
        assert_eq!(counts, job.counts, "job {id}");
        assert_eq!(job.unfinished(), core.jobs.active.contains(&id));
        assert_eq!(job.unfinished(), job.ended_at().is_none());
    }
    assert_eq!(core.work(), work);
    assert_eq!(core.queue.len(), waiting);
    let mut expected: BTreeMap<_, u64> = BTreeMap::new();
    for (ix, node) in core.nodes.iter() {
        for (id, order) in node.orders.iter() {
            assert_eq!(live.remove(&id), Some((order.number, order.cpus)), "{id} on {}", core.nodes.name(ix));
            assert_eq!(core.jobs.task(id).and_then(|(_, task)| task.node), Some(ix));
            assert!(order.recall.is_none() || node.up());
            if let Some(Recall::For(to)) = order.recall {
                *expected.entry(to).or_default() += u64::from(order.cpus);
            }
        }
        assert!(node.up() || node.orders.is_empty() || node.lease.is_some(), "{} has no lease", core.nodes.name(ix));
        let counted = node.orders.iter().filter(|(_, o)| matches!(o.phase, Phase::Sent | Phase::Running));
        let counted: u64 = counted.map(|(_, order)| u64::from(order.cpus.min(node.orders.slots()))).sum();
        assert_eq!(node.orders.used(), counted);
    }
    for (ix, node) in core.nodes.iter() {
        assert_eq!(node.expecting, expected.remove(&ix).unwrap_or(0), "{}", core.nodes.name(ix));
    }
    assert!(live.is_empty(), "live, but on no node: {live:?}");
    openings_are_true(core);
    results_are_counted(core);
    core.runs.agree();
    let waited_for = core.runs.owing().find(|ix| core.nodes.get(*ix).is_none_or(|n| !n.up() && n.lease.is_none()));
    assert_eq!(waited_for, None, "it owes answers, and has no lease");
}

fn results_are_counted(core: &Cluster) {
    let mut lots: BTreeMap<_, Lot> = BTreeMap::new();
    for (attempt, kept) in core.results.kept() {
        assert!(core.jobs.task(attempt.task).is_some(), "{attempt} has left something to nobody");
        let lot = lots.entry(attempt.task.job).or_default();
        lot.count += 1;
        if kept.collected.is_none() {
            lot.waiting += 1;
            lot.waiting_size += kept.left.size;
        }
    }
    for (job, lot) in core.results.lots() {
        let ended = core.jobs.get(job).is_some_and(|job| !job.unfinished());
        assert_eq!(lot.age.is_some(), ended, "job {job}");
        assert_eq!(lots.remove(&job), Some(Lot { age: None, ..*lot }), "job {job}");
    }
    assert!(lots.is_empty());
}

fn openings_are_true(core: &Cluster) {
    let sorted = |found: &mut dyn Iterator<Item = NodeIx>| found.collect::<BTreeSet<_>>();
    let those =
        |which: &dyn Fn(&Node) -> bool| sorted(&mut core.nodes.iter().filter(|(_, n)| which(n)).map(|(ix, _)| ix));
    let unreserved = |node: &Node| node.open() && node.reserved_for.is_none();
    let backlog = |node: &Node| core.config.backlog_of(node.slots);
    assert_eq!(sorted(&mut core.openings.with_free(1)), those(&|n| n.open() && n.orders.free() > 0));
    assert_eq!(
        sorted(&mut core.openings.with_backlog_room()),
        those(&|n| unreserved(n) && n.orders.has_backlog_room(backlog(n)))
    );
    let movable =
        |node: &Node| node.orders.iter().any(|(_, o)| o.phase == Phase::Waiting && o.movable && o.recall.is_none());
    assert_eq!(sorted(&mut core.openings.with_backlog_for(u64::MAX)), those(&|n| n.up() && movable(n)));
}

/// No CPU is idle while a task that waits could take it, unless a recall for it is on its way or it is kept free.
pub fn no_cpu_idles(core: &Cluster) {
    for (ix, node) in core.nodes.iter().filter(|(_, node)| node.open() && node.reserved_for.is_none()) {
        let free = node.orders.free();
        let heads = core.queue.heads_for(ix).filter_map(|(_, class)| core.queue.head(class));
        for (id, key) in heads {
            let takes = key.cpus <= free && core.suits(ix, node, &key);
            assert!(!takes, "{id} waits while {} has {free} CPUs free", core.nodes.name(ix));
        }
        let room = u64::from(free).saturating_sub(node.expecting);
        for (_, other) in core.nodes.iter().filter(|(other, node)| *other != ix && node.up()) {
            for (id, order) in other.orders.waiting_youngest() {
                let key = Key::of(core.jobs.get(id.job).unwrap(), id.index);
                let could = order.movable && u64::from(order.cpus) <= room && core.suits(ix, node, &key);
                assert!(!could || order.recall.is_some(), "{id} waits in a backlog, {} is idle", core.nodes.name(ix));
            }
        }
    }
}

/// What the store holds is what the core knows.
pub fn disk_and_memory_agree(core: &Cluster, again: &Cluster) {
    let node = |core: &Cluster, ix| core.nodes.name(ix).clone();
    for (id, job) in core.jobs.newest() {
        let other = again.jobs.get(id).unwrap_or_else(|| panic!("job {id} is not on the disk"));
        assert_eq!(job.counts, other.counts, "job {id}");
        assert_eq!(core.supplies.of(id), again.supplies.of(id), "job {id}");
        for index in job.first..=job.last {
            let id = TaskId { job: id, index };
            assert_eq!(core.supplies.of_task(id), again.supplies.of_task(id), "task {id}");
            let (a, b) = (job.task(index), other.task(index));
            let say = |core: &Cluster, t: &crate::manager::cluster::task::Task| {
                let on = t.node.map(|ix| node(core, ix));
                (t.state, t.attempt, t.losses, on, t.started_at(), t.ended_at(), t.ran_ms(), t.end.outcome())
            };
            assert_eq!(say(core, a), say(again, b), "task {id}");
        }
    }
    assert_eq!(core.jobs.stopping, again.jobs.stopping);
    assert_eq!(core.runs.rows(), again.runs.rows());
    assert_eq!(core.files.used(), again.files.used());
    assert_eq!(core.results.kept(), again.results.kept());
    assert_eq!(core.results.lots().collect::<Vec<_>>(), again.results.lots().collect::<Vec<_>>());
    assert_eq!(
        (core.results.size(), core.results.hours, core.results.minutes),
        (again.results.size(), again.results.hours, again.results.minutes)
    );
    assert_eq!(core.jobs.past.len(), again.jobs.past.len());
    assert_eq!(core.outbox.owed(), again.outbox.owed());
    assert_eq!(core.outbox.lists(), again.outbox.lists());
    assert_eq!(core.queue.len(), again.queue.len());
    for (ix, a) in core.nodes.iter() {
        let b = again.nodes.find(&node(core, ix)).and_then(|ix| again.nodes.get(ix)).unwrap();
        assert_eq!((a.draining, a.revoked, &a.key), (b.draining, b.revoked, &b.key));
        let by = |core: &Cluster, by| core.people.name(by).clone();
        assert_eq!(a.taken_by.map(|p| by(core, p)), b.taken_by.map(|p| by(again, p)));
    }
}

/// Everything has ended: the core holds nothing for what was under way.
pub fn nothing_is_left_over(core: &Cluster) {
    assert!(core.jobs.active.is_empty() && core.jobs.stopping.is_empty());
    assert!(core.waits.is_empty(), "somebody is still waited for: {:?}", core.waits);
    assert!(core.runs.is_at_rest(), "a run is not over: {:?}", core.runs);
    assert!(core.lookers.is_empty(), "somebody still looks: {:?}", core.lookers);
    assert_eq!((core.queue.len(), core.queue.classes().count()), (0, 0));
    for (ix, node) in core.nodes.iter() {
        let name = core.nodes.name(ix);
        assert!(node.orders.is_empty() && node.late.is_empty(), "{name} is not empty: {:?}", node.late);
        assert!(node.reserved_for.is_none() && node.expecting == 0 && node.lease.is_none(), "{name}");
        assert_eq!((node.orders.used(), node.orders.waiting_cpus()), (0, 0), "{name}");
        assert!(node.orders.free() == node.slots || !node.open(), "{name}");
    }
}
