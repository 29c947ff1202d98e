//! The cluster core alone: no store, no links, no processes. How many results it takes in a second, each of which ends
//! one task and places the next, and how many nodes it does that for.

use std::hint::black_box;
use std::time::Duration;

use anyhow::bail;
use bramble::manager::cluster::{
    CallId, Caller, Cluster, ClusterConfig, Effect, Image, Input, KeyPrint, LinkId, Mono, Now, SecretHash,
};
use protocol::agent::{Finished, FromAgent, Hello, Output, ToAgent};
use protocol::api::{Request, Right};
use protocol::bytes::Blob;
use protocol::id::AttemptId;
use protocol::job::{Array, JobSpec, Outcome};
use protocol::name::NodeName;
use protocol::node::{Facts, Role};
use protocol::time::UnixMillis;
use rustix::time::{ClockId, clock_gettime};

use crate::process;

/// Of each simulated node, as a Raspberry Pi has.
const SLOTS: u32 = 4;
/// Nodes for which it is asked whether the core keeps up with them.
pub const CROWDS: [u32; 3] = [64, 2_000, 10_000];

#[derive(Debug, Clone, Copy)]
pub struct Core {
    /// Results taken, tasks ended and others placed, in a second of one core.
    pub per_second: f64,
    /// What the process grew by: all nodes linked, all tasks queued or under way.
    pub bytes: u64,
}

struct Driver {
    core: Cluster,
    effects: Vec<Effect>,
    now: Now,
    last: u64,
    /// Placed, and not yet reported to have ended.
    placed: Vec<(LinkId, AttemptId)>,
}

pub fn measure(nodes: u32, tasks: u32) -> anyhow::Result<Core> {
    let before = process::memory(std::process::id())?.rss;
    let mut driver = Driver::new();
    (0..nodes).try_for_each(|n| driver.add(n))?;
    let mut spec = JobSpec::of(["true"]);
    spec.array = Some(Array { first: 0, last: tasks - 1 });
    driver.ask(Request::Submit(spec))?;
    let bytes = process::memory(std::process::id())?.rss.saturating_sub(before);
    let (mut took, mut ended) = (Duration::ZERO, 0_u32);
    while !driver.placed.is_empty() {
        // What arrives is made before, as in the manager another thread does.
        let reports: Vec<Input> = std::mem::take(&mut driver.placed).into_iter().map(result).collect();
        ended += u32::try_from(reports.len())?;
        driver.now.mono.0 += 1;
        driver.now.wall.0 += 1;
        let began = cpu();
        for report in reports {
            driver.put(report);
        }
        took += cpu().saturating_sub(began);
    }
    if ended != tasks {
        bail!("of {tasks} tasks {ended} ended");
    }
    Ok(Core { per_second: f64::from(ended) / took.as_secs_f64(), bytes })
}

/// What this thread has used of a core, so that what else runs here is not measured.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

impl Driver {
    fn new() -> Self {
        let now = Now { mono: Mono(1), wall: UnixMillis(1_700_000_000_000) };
        let core = Cluster::new(ClusterConfig::default(), Image::default(), now);
        Self { core, effects: vec![], now, last: 0, placed: vec![] }
    }

    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn put(&mut self, input: Input) {
        self.core.handle(input, self.now, &mut self.effects);
        for effect in black_box(&mut self.effects).drain(..) {
            if let Effect::Send(link, ToAgent::Start(order)) = effect {
                self.placed.push((link, order.attempt));
            }
        }
    }

    fn ask(&mut self, request: Request) -> anyhow::Result<()> {
        let (call, caller) = (CallId(self.number()), admin()?);
        self.put(Input::Request { call, caller, request });
        Ok(())
    }

    /// Joins and links.
    fn add(&mut self, n: u32) -> anyhow::Result<()> {
        let name: NodeName = format!("pi-{n}").parse()?;
        let (key, hash) = (KeyPrint(format!("SHA256:{n}").into()), SecretHash(format!("token {n}").into()));
        let (call, caller, role) = (CallId(self.number()), admin()?, Role::Worker);
        self.put(Input::MakeToken { call, caller, hash: hash.clone(), role, ttl_ms: 60_000 });
        let call = CallId(self.number());
        self.put(Input::Join { call, key: key.clone(), hash, name: name.clone(), role, address: None });
        let link = LinkId(self.number());
        let hello = Box::new(Hello {
            takes_runs: false,
            protocol: protocol::PROTOCOL,
            version: protocol::VERSION.into(),
            node: name.clone(),
            boot_id: format!("boot of {name}"),
            cpus: SLOTS,
            slots: SLOTS,
            takes_files: true,
            takes_secrets: true,
            gives_results: true,
            shared_uid: false,
            facts: Facts::default(),
            held: vec![],
        });
        self.put(Input::Linked { link, node: name, key, address: None, hello });
        Ok(())
    }
}

fn admin() -> anyhow::Result<Caller> {
    Ok(Caller { person: "root".parse()?, right: Right::Admin })
}

fn result((link, attempt): (LinkId, AttemptId)) -> Input {
    let at = UnixMillis(1_700_000_000_000);
    let nothing = || Output { length: 0, dropped: 0, bytes: Some(Blob::default()) };
    let report = FromAgent::Finished(Finished {
        attempt,
        outcome: Outcome::Exited(0),
        started_at: Some(at),
        ended_at: at,
        ran_ms: Some(1),
        out_of_memory: false,
        result_lost: None,
        stdout: nothing(),
        stderr: nothing(),
    });
    Input::Report { link, report }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_is_placed_and_ends() {
        let core = measure(10, 1_000).unwrap();
        assert!(core.per_second > 0.0);
    }
}
