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
    let pids = [manager.pid(), worker.keeper(), worker.agent()];
    let began = Instant::now();
    let before = each(pids, process::fine_cpu)?;
    std::thread::sleep(lasting);
    let after = each(pids, process::fine_cpu)?;
    let lasted = began.elapsed();
    let memory = each(pids, process::memory)?;
    let idle = |n: usize| Idle {
        memory: memory[n],
        cpu_percent: after[n].saturating_sub(before[n]).as_secs_f64() / lasted.as_secs_f64() * 100.0,
    };
    Ok(Spine { manager: idle(0), keeper: idle(1), agent: idle(2) })
}

fn each<T>(pids: [Pid; 3], of: impl Fn(Pid) -> anyhow::Result<T>) -> anyhow::Result<[T; 3]> {
    let [a, b, c] = pids;
    Ok([of(a)?, of(b)?, of(c)?])
}
