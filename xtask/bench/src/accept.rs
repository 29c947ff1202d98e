//! How fast a manager takes work in, durably, and what it weighs then. No worker is there: all of it stays queued.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::BytesMut;
use protocol::api::{Body, Call, Reply, Request};
use protocol::frame;
use protocol::job::{Array, JobSpec};

use crate::bare::PROGRAM;
use crate::door::Door;
use crate::process;
use crate::rig::Manager;

#[derive(Debug, Clone, Copy)]
pub struct Accepted {
    pub took: Duration,
    /// The manager's resident memory afterwards.
    pub rss: u64,
}

pub fn one_array(manager: &Manager, tasks: u32) -> anyhow::Result<Accepted> {
    let mut door = manager.door()?;
    let mut spec = JobSpec::of([PROGRAM]);
    spec.array = Some(Array { first: 0, last: tasks - 1 });
    let began = Instant::now();
    match door.call(Request::Submit(spec))? {
        Reply::Submitted { tasks: accepted, .. } if accepted == tasks => {}
        other => bail!("an array of {tasks} tasks was answered with {other:?}"),
    }
    let took = began.elapsed();
    Ok(Accepted { took, rss: process::memory(manager.pid())?.rss })
}

/// One request a task, the next sent without waiting for the answer to the one before.
pub fn pipelined(manager: &Manager, tasks: u32) -> anyhow::Result<Accepted> {
    let took = submit_each(manager.door()?, tasks)?;
    Ok(Accepted { took, rss: process::memory(manager.pid())?.rss })
}

fn submit_each(mut door: Door, tasks: u32) -> anyhow::Result<Duration> {
    let writer = door.writer()?;
    let began = Instant::now();
    std::thread::scope(|scope| {
        let sending = scope.spawn(move || send_all(writer, tasks));
        let answered = (0..tasks).try_for_each(|_| match door.next()?.body {
            Body::Reply(Reply::Submitted { .. }) => Ok(()),
            other => bail!("a submission was answered with {other:?}"),
        });
        let took = began.elapsed();
        if answered.is_err() {
            // Nobody reads any more; the sender must not wait for that for ever.
            let _ = door.close();
        }
        let sent = sending.join().unwrap_or_else(|_| bail!("the sending thread panicked"));
        answered.and(sent).map(|()| took)
    })
}

fn send_all(mut to: UnixStream, tasks: u32) -> anyhow::Result<()> {
    let mut frames = BytesMut::new();
    for id in 1..=tasks {
        frame::encode(&Call { id: id.into(), request: Request::Submit(JobSpec::of([PROGRAM])) }, &mut frames)?;
        if frames.len() > 64 * 1024 || id == tasks {
            to.write_all(&frames).context("the manager takes no more requests")?;
            frames.clear();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::door::tests::manager_that;
    use protocol::api::Refusal;
    use protocol::id::JobId;

    #[test]
    fn requests_are_sent_without_waiting_and_every_answer_is_counted() {
        let (door, manager) = manager_that(|_| vec![Body::Reply(Reply::Submitted { job: JobId(1), tasks: 1 })]);
        submit_each(door, 5000).unwrap();
        assert_eq!(manager.join().unwrap(), 5000);
    }

    #[test]
    fn a_refusal_ends_it_even_while_much_is_still_to_be_sent() {
        let (door, manager) = manager_that(|_| vec![Body::Error(Refusal::unavailable("the disk is full"))]);
        let why = submit_each(door, 100_000).unwrap_err().to_string();
        assert!(why.contains("the disk is full"), "{why}");
        manager.join().unwrap();
    }
}
