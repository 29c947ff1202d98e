//! What the fake manager has to show: a recorded cluster with 100,000 tasks, whose nodes are never quite at rest.

use std::time::{Duration, SystemTime};

use bramble::console::sample;
use protocol::api::{Changes, JobView, NodeMetrics, Picture, Reply, TaskQuery, TaskView, Trend};
use protocol::id::Target;
use protocol::job::{Counts, TaskState};
use protocol::time::UnixMillis;
use protocol::unit::{Bytes, Celsius, Percent};

const JOBS: u32 = 12;
const TASKS: u32 = 100_000;
/// A trend has one more sample each so many ticks.
const TICKS_OF_TREND: u32 = Trend::STEP_MS / 1000;
const SAMPLES: usize = 60;

pub struct Load {
    picture: Picture,
    trends: Vec<Trend>,
    random: u32,
    ticks: u32,
}

impl Load {
    pub fn new(nodes: u32) -> Self {
        let mut load = Load { picture: picture(nodes), trends: vec![], random: 1, ticks: 0 };
        let started: Vec<_> = load.picture.nodes.iter().filter(|node| node.metrics.is_some()).cloned().collect();
        for node in started {
            let mut level = node.metrics.and_then(|metrics| metrics.cpu).map_or(0.0, Percent::value);
            let samples = (0..SAMPLES).map(|_| {
                level = (level + load.noise(8.0)).clamp(0.0, 100.0);
                Percent::new(level)
            });
            let cpu = samples.collect();
            load.trends.push(Trend { node: node.name, cpu });
        }
        load
    }

    pub fn picture(&self) -> Picture {
        self.picture.clone()
    }

    /// A second passes: every node that is up is a little busier, warmer and fuller, or less so.
    pub fn tick(&mut self) -> Changes {
        self.ticks += 1;
        let mut nodes = std::mem::take(&mut self.picture.nodes);
        let mut told = vec![];
        for node in &mut nodes {
            let Some(metrics) = &mut node.metrics else { continue };
            let cpu = metrics.cpu.map_or(0.0, Percent::value);
            metrics.cpu = Percent::new((cpu + self.noise(3.0)).clamp(0.0, 100.0));
            metrics.load_hundredths = metrics.cpu.map(|cpu| (cpu.value() * 4.0) as u32);
            metrics.temperature =
                metrics.temperature.and_then(|celsius| Celsius::new(celsius.value() + self.noise(0.6)));
            metrics.memory_used = metrics.memory_used.map(|used| self.about(used, 4 << 20));
            metrics.net_in = metrics.net_in.map(|rate| self.about(rate, rate.0 / 5));
            metrics.net_out = metrics.net_out.map(|rate| self.about(rate, rate.0 / 5));
            told.push(NodeMetrics {
                name: node.name.clone(),
                role: node.role,
                metrics: metrics.clone(),
                running_cpus: node.running_cpus,
                running: node.running,
                finished: node.finished,
            });
        }
        self.picture.nodes = nodes;
        if self.ticks.is_multiple_of(TICKS_OF_TREND) {
            for trend in &mut self.trends {
                let now = told.iter().find(|news| news.name == trend.node).and_then(|news| news.metrics.cpu);
                trend.cpu.remove(0);
                trend.cpu.push(now);
            }
        }
        Changes { at: now(), metrics: told, ..Default::default() }
    }

    pub fn trends(&self) -> Reply {
        // Time passes with the ticks alone: where there are none, nothing happens.
        let samples = u64::from(self.ticks / TICKS_OF_TREND);
        let end = UnixMillis(self.picture.at.0 + samples * u64::from(Trend::STEP_MS));
        Reply::Trends { step_ms: Trend::STEP_MS, end, nodes: self.trends.clone() }
    }

    /// A page of a job's tasks.
    pub fn tasks(&self, query: &TaskQuery) -> Reply {
        let named = |job: &&JobView| query.targets.contains(&Target::Job(job.id));
        let Some(job) = self.picture.jobs.iter().find(named) else { return Reply::Tasks { total: 0, tasks: vec![] } };
        let total = job.counts.total();
        let limit = if query.limit == 0 { 1000 } else { query.limit };
        let page = query.skip..total.min(query.skip.saturating_add(limit));
        let tasks: Vec<TaskView> = page.map(|index| sample::task(job, index, TaskState::Queued)).collect();
        Reply::Tasks { total, tasks }
    }

    fn about(&mut self, value: Bytes, by: u64) -> Bytes {
        Bytes((value.0 as f64 + f64::from(self.noise(1.0)) * by as f64).max(0.0) as u64)
    }

    /// Somewhere from `-by` to `by`, always the same in turn.
    fn noise(&mut self, by: f32) -> f32 {
        self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((self.random >> 8) as f32 / (1 << 23) as f32 - 1.0) * by
    }
}

/// So many workers, and jobs that together have as many tasks as must be borne. All of it was begun some hours ago.
pub fn picture(workers: u32) -> Picture {
    let mut picture = sample::picture(workers, JOBS);
    let late = now().0.saturating_sub(sample::AT.0).saturating_sub(Duration::from_secs(3 * 3600).as_millis() as u64);
    let moved = |at: UnixMillis| UnixMillis(at.0 + late);
    let short = TASKS.saturating_sub(picture.work.total());
    if let Some(job) = picture.jobs.first_mut() {
        job.counts.queued += short;
    }
    picture.work = Counts { queued: picture.work.queued + short, ..picture.work };
    for job in &mut picture.jobs {
        job.submitted_at = moved(job.submitted_at);
        job.started_at = job.started_at.map(moved);
        job.ended_at = job.ended_at.map(moved);
    }
    for node in &mut picture.nodes {
        node.joined_at = moved(node.joined_at);
        node.seen_at = node.seen_at.map(moved);
    }
    picture.at = now();
    picture
}

fn now() -> UnixMillis {
    UnixMillis::of(SystemTime::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_nodes_and_tasks_as_asked_for() {
        let load = Load::new(16);
        assert_eq!((load.picture.nodes.len(), load.picture.work.total()), (17, TASKS));
        let query = TaskQuery { targets: vec![Target::Job(load.picture.jobs[0].id)], limit: 5, ..Default::default() };
        let Reply::Tasks { total, tasks } = load.tasks(&query) else { panic!("tasks were asked for") };
        assert!(total > 90_000 && tasks.len() == 5);
    }

    #[test]
    fn a_tick_moves_the_metrics_of_every_node_that_is_up() {
        let mut load = Load::new(16);
        let before = load.picture();
        let told = load.tick();
        assert_eq!(told.metrics.len(), before.nodes.iter().filter(|node| node.metrics.is_some()).count());
        let was = |news: &NodeMetrics| before.nodes.iter().find(|node| node.name == news.name).unwrap().metrics.clone();
        assert!(told.metrics.iter().all(|news| was(news).as_ref() != Some(&news.metrics)));
    }
}
