//! Why a task is not running: for the queue as it is now, a sentence for the whole and one for each node.

use protocol::api::{Refusal, Reply, Why, WhyNode};
use protocol::id::TaskId;
use protocol::job::TaskState;
use protocol::node::Role;

use super::Cluster;
use super::ids::NodeIx;
use super::jobs::Job;
use super::nodes::Node;
use super::orders::Phase;
use super::port::Now;
use super::queue::Key;
use super::task::Task;

const NO_SECRETS: &str = "its agent takes no secrets: it is older, or has no folder in memory to put them into";
const NO_SECRETS_ANYWHERE: &str =
    "the agents of all that are up are older, or have no folder in memory to put them into; upgrade one";

impl Cluster {
    pub(super) fn why(&self, id: TaskId, now: Now) -> Result<Reply, Refusal> {
        let (job, task) = self.known_task(id)?;
        let mut why = Why { id, state: task.state, summary: String::new(), ahead: 0, nodes: vec![] };
        match task.state {
            TaskState::Queued if job.waits(id.index) => {
                let (done, all) = (job.counts.succeeded, job.tasks() - 1);
                why.summary = format!("waits for the other tasks of its job: {done} of {all} have succeeded");
            }
            TaskState::Queued => {
                let key = Key::of(job, id.index);
                why.ahead = u32::try_from(self.ahead(id, &key)).unwrap_or(u32::MAX);
                why.summary = self.why_queued(id, task, &key, why.ahead, now);
                let workers = self.nodes.iter().filter(|(_, node)| node.role == Role::Worker);
                why.nodes = workers
                    .map(|(ix, node)| WhyNode {
                        node: self.nodes.name(ix).clone(),
                        reason: self.why_not(ix, node, &key, id, now),
                    })
                    .collect();
            }
            TaskState::Starting | TaskState::Running => why.summary = self.why_live(id, job, task, now),
            state => {
                why.summary = ended(state, task.end.reason().as_ref());
            }
        }
        Ok(Reply::Why(why))
    }

    /// Older tasks that could take a place this one could take.
    fn ahead(&self, id: TaskId, key: &Key) -> u64 {
        let usable = |ix: NodeIx| self.nodes.get(ix).is_some_and(Node::open);
        self.queue.before(id, |other| match (other.pin, key.pin) {
            (None, _) => true,
            (Some(theirs), Some(own)) => theirs == own,
            (Some(theirs), None) => usable(theirs),
        })
    }

