//! What people were told, and nothing else: numbers of jobs that were acknowledged, ends of tasks that were shown, what
//! they had printed. Held against what the manager says later.

use std::collections::{BTreeMap, HashMap};

use protocol::api::TaskView;
use protocol::id::{AttemptId, JobId, TaskId};
use protocol::job::TaskState;

#[derive(Debug, Default)]
pub struct Ledger {
    jobs: BTreeMap<JobId, Asked>,
    ends: BTreeMap<TaskId, End>,
    faults: Vec<String>,
}

/// A job of one task, of which it is known what it prints and how it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub word: String,
    pub code: i32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct End {
    state: TaskState,
    code: Option<i32>,
    attempt: u32,
}

impl Ledger {
    pub fn acknowledged(&mut self, job: JobId, asked: Asked) {
        if self.jobs.insert(job, asked).is_some() {
            self.faults.push(format!("the number {job} was given to two jobs"));
        }
    }

    /// A look at all tasks: what has ended stays as it was told.
    pub fn shown(&mut self, tasks: &[TaskView]) {
        let now: HashMap<TaskId, &TaskView> = tasks.iter().map(|task| (task.id, task)).collect();
        for (id, end) in &self.ends {
            match now.get(id) {
                None => self.faults.push(format!("task {id}, which had ended, is not known any more")),
                Some(task) if End::of(task) != *end => {
                    self.faults.push(format!("task {id} was told to have ended as {end:?}, and now is {task:?}"));
                }
                Some(_) => {}
            }
        }
        let ended = tasks.iter().filter(|task| task.state.ended());
        self.ends.extend(ended.map(|task| (task.id, End::of(task))));
    }

    pub fn jobs(&self) -> impl Iterator<Item = (JobId, &Asked)> {
        self.jobs.iter().map(|(job, asked)| (*job, asked))
    }

    /// Acknowledged, and not seen to have ended.
    pub fn open(&self) -> usize {
        let ended = self.jobs.keys().filter(|job| self.ends.contains_key(&TaskId { job: **job, index: 0 })).count();
        self.jobs.len() - ended
    }

    pub fn ended(&self) -> usize {
        self.ends.len()
    }

    /// When all has come to rest: every acknowledged job is there, ended as it had to, and printed what it had to.
    /// `lost_after`: a task whose attempts were lost so often may have been given up.
    pub fn settle(
        mut self,
        tasks: &[TaskView],
        printed: &BTreeMap<JobId, String>,
        lost_after: Option<u32>,
    ) -> Vec<String> {
        self.shown(tasks);
        let Self { jobs, mut faults, .. } = self;
        let now: HashMap<JobId, &TaskView> = tasks.iter().map(|task| (task.id.job, task)).collect();
        for (job, asked) in &jobs {
            let Some(task) = now.get(job) else {
                faults.push(format!("job {job} was acknowledged and is not known"));
                continue;
            };
            if task.state == TaskState::Lost && lost_after.is_some_and(|most| task.attempt >= most) {
                continue;
            }
            let wanted = if asked.code == 0 { TaskState::Succeeded } else { TaskState::Failed };
            if (task.state, task.code) != (wanted, Some(asked.code)) {
                let (state, code, reason) = (task.state, task.code, &task.reason);
                faults.push(format!("job {job} is {state} with {code:?} ({reason}), not {wanted} with {}", asked.code));
            }
            let said = printed.get(job).map(String::as_str);
            if said != Some(&format!("{}\n", asked.word)) {
                faults.push(format!("job {job} printed {said:?} instead of {:?}", asked.word));
            }
        }
        faults
    }
}

impl End {
    fn of(task: &TaskView) -> Self {
        Self { state: task.state, code: task.code, attempt: task.attempt }
    }
}

