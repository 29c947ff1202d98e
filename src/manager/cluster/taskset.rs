//! A set of tasks, oldest first, kept as ranges: an array of a hundred thousand is one entry.

use std::collections::BTreeMap;

use protocol::id::{JobId, TaskId};

/// Each first task of a range, and the index of its last. Ranges of one job never touch each other.
#[derive(Debug, Default)]
pub struct TaskSet {
    ranges: BTreeMap<TaskId, u32>,
}

impl TaskSet {
    #[cfg(test)]
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|(first, last)| u64::from(last - first.index) + 1).sum()
    }

    pub fn first(&self) -> Option<TaskId> {
        self.ranges.first_key_value().map(|(first, _)| *first)
    }

    #[cfg(test)]
    pub fn contains(&self, task: TaskId) -> bool {
        self.around(task).is_some()
    }

    /// How many tasks come before this one.
    pub fn before(&self, task: TaskId) -> u64 {
        let earlier = self.ranges.range(..task);
        earlier
            .map(|(first, &last)| {
                let last = if first.job == task.job { last.min(task.index.saturating_sub(1)) } else { last };
                u64::from(last - first.index) + 1
            })
            .sum()
    }

    pub fn insert(&mut self, task: TaskId) {
        self.insert_range(task.job, task.index, task.index);
    }

    /// None of the range may be in the set already.
    pub fn insert_range(&mut self, job: JobId, first: u32, last: u32) {
        let (mut start, mut end) = (TaskId { job, index: first }, last);
        if let Some((&before, &reach)) = self.ranges.range(..start).next_back()
            && before.job == job
            && reach.checked_add(1) == Some(first)
        {
            self.ranges.remove(&before);
            start = before;
        }
        if let Some(next) = last.checked_add(1).map(|index| TaskId { job, index })
            && let Some(reach) = self.ranges.remove(&next)
        {
            end = reach;
        }
        self.ranges.insert(start, end);
    }

    /// Whether it was in the set.
    pub fn remove(&mut self, task: TaskId) -> bool {
        let Some((start, end)) = self.around(task) else { return false };
        if start.index < task.index {
            self.ranges.insert(start, task.index - 1);
        } else {
            self.ranges.remove(&start);
        }
        if task.index < end {
            self.ranges.insert(TaskId { job: task.job, index: task.index + 1 }, end);
        }
        true
    }

    fn around(&self, task: TaskId) -> Option<(TaskId, u32)> {
        let (&start, &end) = self.ranges.range(..=task).next_back()?;
        (start.job == task.job && task.index <= end).then_some((start, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ranges_split_and_join_as_single_tasks_would() {
        let mut set = TaskSet::default();
        let mut plain = BTreeSet::new();
        let mut seed = 7u64;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let task = TaskId::new((seed >> 60) as u32 % 3, (seed >> 33) as u32 % 20);
            if plain.remove(&task) {
                assert!(set.remove(task));
            } else {
                assert!(!set.remove(task));
                plain.insert(task);
                set.insert(task);
            }
            assert_eq!(set.len(), plain.len() as u64);
            assert_eq!(set.first(), plain.first().copied());
            assert_eq!(set.before(task), plain.range(..task).count() as u64);
            assert_eq!(set.contains(task), plain.contains(&task));
            assert!(set.ranges.len() <= plain.len());
        }
    }

    #[test]
    fn an_array_is_one_range_up_to_the_last_number_there_is() {
        let mut set = TaskSet::default();
        set.insert_range(JobId(1), u32::MAX - 9, u32::MAX);
        assert!(set.remove(TaskId::new(1, u32::MAX)));
        assert!(set.remove(TaskId::new(1, u32::MAX - 9)));
        set.insert(TaskId::new(1, u32::MAX));
        assert_eq!((set.len(), set.ranges.len()), (9, 1));
    }
}
