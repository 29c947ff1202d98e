//! What a bramble costs while nothing happens but metrics, once a second.

use std::time::{Duration, Instant};

use crate::process::{self, Memory, Pid};
use crate::rig::{Manager, Worker};

#[derive(Debug, Clone, Copy)]
pub struct Idle {
    pub memory: Memory,
    /// Of one core.
    pub cpu_percent: f64,
}

#[derive(Debug, Clone, Copy)]
pub struct Spine {
    pub manager: Idle,
    pub keeper: Idle,
    pub agent: Idle,
}

impl Spine {
    pub fn worker(&self) -> Idle {
        Idle {
            memory: self.keeper.memory + self.agent.memory,
            cpu_percent: self.keeper.cpu_percent + self.agent.cpu_percent,
        }
    }
}

pub fn measure(manager: &Manager, worker: &Worker, lasting: Duration) -> anyhow::Result<Spine> {
    let [manager, keeper, agent] =
        <[Idle; 3]>::try_from(of_each(&[manager.pid(), worker.keeper(), worker.agent()], lasting)?)
            .map_err(|_| anyhow::anyhow!("three processes were measured"))?;
    Ok(Spine { manager, keeper, agent })
}

/// A manager and its workers, of which the mean is told.
#[derive(Debug, Clone, Copy)]
pub struct Cluster {
    pub manager: Idle,
    /// Agent and keeper together.
    pub worker: Idle,
}

pub fn of_all(manager: &Manager, workers: &[Worker], lasting: Duration) -> anyhow::Result<Cluster> {
    let mut pids = vec![manager.pid()];
    pids.extend(workers.iter().flat_map(|worker| [worker.keeper(), worker.agent()]));
    let each = of_each(&pids, lasting)?;
    let Some((manager, others)) = each.split_first() else { anyhow::bail!("a manager was measured") };
    let count = workers.len().max(1);
    let sum = others.iter().fold(Memory::default(), |sum, one| sum + one.memory);
    let mean = |bytes: u64| bytes / count as u64;
    let memory = Memory { rss: mean(sum.rss), pss: mean(sum.pss), private: mean(sum.private) };
    let cpu_percent = others.iter().map(|one| one.cpu_percent).sum::<f64>() / count as f64;
    Ok(Cluster { manager: *manager, worker: Idle { memory, cpu_percent } })
}

fn of_each(pids: &[Pid], lasting: Duration) -> anyhow::Result<Vec<Idle>> {
    let cpu = || pids.iter().map(|pid| process::fine_cpu(*pid)).collect::<anyhow::Result<Vec<Duration>>>();
    let began = Instant::now();
    let before = cpu()?;
    std::thread::sleep(lasting);
    let after = cpu()?;
    let lasted = began.elapsed().as_secs_f64();
    let used = after.iter().zip(before).map(|(after, before)| after.saturating_sub(before).as_secs_f64());
    let idle =
        |(pid, used): (&Pid, f64)| Ok(Idle { memory: process::memory(*pid)?, cpu_percent: used / lasted * 100.0 });
    pids.iter().zip(used).map(idle).collect()
}