/// Each attempt, when it runs, writes its number into a file of its machine. What is wrong with these lines: an
/// attempt that ran twice, or one of which nobody was ever told.
pub fn wrong_runs<'a>(lines: impl IntoIterator<Item = &'a str>, tasks: &[TaskView]) -> Vec<String> {
    let last: HashMap<TaskId, u32> = tasks.iter().map(|task| (task.id, task.attempt)).collect();
    let mut ran: BTreeMap<AttemptId, u32> = BTreeMap::new();
    let mut faults = vec![];
    for line in lines.into_iter().filter(|line| !line.is_empty()) {
        match line.parse::<AttemptId>() {
            Ok(attempt) => *ran.entry(attempt).or_default() += 1,
            // The last line before a cut, of which only a part came to the disk.
            Err(_) if line.contains('\0') || line.chars().all(|c| c.is_ascii_digit() || ".#".contains(c)) => {}
            Err(_) => faults.push(format!("{line:?} is no attempt")),
        }
    }
    for (attempt, times) in ran {
        if times > 1 {
            faults.push(format!("attempt {attempt} ran {times} times"));
        }
        match last.get(&attempt.task) {
            Some(last) if *last >= attempt.number => {}
            last => faults.push(format!("attempt {attempt} ran, and the last that was told of is {last:?}")),
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(id: &str, state: TaskState, attempt: u32, code: Option<i32>) -> TaskView {
        let view = serde_json::json!({
            "id": id, "name": null, "owner": "root", "command": ["x"], "state": state, "attempt": attempt,
            "node": "w", "submitted_at": 1, "started_at": null, "ended_at": null, "ran_ms": null, "code": code,
            "reason": "",
        });
        serde_json::from_value(view).unwrap()
    }

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        ledger.acknowledged("1".parse().unwrap(), Asked { word: "one".into(), code: 0 });
        ledger.acknowledged("2".parse().unwrap(), Asked { word: "two".into(), code: 7 });
        ledger
    }

    fn printed(words: &[(&str, &str)]) -> BTreeMap<JobId, String> {
        words.iter().map(|(job, word)| (job.parse().unwrap(), format!("{word}\n"))).collect()
    }

    const SUCCEEDED: TaskState = TaskState::Succeeded;
    const FAILED: TaskState = TaskState::Failed;

    #[test]
    fn all_as_it_was_told_is_no_fault() {
        let tasks = [task("1.0", SUCCEEDED, 1, Some(0)), task("2.0", FAILED, 2, Some(7))];
        let mut ledger = ledger();
        ledger.shown(&tasks[..1]);
        ledger.shown(&tasks);
        assert!(ledger.settle(&tasks, &printed(&[("1", "one"), ("2", "two")]), None).is_empty());
    }

    #[test]
    fn whatever_was_forgotten_or_changed_is_a_fault() {
        let good = [task("1.0", SUCCEEDED, 1, Some(0)), task("2.0", FAILED, 1, Some(7))];
        let words = printed(&[("1", "one"), ("2", "two")]);
        let faults =
            |tasks: &[TaskView], words: &BTreeMap<JobId, String>| ledger().settle(tasks, words, None).join("; ");
        assert_eq!(faults(&good, &words), "");
        assert!(faults(&good[..1], &words).contains("job 2 was acknowledged and is not known"));
        assert!(faults(&good, &printed(&[("1", "one")])).contains("job 2 printed None"));
        assert!(faults(&good, &printed(&[("1", "on"), ("2", "two")])).contains("job 1 printed Some(\"on\\n\")"));
        for other in [
            task("2.0", SUCCEEDED, 1, Some(0)),
            task("2.0", FAILED, 1, Some(1)),
            task("2.0", TaskState::Queued, 1, None),
        ] {
            assert!(faults(&[good[0].clone(), other], &words).contains("job 2 is"));
        }
    }

    #[test]
    fn an_end_that_was_told_is_told_again_or_is_a_fault() {
        let told = task("1.0", SUCCEEDED, 1, Some(0));
        for later in [vec![], vec![task("1.0", TaskState::Running, 2, None)], vec![task("1.0", SUCCEEDED, 2, Some(0))]]
        {
            let mut ledger = Ledger::default();
            ledger.shown(std::slice::from_ref(&told));
            ledger.shown(&later);
            assert!(!ledger.settle(&later, &BTreeMap::new(), None).is_empty(), "{later:?}");
        }
    }

    #[test]
    fn what_was_not_seen_to_end_is_open() {
        let mut ledger = ledger();
        assert_eq!(ledger.open(), 2);
        ledger.shown(&[task("1.0", SUCCEEDED, 1, Some(0)), task("9.0", SUCCEEDED, 1, Some(0))]);
        assert_eq!((ledger.open(), ledger.ended()), (1, 2));
    }

    #[test]
    fn a_number_given_twice_is_a_fault() {
        let mut ledger = ledger();
        ledger.acknowledged("1".parse().unwrap(), Asked { word: "three".into(), code: 0 });
        assert!(ledger.faults[0].contains("two jobs"));
    }

    #[test]
    fn a_task_may_be_given_up_only_after_so_many_losses() {
        let words = printed(&[("1", "one"), ("2", "two")]);
        let settle = |attempt| {
            let tasks = [task("1.0", SUCCEEDED, 1, Some(0)), task("2.0", TaskState::Lost, attempt, None)];
            ledger().settle(&tasks, &words, Some(4))
        };
        assert!(settle(4).is_empty());
        assert_eq!(settle(3).len(), 1);
    }

    #[test]
    fn an_attempt_runs_once_and_is_known() {
        let tasks = [task("1.0", SUCCEEDED, 2, Some(0))];
        assert!(wrong_runs(["1.0#1", "1.0#2", "", "1.0"], &tasks).is_empty());
        assert!(wrong_runs(["1.0#2", "1.0#2"], &tasks)[0].contains("ran 2 times"));
        assert!(wrong_runs(["1.0#3"], &tasks)[0].contains("Some(2)"));
        assert!(wrong_runs(["9.0#1"], &tasks)[0].contains("None"));
        assert!(wrong_runs(["hello there"], &tasks)[0].contains("no attempt"));
    }
}