    fn why_queued(&self, id: TaskId, task: &Task, key: &Key, ahead: u32, now: Now) -> String {
        let after = match task.end.is_lost() {
            true => format!("; attempt #{} was lost: {}", task.attempt, task.end.reason()),
            false => String::new(),
        };
        let workers: Vec<(NodeIx, &Node)> = self.nodes.iter().filter(|(_, node)| node.role == Role::Worker).collect();
        let pinned = key.pin.map(|pin| (pin, self.nodes.name(pin), self.nodes.get(pin)));
        if let Some((_, pin, None)) = pinned {
            return format!("waits for {pin}, which is not known any more: stop it, or let {pin} join again{after}");
        }
        if workers.is_empty() {
            return format!(
                "waits for a worker, and none has joined yet; on the manager, bramble join-token says how{after}"
            );
        }
        let meant = || workers.iter().filter(|(ix, _)| key.pin.is_none_or(|pin| pin == *ix));
        // A node that never said hello has not said how large it is.
        let known = || meant().filter(|(_, node)| node.version.is_some());
        let largest = known().max_by_key(|(_, node)| node.orders.slots());
        if let Some((ix, node)) = largest
            && node.orders.slots() < key.cpus
        {
            let (name, has, needs) = (self.nodes.name(*ix), slots(node), cpus(key.cpus));
            return match key.pin {
                Some(_) => format!("needs {needs}, and {name} has {has}: it can never run there{after}"),
                None => format!(
                    "needs {needs}, and the largest worker, {name}, has {has}: it waits for a larger one to join{after}"
                ),
            };
        }
        let usable = |(ix, node): &&(NodeIx, &Node)| {
            node.open() && node.orders.slots() >= key.cpus && self.suits(*ix, node, key)
        };
        if !meant().any(|one| usable(&one)) {
            return match pinned {
                Some((ix, name, Some(node))) => {
                    format!("waits for {name}: {}{after}", self.why_not(ix, node, key, id, now))
                }
                _ if meant().any(|(_, node)| node.open()) && !meant().any(|(_, node)| node.open() && node.can(key)) => {
                    let some = |can: fn(&Node) -> bool| meant().any(|(_, node)| node.open() && can(node));
                    let what = match () {
                        () if key.secrets && !some(|node| node.takes_secrets) => {
                            return format!("waits for a worker that takes secrets: {NO_SECRETS_ANYWHERE}{after}");
                        }
                        () if key.files && !some(|node| node.takes_files) => "takes files",
                        () if key.results && !some(|node| node.gives_results) => "gives results",
                        () => {
                            let names = key.interpreters.names().collect::<Vec<_>>().join(" and ");
                            return format!("waits for a worker that has {names}: none that is up does{after}");
                        }
                    };
                    format!(
                        "waits for a worker that {what}: the agents of all that are up are older; upgrade one{after}"
                    )
                }
                _ => format!("waits for a worker: none takes it now{after}"),
            };
        }
        let for_what = if key.cpus == 1 { "a free CPU".to_owned() } else { format!("{} free CPUs", key.cpus) };
        match ahead {
            0 => format!("waits for {for_what}: it is next{after}"),
            1 => format!("waits for {for_what}: 1 task is ahead{after}"),
            n => format!("waits for {for_what}: {n} tasks are ahead{after}"),
        }
    }

    fn why_not(&self, ix: NodeIx, node: &Node, key: &Key, id: TaskId, now: Now) -> String {
        let largest = node.orders.slots();
        if let Some(pin) = key.pin.filter(|pin| *pin != ix) {
            return format!("the task is pinned to {}", self.nodes.name(pin));
        }
        if node.revoked {
            return "its key is revoked".into();
        }
        if node.key.is_none() {
            return "it has no agent, and so runs no tasks".into();
        }
        if !node.up() {
            return match node.down_since {
                Some(since) => format!("down for {}", span(now.wall.since(since))),
                None => "down".into(),
            };
        }
        if node.draining {
            return "draining: it takes no new work".into();
        }
        if node.is_full() {
            return "its disk is full: it takes no new work until there is room".into();
        }
        if largest < key.cpus {
            return format!("the task needs {}, it has {}", cpus(key.cpus), slots(node));
        }
        if key.files && !node.takes_files {
            return "its agent is older and takes no files; upgrade it".into();
        }
        if key.results && !node.gives_results {
            return "its agent is older and gives no results, which another task of the job needs; upgrade it".into();
        }
        if key.secrets && !node.takes_secrets {
            return NO_SECRETS.into();
        }
        if let Some(missing) = node.interpreters.without(key.interpreters) {
            return format!("it has no {missing}, which runs a script of the task");
        }
        if key.files && node.files_rest {
            return "it had no room for the files of a task; it is tried again within a minute".into();
        }
        if !self.welcome(ix, node, key.owner) {
            let by = node.taken_by.map(|by| self.people.name(by).to_string()).unwrap_or_default();
            return format!(
                "its tasks share one uid, so it takes only the work of {by}; an admin can allow more with allow_shared_uid"
            );
        }
        let kept_for = node.reserved_for.and_then(|class| self.queue.head(class));
        if let Some((head, other)) = kept_for.filter(|(head, _)| *head <= id) {
            return match head == id {
                true => format!("is kept free for it, until {} are free", cpus(key.cpus)),
                false => format!("is kept free for {head}, which needs {} and has waited longer", cpus(other.cpus)),
            };
        }
        let waiting = match node.orders.waiting() {
            0 => String::new(),
            1 => ", 1 task waits there".into(),
            n => format!(", {n} tasks wait there"),
        };
        let needs = if key.cpus > 1 { format!(", the task needs {}", key.cpus) } else { String::new() };
        format!("full: {} of {} busy{needs}{waiting}", node.orders.used(), slots(node))
    }

