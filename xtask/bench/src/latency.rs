//! On an idle bramble: from asking for a task to knowing that it is done. Milliseconds.

use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, bail};
use protocol::api::{Reply, Request};
use protocol::id::Target;
use protocol::job::JobSpec;

use crate::bare::PROGRAM;
use crate::rig::Manager;

/// Submit, then wait, both on one connection.
pub fn by_socket(manager: &Manager, repeats: u32) -> anyhow::Result<Vec<f64>> {
    let mut door = manager.door()?;
    (0..repeats)
        .map(|_| {
            let began = Instant::now();
            let Reply::Submitted { job, .. } = door.call(Request::Submit(JobSpec::of([PROGRAM])))? else {
                bail!("a job was submitted")
            };
            let Reply::Waited(waited) = door.call(Request::Wait { targets: vec![Target::Job(job)] })? else {
                bail!("a job was waited for")
            };
            let took = began.elapsed();
            if waited.counts.succeeded != 1 {
                bail!("job {job} did not succeed: {}", waited.reason);
            }
            Ok(took.as_secs_f64() * 1000.0)
        })
        .collect()
}

/// `bramble run --wait -- true`, a process each.
pub fn by_verb(manager: &Manager, repeats: u32) -> anyhow::Result<Vec<f64>> {
    (0..repeats)
        .map(|_| {
            let mut verb = manager.verb(&["run", "--wait", "--", PROGRAM]);
            verb.stdout(Stdio::null()).stderr(Stdio::null());
            let began = Instant::now();
            let ended = verb.status().context("`bramble run` cannot be started")?;
            let took = began.elapsed();
            if !ended.success() {
                bail!("`bramble run --wait -- {PROGRAM}` failed: {ended}");
            }
            Ok(took.as_secs_f64() * 1000.0)
        })
        .collect()
}
