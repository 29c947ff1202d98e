//! What is told: a mail as a person reads it, and JSON for programs (`docs/notify.md`).

use std::fmt::Write;

use protocol::job::{Counts, TaskState};
use protocol::notify::{Ended, JobEnd};
use protocol::unit::Bytes;
use serde_json::{Value, json};

use super::super::cluster::NoticeRow;
use crate::text::{clean, command, count, local, reason, took};

pub struct Words<'a> {
    pub row: &'a NoticeRow,
    /// The last lines of the attempt that is worth quoting.
    pub stderr: Option<String>,
}

impl Words<'_> {
    fn end(&self) -> &JobEnd {
        &self.row.notice.end
    }

    /// The same however often it is told.
    pub fn id(&self) -> String {
        format!("{}.{}.{}", self.row.no, self.end().job, self.end().ended_at.0)
    }

    pub fn subject(&self) -> String {
        format!("Bramble: {} {}", self.job(), self.end().state)
    }

    fn job(&self) -> String {
        let end = self.end();
        match &end.name {
            Some(name) => format!("job {} “{}”", end.job, clean(name.as_str())),
            None => format!("job {}", end.job),
        }
    }

    fn single(&self) -> Option<&Ended> {
        let end = self.end();
        end.tasks.first().filter(|_| end.counts.total() == 1)
    }

    pub fn text(&self) -> String {
        let end = self.end();
        let mut text = String::new();
        let mut line = |name: &str, said: &str| {
            // A text has no end of room.
            let _ = writeln!(text, "{name:<10} {said}");
        };
        line("job", &self.job()["job ".len()..]);
        line("owner", end.owner.as_str());
        line("command", &command(&end.command));
        match self.single() {
            Some(task) => {
                line("state", end.state.word());
                if let Some(code) = task.code {
                    line("exit code", &code.to_string());
                }
                let said = task.code.is_some_and(|code| task.reason == format!("exit code {code}"));
                if !said && !task.reason.is_empty() {
                    line("reason", &clean(&reason(&task.reason)));
                }
                if let Some(node) = &task.node {
                    line("node", node.as_str());
                }
            }
            None => line("tasks", &counted(end.counts)),
        }
        line("submitted", &local(end.submitted_at));
        if let Some(started_at) = end.started_at {
            line("started", &local(started_at));
        }
        line("ended", &local(end.ended_at));
        if let Some(ran_ms) = end.ran_ms {
            line("ran for", &took(ran_ms));
        }
        if end.results > 0 {
            line("results", &format!("{} to be collected, {}", end.results, Bytes(end.results_size)));
        }
        if self.single().is_none() && !end.tasks.is_empty() {
            text += "\nThose that did not succeed, the first of them:\n";
            text.extend(end.tasks.iter().map(told_of));
        }
        if let Some(stderr) = &self.stderr {
            let of = end.quoted().filter(|_| self.single().is_none());
            let of = of.map_or_else(String::new, |(attempt, _)| format!(" of {}", attempt.task));
            let _ = write!(text, "\nThe last lines{of} on stderr:\n\n");
            text.extend(stderr.lines().map(|line| format!("    {line}\n")));
        }
        text.push('\n');
        if let Some(collect) = self.collect() {
            let _ = writeln!(text, "Bring home what it left:   {collect}");
        }
        let _ = writeln!(text, "See what it printed:       {}", self.logs());
        text
    }

    fn collect(&self) -> Option<String> {
        let end = self.end();
        (end.results > 0).then(|| format!("bramble result get {}", end.job))
    }

    fn logs(&self) -> String {
        let end = self.end();
        match end.quoted() {
            Some((attempt, _)) if self.single().is_none() => format!("bramble logs {}", attempt.task),
            _ if self.single().is_none() => format!("bramble task {}", end.job),
            _ => format!("bramble logs {}", end.job),
        }
    }

    pub fn json(&self) -> Value {
        let end = self.end();
        let tasks: Vec<Value> = end.tasks.iter().map(task_json).collect();
        let single = self.single();
        let of = end.quoted().filter(|_| self.stderr.is_some()).map(|(attempt, _)| attempt);
        json!({
            "id": self.id(),
            "event": "job_ended",
            "job": end.job,
            "name": end.name,
            "owner": end.owner,
            "command": command(&end.command),
            "state": end.state,
            "counts": end.counts,
            "code": single.and_then(|task| task.code),
            "reason": single.map(|task| &task.reason),
            "tasks": tasks,
            "submitted_at": end.submitted_at,
            "started_at": end.started_at,
            "ended_at": end.ended_at,
            "ran_ms": end.ran_ms,
            "results": { "count": end.results, "size": end.results_size },
            "stderr": self.stderr,
            "stderr_of": of,
            "collect": self.collect(),
            "logs": self.logs(),
        })
    }
}

