//! Tasks that wait, in classes: those of one class wait for the same (so many CPUs, on that node, for that person),
//! so only the oldest of each has ever to be looked at. A freed CPU finds its next task among few heads.

use std::collections::{BTreeMap, BTreeSet};

use protocol::id::{JobId, TaskId};

use super::ids::{ClassIx, NodeIx, PersonIx};
use super::interpreters::Interpreters;
use super::jobs::Job;
use super::port::Mono;
use super::taskset::TaskSet;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub cpus: u32,
    pub pin: Option<NodeIx>,
    /// Matters on nodes that take one person's work only.
    pub owner: PersonIx,
    /// Only for nodes that take files.
    pub files: bool,
    /// Only for nodes that give results.
    pub results: bool,
    /// Only for nodes that have these.
    pub interpreters: Interpreters,
    /// Only for nodes that take secrets.
    pub secrets: bool,
}

impl Key {
    /// Of the task with this index. What others leave is files to the one that reduces.
    pub fn of(job: &Job, index: u32) -> Self {
        let (reduces, reduced) = job.reducer().map_or((false, false), |last| (last == index, last != index));
        Self {
            cpus: job.cpus,
            pin: job.pin,
            owner: job.owner,
            files: job.files || reduces,
            results: reduced,
            interpreters: job.interpreters,
            secrets: job.secrets,
        }
    }
}

#[derive(Debug)]
pub struct Class {
    pub key: Key,
    tasks: TaskSet,
    /// Its head, and since when smaller tasks have been overtaking it.
    pub overtaken: Option<(TaskId, Mono)>,
    /// The node that is kept free for its head.
    pub reserved: Option<NodeIx>,
}

type Heads = BTreeSet<(TaskId, ClassIx)>;

#[derive(Debug, Default)]
pub struct Queue {
    classes: Vec<Option<Class>>,
    unused: Vec<ClassIx>,
    by_key: BTreeMap<Key, ClassIx>,
    /// The heads of the classes that may run anywhere, oldest first.
    loose: Heads,
    pinned: BTreeMap<NodeIx, Heads>,
}

impl Queue {
    pub fn class(&self, ix: ClassIx) -> Option<&Class> {
        self.classes.get(ix.position()).and_then(Option::as_ref)
    }

    pub fn class_mut(&mut self, ix: ClassIx) -> Option<&mut Class> {
        self.classes.get_mut(ix.position()).and_then(Option::as_mut)
    }

    pub fn head(&self, ix: ClassIx) -> Option<(TaskId, Key)> {
        let class = self.class(ix)?;
        Some((class.tasks.first()?, class.key))
    }

    pub fn classes(&self) -> impl Iterator<Item = &Class> {
        self.classes.iter().flatten()
    }

    #[cfg(test)]
    pub fn len(&self) -> u64 {
        self.classes().map(|class| class.tasks.len()).sum()
    }

    /// The heads a node could take, oldest first.
    pub fn heads_for(&self, node: NodeIx) -> impl Iterator<Item = (TaskId, ClassIx)> {
        let mut loose = self.loose.iter().copied().peekable();
        let mut pinned = self.pinned.get(&node).into_iter().flatten().copied().peekable();
        std::iter::from_fn(move || match (loose.peek(), pinned.peek()) {
            (Some(a), Some(b)) if b < a => pinned.next(),
            (Some(_), _) => loose.next(),
            (None, _) => pinned.next(),
        })
    }

    /// Returns the class if it has a new head: behind the old one, which waits already, nothing new is possible.
    pub fn insert_range(&mut self, key: Key, job: JobId, first: u32, last: u32) -> Option<ClassIx> {
        self.with(key, |tasks| tasks.insert_range(job, first, last))
    }

    pub fn insert(&mut self, key: Key, task: TaskId) -> Option<ClassIx> {
        self.with(key, |tasks| tasks.insert(task))
    }

    fn with(&mut self, key: Key, change: impl FnOnce(&mut TaskSet)) -> Option<ClassIx> {
        let ix = *self.by_key.entry(key).or_insert_with(|| {
            let class = Class { key, tasks: TaskSet::default(), overtaken: None, reserved: None };
            match self.unused.pop() {
                Some(ix) => {
                    self.classes[ix.position()] = Some(class);
                    ix
                }
                None => {
                    self.classes.push(Some(class));
                    ClassIx::of(self.classes.len() - 1)
                }
            }
        });
        let class = self.classes[ix.position()].as_mut()?;
        let before = class.tasks.first();
        change(&mut class.tasks);
        let after = class.tasks.first();
        self.move_head(ix, key, before, after);
        (before != after).then_some(ix)
    }

    /// Takes a task out. Returns the node that had been kept free for it, which is now open to others.
    pub fn remove(&mut self, key: Key, task: TaskId) -> Option<NodeIx> {
        let ix = *self.by_key.get(&key)?;
        let class = self.classes[ix.position()].as_mut()?;
        let before = class.tasks.first();
        class.tasks.remove(task);
        let after = class.tasks.first();
        let mut freed = None;
        if class.overtaken.is_some_and(|(head, _)| head == task) {
            class.overtaken = None;
            freed = class.reserved.take();
        }
        self.move_head(ix, key, before, after);
        if after.is_none() {
            self.classes[ix.position()] = None;
            self.by_key.remove(&key);
            self.unused.push(ix);
        }
        freed
    }

    pub fn kept_free_for(&self, key: Key) -> Option<NodeIx> {
        self.by_key.get(&key).and_then(|ix| self.class(*ix)).and_then(|class| class.reserved)
    }

    fn move_head(&mut self, ix: ClassIx, key: Key, before: Option<TaskId>, after: Option<TaskId>) {
        if before == after {
            return;
        }
        let heads = match key.pin {
            None => &mut self.loose,
            Some(node) => self.pinned.entry(node).or_default(),
        };
        if let Some(before) = before {
            heads.remove(&(before, ix));
        }
        if let Some(after) = after {
            heads.insert((after, ix));
        }
        if let Some(node) = key.pin
            && heads.is_empty()
        {
            self.pinned.remove(&node);
        }
    }

    /// How many waiting tasks that match come before this one.
    pub fn before(&self, task: TaskId, matches: impl Fn(&Key) -> bool) -> u64 {
        self.classes().filter(|class| matches(&class.key)).map(|class| class.tasks.before(task)).sum()
    }

    #[cfg(test)]
    pub fn contains(&self, key: Key, task: TaskId) -> bool {
        self.by_key.get(&key).and_then(|ix| self.class(*ix)).is_some_and(|class| class.tasks.contains(task))
    }
}