    fn why_live(&self, id: TaskId, job: &Job, task: &Task, now: Now) -> String {
        let Some(ix) = task.node else { return String::new() };
        let name = self.nodes.name(ix);
        let node = self.nodes.get(ix);
        let stop = match self.jobs.stopping.get(&id) {
            Some(reason) => format!("; a stop was asked: {reason}"),
            None => String::new(),
        };
        let away = match node.filter(|node| !node.up()).and_then(|node| node.lease) {
            Some(until) => {
                let left = span(until.0.saturating_sub(now.mono.0));
                format!("; {name} is down, and if it is not back in {left} the task is queued again")
            }
            None => String::new(),
        };
        let phase = node.and_then(|node| node.orders.get(id)).map(|order| order.phase);
        let what = match (task.state, phase) {
            (_, Some(Phase::Ending)) => format!("has ended on {name}, its result is on the way"),
            (TaskState::Running, _) => {
                let since = task.started_at().unwrap_or(now.wall);
                format!("runs on {name} for {}", span(now.wall.since(since)))
            }
            (_, Some(Phase::Waiting)) => {
                let for_what = if job.cpus == 1 { "a CPU".into() } else { cpus(job.cpus) };
                format!("was given to {name} and waits there for {for_what}")
            }
            _ => format!("is starting on {name}"),
        };
        format!("{what}{away}{stop}")
    }
}

/// `has failed: exit code 3`, `was stopped by ana`.
fn ended(state: TaskState, reason: &str) -> String {
    let verb = if matches!(state, TaskState::Stopped | TaskState::Lost) { "was" } else { "has" };
    match reason.strip_prefix(state.word()) {
        Some(rest) if rest.starts_with(' ') => format!("{verb} {reason}"),
        _ if reason.is_empty() => format!("{verb} {state}"),
        _ => format!("{verb} {state}: {reason}"),
    }
}

fn cpus(n: u32) -> String {
    if n == 1 { "1 CPU".into() } else { format!("{n} CPUs") }
}

/// How many CPUs a node gives to tasks: its slots.
fn slots(node: &Node) -> String {
    match (node.orders.slots(), node.cpus) {
        (slots, has) if slots == has => cpus(slots),
        (1, _) => "1 slot".into(),
        (slots, _) => format!("{slots} slots"),
    }
}

/// A time span as people say it, in one unit.
fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use protocol::job::TaskState;

    use super::{ended, span};

    #[test]
    fn an_end_is_told_as_people_say_it() {
        assert_eq!(ended(TaskState::Succeeded, ""), "has succeeded");
        assert_eq!(ended(TaskState::Failed, "exit code 3"), "has failed: exit code 3");
        assert_eq!(ended(TaskState::Stopped, "stopped by ana"), "was stopped by ana");
        assert_eq!(ended(TaskState::Stopped, "wrong input"), "was stopped: wrong input");
        assert_eq!(ended(TaskState::Lost, "pi-1 never came back"), "was lost: pi-1 never came back");
    }

    #[test]
    fn spans_are_told_in_the_unit_people_use() {
        assert_eq!(span(999), "0 s");
        assert_eq!(span(119_999), "119 s");
        assert_eq!(span(7_199_999), "119 min");
        assert_eq!(span(48 * 3_600_000 - 1), "47 h");
        assert_eq!(span(49 * 3_600_000), "2 days");
    }
}
