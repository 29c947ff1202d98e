//! No-op tasks as one array on two slots, everything durable.

use std::time::{Duration, Instant};

use anyhow::bail;
use protocol::api::{Reply, Request};
use protocol::id::Target;
use protocol::job::{Array, JobSpec};

use crate::bare::PROGRAM;
use crate::process;
use crate::rig::{Manager, Worker};

#[derive(Debug, Clone, Copy)]
pub struct Speed {
    pub per_second: f64,
    /// All our processes and the tasks themselves.
    pub cpu_ms: f64,
}

impl Speed {
    pub fn of(tasks: u32, took: Duration, cpu: Duration) -> Self {
        let n = f64::from(tasks.max(1));
        Self { per_second: n / took.as_secs_f64(), cpu_ms: cpu.as_secs_f64() * 1000.0 / n }
    }
}

/// On these workers, which are all that this manager has.
pub fn measure(manager: &Manager, workers: &[Worker], tasks: u32) -> anyhow::Result<Speed> {
    let all = || -> anyhow::Result<Duration> {
        let of =
            |worker: &Worker| Ok::<_, anyhow::Error>(process::cpu(worker.keeper())? + process::cpu(worker.agent())?);
        workers.iter().try_fold(process::cpu(manager.pid())?, |sum, worker| Ok(sum + of(worker)?))
    };
    let mut door = manager.door()?;
    let mut spec = JobSpec::of([PROGRAM]);
    spec.array = Some(Array { first: 0, last: tasks - 1 });

    let (before, began) = (all()?, Instant::now());
    let Reply::Submitted { job, .. } = door.call(Request::Submit(spec))? else { bail!("a job was submitted") };
    let Reply::Waited(waited) = door.call(Request::Wait { targets: vec![Target::Job(job)] })? else {
        bail!("a job was waited for")
    };
    let took = began.elapsed();
    if waited.counts.succeeded != tasks {
        bail!("of {tasks} tasks of job {job} not all succeeded: {:?}", waited.counts);
    }
    // What is tidied up after the last result was told belongs to the tasks too.
    std::thread::sleep(Duration::from_millis(500));
    Ok(Speed::of(tasks, took, all()?.saturating_sub(before)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_per_second_and_its_cost_per_task() {
        let speed = Speed::of(1000, Duration::from_millis(500), Duration::from_millis(750));
        assert_eq!((speed.per_second, speed.cpu_ms), (2000.0, 0.75));
    }
}
