//! A row of the table: what is measured, what must be reached, and whether it was.

use serde::Serialize;

use crate::statistics::median;

/// What is measured, and the numbers of TARGETS.md for it where it has some.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goal {
    /// Tells it from others, for programs.
    pub key: &'static str,
    pub name: &'static str,
    pub unit: &'static str,
    pub better: Better,
    pub must: Option<f64>,
    pub aim: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    More,
    Less,
}

/// Where a number stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Better than the aim even.
    Aim,
    Ok,
    /// Missed by less than half.
    Within,
    Missed,
    /// Nothing must be reached: it is there to compare with.
    None,
}

impl Mark {
    pub fn word(self) -> &'static str {
        match self {
            Mark::Aim => "ok, aim reached",
            Mark::Ok => "ok",
            Mark::Within => "within 1.5×",
            Mark::Missed => "MISSED",
            Mark::None => "",
        }
    }
}

impl Goal {
    const fn less(key: &'static str, name: &'static str, unit: &'static str, must: f64, aim: f64) -> Self {
        Self { key, name, unit, better: Better::Less, must: Some(must), aim: Some(aim) }
    }

    const fn more(key: &'static str, name: &'static str, unit: &'static str, must: f64, aim: f64) -> Self {
        Self { key, name, unit, better: Better::More, must: Some(must), aim: Some(aim) }
    }

    const fn told(key: &'static str, name: &'static str, unit: &'static str) -> Self {
        Self { key, name, unit, better: Better::Less, must: None, aim: None }
    }

    pub fn mark(&self, value: f64) -> Mark {
        let reaches = |goal: f64, times: f64| match self.better {
            Better::More => value * times >= goal,
            Better::Less => value <= goal * times,
        };
        match (self.must, self.aim) {
            (None, _) => Mark::None,
            (_, Some(aim)) if reaches(aim, 1.0) => Mark::Aim,
            (Some(must), _) if reaches(must, 1.0) => Mark::Ok,
            (Some(must), _) if reaches(must, 1.5) => Mark::Within,
            _ => Mark::Missed,
        }
    }
}

pub const BARE: Goal = Goal::told("bare", "bare posix_spawn, 2 at once", "tasks/s");
pub const BARE_CPU: Goal = Goal::told("bare_cpu", "  CPU of one", "ms");
pub const PIPES: Goal = Goal::told("pipes", "tokio with pipes, 2 at once", "tasks/s");
pub const PIPES_CPU: Goal = Goal::told("pipes_cpu", "  CPU of one", "ms");
pub const TASKS_1K: Goal = Goal::told("tasks_1k", "1,000 no-op tasks, 2 slots", "tasks/s");
pub const TASKS_10K: Goal = Goal {
    key: "tasks_10k",
    name: "10,000 no-op tasks, 2 slots",
    unit: "tasks/s",
    better: Better::More,
    must: Some(1600.0),
    aim: None,
};
pub const RATIO: Goal =
    Goal { key: "ratio", name: "  against bare", unit: "×", better: Better::More, must: Some(0.45), aim: Some(0.65) };
pub const TASK_CPU: Goal = Goal::less("task_cpu", "  CPU of one: all our processes and the task", "ms", 0.9, 0.75);
/// The goals of the one above, over [`REFERENCE_SPAWN_MS`].
pub const CPU_RATIO: Goal = Goal::less("cpu_ratio", "  against the CPU of a bare one", "×", 1.76, 1.47);
pub const SOCKET_P50: Goal = Goal::less("socket_p50", "submit → known done, idle, by socket, p50", "ms", 2.0, 1.2);
pub const SOCKET_P99: Goal = Goal::told("socket_p99", "  p99", "ms");
pub const VERB_P50: Goal = Goal::less("verb_p50", "submit → known done, idle, by verb, p50", "ms", 6.0, 3.0);
pub const VERB_P99: Goal = Goal::told("verb_p99", "  p99", "ms");
pub const LINE_P50: Goal = Goal::less("line_p50", "a printed line is seen by a follower, p50", "ms", 1.0, 0.5);
pub const LINE_P99: Goal = Goal::told("line_p99", "  p99", "ms");
pub const ARRAY: Goal = Goal::less("array", "100,000 tasks accepted as one array", "s", 0.25, 0.1);
pub const PIPELINED: Goal = Goal::less("pipelined", "100,000 tasks accepted as pipelined requests", "s", 10.0, 3.0);
pub const ARRAY_RSS: Goal = Goal::less("array_rss", "manager RSS, 100,000 queued as one array", "MB", 60.0, 40.0);
pub const PIPELINED_RSS: Goal =
    Goal::less("pipelined_rss", "manager RSS, 100,000 queued as jobs of their own", "MB", 60.0, 40.0);