fn counted(mut counts: Counts) -> String {
    let total = counts.total();
    let states = [TaskState::Succeeded, TaskState::Failed, TaskState::Stopped, TaskState::Lost];
    let there = states.into_iter().filter_map(|state| {
        let n = *counts.of(state);
        (n > 0).then(|| format!("{n} {state}"))
    });
    let there: Vec<String> = there.collect();
    format!("{}: {}", count(total, "task"), there.join(", "))
}

fn told_of(task: &Ended) -> String {
    let on = task.node.as_ref().map(|node| format!(" on {node}")).unwrap_or_default();
    let why = if task.reason.is_empty() { String::new() } else { format!(": {}", clean(&reason(&task.reason))) };
    format!("    {} {}{on}{why}\n", task.task, task.state)
}

fn task_json(task: &Ended) -> Value {
    json!({
        "task": task.task,
        "attempt": task.attempt,
        "state": task.state,
        "node": task.node,
        "code": task.code,
        "reason": task.reason,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use protocol::id::{JobId, TaskId};
    use protocol::notify::Notice;
    use protocol::time::UnixMillis;

    use super::*;

    const PAGE: &str = include_str!("../../../docs/notify.md");

    fn task(index: u32, attempt: u32, state: TaskState, code: Option<i32>, reason: &str) -> Ended {
        let node = (attempt > 0).then(|| "pi-3".parse().unwrap());
        Ended { task: TaskId { job: JobId(17), index }, attempt, state, node, code, reason: reason.into() }
    }

    /// As the page has it.
    fn end() -> JobEnd {
        JobEnd {
            job: JobId(17),
            name: Some("night run".parse().unwrap()),
            owner: "ana".parse().unwrap(),
            command: vec!["python3".into(), "train.py".into()],
            state: TaskState::Failed,
            counts: Counts { failed: 1, ..Counts::default() },
            submitted_at: UnixMillis(1_780_351_390_000),
            started_at: Some(UnixMillis(1_780_351_391_000)),
            ended_at: UnixMillis(1_780_351_583_000),
            ran_ms: Some(192_000),
            tasks: vec![task(0, 1, TaskState::Failed, Some(3), "exit code 3")],
            results: 1,
            results_size: 3_250_586,
        }
    }

    fn row(end: JobEnd) -> NoticeRow {
        NoticeRow { no: 42, notice: Notice { to: "mail:ana@example.org".parse().unwrap(), end: Arc::new(end) } }
    }

    fn block(begins: &str) -> &'static str {
        let from = PAGE.split_once(begins).unwrap().1;
        from.split_once("```").unwrap().0
    }

    #[test]
    fn what_is_sent_is_what_the_page_says() {
        let row = row(end());
        let words = Words { row: &row, stderr: Some("epoch 1\nno more room for the model".into()) };
        assert_eq!(words.json(), serde_json::from_str::<Value>(block("```json\n")).unwrap());
        let keys = words.json().as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        for key in keys.iter().filter(|key| !["job", "owner"].contains(&key.as_str())) {
            assert!(PAGE.contains(&format!("`{key}`")), "the page does not say what {key} is");
        }
        let page = block("```text\nSubject: ");
        let (subject, text) = page.split_once("\n\n").unwrap();
        assert_eq!(words.subject(), subject);
        // What o'clock it is depends on where one is.
        let timeless = |text: &str| {
            let timed = |line: &&str| !["submitted", "started", "ended"].iter().any(|word| line.starts_with(word));
            text.lines().filter(timed).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(timeless(&words.text()), timeless(text));
        assert_eq!(words.text().lines().count(), text.lines().count());
    }

    #[test]
    fn of_an_array_it_is_told_what_did_not_succeed_and_why() {
        let tasks = vec![
            task(3, 2, TaskState::Failed, Some(139), "killed by signal 11"),
            task(9, 0, TaskState::Stopped, None, "by ana\u{1b}[2J"),
        ];
        let counts = Counts { succeeded: 98, failed: 1, stopped: 1, ..Counts::default() };
        let row = row(JobEnd { name: None, counts, tasks, results: 0, ..end() });
        let words = Words { row: &row, stderr: Some("oh".into()) };
        let text = words.text();
        for says in [
            "tasks      100 tasks: 98 succeeded, 1 failed, 1 stopped\n",
            "    17.3 failed on pi-3: killed by signal 11 (SIGSEGV)\n",
            "    17.9 stopped: by ana\\u{1b}[2J\n",
            "The last lines of 17.3 on stderr:\n\n    oh\n",
            "bramble logs 17.3\n",
        ] {
            assert!(text.contains(says), "{says:?} is not in\n{text}");
        }
        assert_eq!(words.subject(), "Bramble: job 17 failed");
        let json = words.json();
        assert_eq!(
            (&json["code"], &json["reason"], &json["stderr_of"]),
            (&Value::Null, &Value::Null, &"17.3#2".into())
        );
    }
}
