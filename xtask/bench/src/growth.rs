//! How what a task costs grows: with the number of agents, and with the number of tasks that wait.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use protocol::api::{Reply, Request};
use protocol::job::{Array, JobSpec};
use protocol::name::NodeName;
use serde::Serialize;

use crate::bare::PROGRAM;
use crate::process;
use crate::rig::{Ground, Manager, Programs, Worker};
use crate::statistics::median;
use crate::{idle, latency, throughput};

#[derive(Debug, Clone)]
pub struct Size {
    pub agents: &'static [u32],
    pub queued: &'static [u32],
    /// Tasks queued behind all those agents at the end, to weigh the manager with both.
    pub behind: u32,
    /// No-op tasks that are run each time.
    pub tasks: u32,
    pub idle: Duration,
    /// Of each verb.
    pub verbs: u32,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct Growth {
    pub by_agents: Vec<ByAgents>,
    pub by_queue: Vec<ByQueue>,
}

/// So many agents with two slots each, all on this machine.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct ByAgents {
    pub agents: u32,
    pub tasks_per_second: f64,
    /// All our processes and the tasks themselves.
    pub cpu_ms: f64,
    /// Idle, of one core.
    pub manager_cpu_percent: f64,
    /// Idle, agent and keeper, the mean of all.
    pub worker_cpu_percent: f64,
    pub manager_rss_mb: f64,
    /// The same with [`Size::behind`] queued.
    pub manager_rss_queued_mb: Option<f64>,
    pub worker_rss_mb: f64,
    /// Submit → known done, p50.
    pub idle_ms: f64,
}

/// So many tasks wait for a node that takes none, while others run.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct ByQueue {
    pub queued: u32,
    pub accepted_ms: f64,
    /// Of the manager, for each task it took in.
    pub accept_cpu_us: f64,
    pub tasks_per_second: f64,
    pub cpu_ms: f64,
    pub manager_rss_mb: f64,
    /// `bramble job ls` and `task ls`, processes and all, p50.
    pub job_ls_ms: f64,
    pub task_ls_ms: f64,
}

/// Tasks for each agent, and for each queue, before it is measured.
const WARM: u32 = 16;

pub fn measure(programs: &Programs, ground: &Ground, size: &Size) -> anyhow::Result<Growth> {
    let mut growth = Growth::default();
    for &agents in size.agents {
        eprintln!("  {agents} agents");
        let measured = with_agents(programs, ground, size, agents);
        growth.by_agents.push(measured.with_context(|| format!("with {agents} agents"))?);
    }
    for &queued in size.queued {
        eprintln!("  {queued} tasks queued");
        growth
            .by_queue
            .push(with_queue(programs, ground, size, queued).with_context(|| format!("with {queued} tasks"))?);
    }
    Ok(growth)
}

fn with_agents(programs: &Programs, ground: &Ground, size: &Size, agents: u32) -> anyhow::Result<ByAgents> {
    let manager = Manager::start(programs, ground, &format!("agents-{agents}"))?;
    let names: Vec<String> = (1..=agents).map(|n| format!("grown-{agents}-{n}")).collect();
    let workers = Worker::start_all(programs, ground, &manager, &names)?;
    // The kernel tells CPU in hundredths of a second, rounded down: only with some used before does that even out.
    throughput::measure(&manager, &workers, agents * WARM)?;
    let speed = throughput::measure(&manager, &workers, size.tasks)?;
    let idle_ms = median(&latency::by_socket(&manager, size.verbs.max(20))?);
    let rest = idle::of_all(&manager, &workers, size.idle)?;
    let queued = match size.behind {
        0 => None,
        behind => {
            names.iter().try_for_each(|name| drain(&manager, name))?;
            submit(&manager, behind, None)?;
            Some(process::memory(manager.pid())?.rss as f64 / 1e6)
        }
    };
    Ok(ByAgents {
        agents,
        tasks_per_second: speed.per_second,
        cpu_ms: speed.cpu_ms,
        manager_cpu_percent: rest.manager.cpu_percent,
        worker_cpu_percent: rest.worker.cpu_percent,
        manager_rss_mb: rest.manager.memory.rss as f64 / 1e6,
        manager_rss_queued_mb: queued,
        worker_rss_mb: rest.worker.memory.rss as f64 / 1e6,
        idle_ms,
    })
}

fn with_queue(programs: &Programs, ground: &Ground, size: &Size, queued: u32) -> anyhow::Result<ByQueue> {
    let manager = Manager::start(programs, ground, &format!("queue-{queued}"))?;
    let names = [format!("open-{queued}"), format!("shut-{queued}")];
    let mut workers = Worker::start_all(programs, ground, &manager, &names)?;
    let [_, shut] = &names;
    drain(&manager, shut)?;
    workers.truncate(1);

    let (before, began) = (process::fine_cpu(manager.pid())?, Instant::now());
    submit(&manager, queued, Some(shut))?;
    let accepted = began.elapsed();
    let cpu = process::fine_cpu(manager.pid())?.saturating_sub(before);
    throughput::measure(&manager, &workers, WARM)?;
    let speed = throughput::measure(&manager, &workers, size.tasks)?;
    let verb = |words: &[&str]| -> anyhow::Result<f64> {
        let took = (0..size.verbs).map(|_| {
            let began = Instant::now();
            let done =
                manager.verb(words).output().with_context(|| format!("`bramble {words:?}` cannot be started"))?;
            let took = began.elapsed();
            match done.status.success() {
                true => Ok(took.as_secs_f64() * 1000.0),
                false => bail!("`bramble {words:?}` failed: {}", String::from_utf8_lossy(&done.stderr)),
            }
        });
        Ok(median(&took.collect::<anyhow::Result<Vec<f64>>>()?))
    };
    Ok(ByQueue {
        queued,
        accepted_ms: accepted.as_secs_f64() * 1000.0,
        accept_cpu_us: cpu.as_secs_f64() * 1e6 / f64::from(queued.max(1)),
        tasks_per_second: speed.per_second,
        cpu_ms: speed.cpu_ms,
        manager_rss_mb: process::memory(manager.pid())?.rss as f64 / 1e6,
        job_ls_ms: verb(&["job", "ls"])?,
        task_ls_ms: verb(&["task", "ls"])?,
    })
}

fn drain(manager: &Manager, name: &str) -> anyhow::Result<()> {
    let node: NodeName = name.parse().map_err(|_| anyhow::anyhow!("{name} is no name of a node"))?;
    manager.door()?.call(Request::Drain { node, on: true }).map(drop)
}

fn submit(manager: &Manager, tasks: u32, node: Option<&str>) -> anyhow::Result<()> {
    let mut spec = JobSpec::of([PROGRAM]);
    spec.array = Some(Array { first: 0, last: tasks.saturating_sub(1) });
    spec.node = node.map(str::parse).transpose().map_err(|_| anyhow::anyhow!("{node:?} is no name of a node"))?;
    match manager.door()?.call(Request::Submit(spec))? {
        Reply::Submitted { tasks: accepted, .. } if accepted == tasks => Ok(()),
        other => bail!("an array of {tasks} tasks was answered with {other:?}"),
    }
}