pub const WORKER_RSS: Goal = Goal::less("worker_rss", "agent + keeper RSS, idle, fresh", "MB", 8.0, 5.0);
pub const WORKER_PRIVATE: Goal = Goal::less("worker_private", "  private part", "MB", 3.0, 2.0);
pub const WORKER_RSS_AFTER: Goal =
    Goal::less("worker_rss_after", "agent + keeper RSS, idle, after all of the above", "MB", 8.0, 5.0);
pub const WORKER_PRIVATE_AFTER: Goal = Goal::less("worker_private_after", "  private part", "MB", 3.0, 2.0);
pub const WORKER_PSS_AFTER: Goal = Goal::told("worker_pss_after", "  PSS", "MB");
pub const KEEPER_RSS: Goal = Goal::told("keeper_rss", "  keeper alone, RSS", "MB");
pub const AGENT_RSS: Goal = Goal::told("agent_rss", "  agent alone, RSS", "MB");
pub const MANAGER_RSS: Goal = Goal::told("manager_rss", "manager RSS, idle, after all of the above", "MB");
pub const MANAGER_PRIVATE: Goal = Goal::told("manager_private", "  private part", "MB");
pub const WORKER_CPU: Goal = Goal::less("worker_cpu", "agent + keeper CPU, idle, metrics each second", "%", 0.3, 0.1);
pub const KEEPER_CPU: Goal = Goal::told("keeper_cpu", "  keeper alone", "%");
pub const MANAGER_CPU: Goal = Goal::told("manager_cpu", "manager CPU, idle", "%");
pub const BACK_TO_WORK: Goal =
    Goal::less("back_to_work", "kill -9 of the manager, 100,000 tasks: back to work", "s", 2.0, 0.5);
pub const AGENTS_BACK: Goal = Goal {
    key: "agents_back",
    name: "  64 agents back, and 1 s before it is started again",
    unit: "s",
    better: Better::Less,
    must: Some(3.0),
    aim: None,
};

pub const AGENTS: Goal = Goal {
    key: "agents",
    name: "agents on this machine, all up",
    unit: "agents",
    better: Better::More,
    must: Some(64.0),
    aim: Some(200.0),
};
pub const MANY_RSS: Goal = Goal::less("many_rss", "manager RSS, 64 agents, 100,000 queued", "MB", 60.0, 40.0);
/// A decision: a result taken in, its task ended, the next one placed.
pub const CORE: Goal =
    Goal::more("core", "cluster core alone, 64 nodes, 100,000 tasks", "decisions/s", 50_000.0, 200_000.0);
pub const CORE_2K: Goal = Goal::told("core_2k", "  2,000 nodes", "decisions/s");
pub const CORE_10K: Goal = Goal::told("core_10k", "  10,000 nodes", "decisions/s");
pub const CORE_10K_RSS: Goal = Goal::told("core_10k_rss", "  10,000 nodes, memory", "MB");
pub const CORE_NODES: Goal =
    Goal::more("core_nodes", "simulated nodes with 50,000 decisions/s", "nodes", 2_000.0, 10_000.0);
pub const MANY_CPU: Goal = Goal::told("many_cpu", "  CPU of a no-op task with them", "ms");

pub const FIRST_PAINT: Goal =
    Goal::less("first_paint", "first paint, 1,000 nodes and 100,000 tasks", "ms", 100.0, 30.0);
pub const KEY_P50: Goal = Goal::told("key_p50", "key → frame, same picture, p50", "ms");
pub const KEY_P99: Goal = Goal::less("key_p99", "  p99", "ms", 16.0, 4.0);
pub const FRAME_16: Goal = Goal::told("frame_16", "CPU of a key and its frame, 16 nodes", "ms");
pub const FRAME_200: Goal = Goal::told("frame_200", "  200 nodes", "ms");
pub const FRAME_1000: Goal = Goal::told("frame_1000", "  1,000 nodes", "ms");
pub const IDLE_BYTES: Goal = Goal::less("idle_bytes", "bytes while nothing happens, 16 nodes", "bytes", 0.0, 0.0);
pub const MINUTE_BYTES: Goal = Goal::told("minute_bytes", "  as a minute ends", "bytes");
pub const TICK_BYTES: Goal = Goal::less("tick_bytes", "bytes of a tick of metrics, 16 nodes", "bytes", 1023.0, 300.0);
pub const CONSOLE_CPU: Goal = Goal::told("console_cpu", "console CPU, nothing happens", "%");
pub const CONSOLE_CPU_64: Goal = Goal::told("console_cpu_64", "  64 nodes' metrics each second", "%");

/// What is measured of files of one size.
#[derive(Debug, Clone, Copy)]
pub struct OfSize {
    pub size: &'static str,
    /// Ours, scp, rsync, how many times as quick as scp.
    pub put: [Goal; 4],
    pub get: [Goal; 4],
    /// To one node and against scp, to several at once and each against scp to one, to one that has it.
    pub deliver: [Goal; 5],
}

macro_rules! of_size {
    ($size:literal, $must:expr, $aim:expr) => {{
        const fn told(key: &'static str, name: &'static str) -> Goal {
            Goal::told(key, name, "ms")
        }
        const fn ratio(key: &'static str, must: Option<f64>, aim: Option<f64>) -> Goal {
            Goal { key, name: "  times as quick as scp to one", unit: "×", better: Better::More, must, aim }
        }
        OfSize {
            size: $size,
            put: [
                told(concat!("put ", $size), concat!($size, ": put")),
                told(concat!("put scp ", $size), "  scp"),
                told(concat!("put rsync ", $size), "  rsync"),
                ratio(concat!("put ratio ", $size), None, None),
            ],
            get: [
                told(concat!("get ", $size), concat!($size, ": get")),
                told(concat!("get scp ", $size), "  scp"),
                told(concat!("get rsync ", $size), "  rsync"),
                ratio(concat!("get ratio ", $size), None, None),
            ],
            deliver: [
                told(concat!("deliver ", $size), concat!($size, ": a task with it, done on a node")),
                ratio(concat!("deliver ratio ", $size), $must, $aim),
                told(concat!("deliver 3 ", $size), "  on three more at once, the last of them"),
                ratio(concat!("deliver 3 ratio ", $size), $must, $aim),
                told(concat!("deliver again ", $size), "  once more, where it is already"),
            ],
        }
    }};
}

pub const SMALL: OfSize = of_size!("1 KB", None, None);
pub const MIDDLE: OfSize = of_size!("1 MB", None, None);
pub const LARGE: OfSize = of_size!("1 GB", Some(0.5), Some(1.0));

/// CPU of a bare spawn on the machine for which times were called for.
const REFERENCE_SPAWN_MS: f64 = 0.51;

/// What was measured of each goal, in the order in which it was measured first.
#[derive(Debug, Default)]
pub struct Rows(Vec<Row>);

#[derive(Debug)]
pub struct Row {
    pub goal: Goal,
    pub runs: Vec<f64>,
}

impl Rows {
    pub fn add(&mut self, goal: Goal, value: f64) {
        match self.0.iter_mut().find(|row| row.goal.key == goal.key) {
            Some(row) => row.runs.push(value),
            None => self.0.push(Row { goal, runs: vec![value] }),
        }
    }

    /// What is shown of one, where it was measured.
    pub fn get(&self, goal: &Goal) -> Option<f64> {
        self.0.iter().find(|row| row.goal.key == goal.key).map(Row::value)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Row> {
        self.0.iter()
    }

    /// What makes the times worth less, and the ratios not.
    pub fn doubt(&self) -> Option<String> {
        let times = self.get(&BARE_CPU)? / REFERENCE_SPAWN_MS;
        (times > 1.25).then(|| {
            format!(
                "a bare spawn took {times:.1} × the CPU it took where the times in milliseconds and the tasks/s were called \
                 for: look at what is against bare"
            )
        })
    }
}

impl Row {
    /// What is shown of all runs.
    pub fn value(&self) -> f64 {
        median(&self.runs)
    }

    pub fn mark(&self) -> Mark {
        self.goal.mark(self.value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_marked_by_what_it_reaches() {
        assert_eq!(TASK_CPU.mark(0.7), Mark::Aim);
        assert_eq!(TASK_CPU.mark(0.9), Mark::Ok);
        assert_eq!(TASK_CPU.mark(1.3), Mark::Within);
        assert_eq!(TASK_CPU.mark(1.4), Mark::Missed);
        assert_eq!(TASKS_10K.mark(1600.0), Mark::Ok);
        assert_eq!(TASKS_10K.mark(1100.0), Mark::Within);
        assert_eq!(TASKS_10K.mark(1000.0), Mark::Missed);
        assert_eq!(BARE.mark(0.0), Mark::None);
    }

    #[test]
    fn of_several_runs_the_median_is_shown() {
        let mut rows = Rows::default();
        for value in [3.0, 1.0, 2.0] {
            rows.add(BARE, value);
        }
        rows.add(PIPES, 7.0);
        let shown: Vec<f64> = rows.iter().map(Row::value).collect();
        assert_eq!(shown, [2.0, 7.0]);
    }

    #[test]
    fn a_slow_machine_is_told_by_what_a_bare_spawn_takes() {
        let rows = |cpu_ms| {
            let mut rows = Rows::default();
            rows.add(BARE_CPU, cpu_ms);
            rows
        };
        assert_eq!(Rows::default().doubt(), None);
        assert_eq!(rows(0.55).doubt(), None);
        assert!(rows(1.02).doubt().unwrap().contains("took 2.0 × the CPU"));
        let goals = [TASK_CPU.must, TASK_CPU.aim].map(|goal| goal.unwrap() / REFERENCE_SPAWN_MS);
        let of_ratio = [CPU_RATIO.must, CPU_RATIO.aim].map(Option::unwrap);
        assert!(goals.into_iter().zip(of_ratio).all(|(a, b)| (a - b).abs() < 0.01), "{goals:?}");
    }
}
