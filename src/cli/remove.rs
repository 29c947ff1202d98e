//! What a removed node leaves behind: tasks that would run on it and nowhere else.

use protocol::api::{JobQuery, JobView, Reply, Request};
use protocol::id::JobId;
use protocol::name::NodeName;
use serde::Serialize;

use super::context::ask;
use super::exit::Failure;
use super::pages;
use super::text::count;
use crate::client::Client;

#[derive(Debug, Default, Serialize)]
pub struct Orphans {
    /// Tasks that wait for the node.
    waiting: u32,
    /// Theirs, the newest first.
    jobs: Vec<JobId>,
}

pub async fn orphans(client: &Client, node: &NodeName) -> Result<Orphans, Failure> {
    let (_, jobs) = pages::fetch(
        u32::MAX,
        |job: &JobView| job.id,
        async |skip, limit| {
            let query = JobQuery { active: true, skip, limit, ..JobQuery::default() };
            ask!(client, Request::Jobs(query), Reply::Jobs { total, jobs } => (total, jobs))
        },
    )
    .await?;
    let theirs = jobs.iter().filter(|job| job.node.as_ref() == Some(node) && job.counts.queued > 0);
    Ok(theirs.fold(Orphans::default(), |mut orphans, job| {
        orphans.waiting += job.counts.queued;
        orphans.jobs.push(job.id);
        orphans
    }))
}

impl Orphans {
    /// What follows `pi-1: forgotten`.
    pub fn sentence(&self, node: &NodeName) -> String {
        if self.waiting == 0 {
            return String::new();
        }
        let waits = if self.waiting == 1 { "waits" } else { "wait" };
        let jobs: Vec<String> = self.jobs.iter().map(ToString::to_string).collect();
        format!(
            "; {} {waits} for it and would wait for ever: stop what is not wanted any more (bramble stop {}), or let {node} join again",
            count(self.waiting, "task"),
            jobs.join(" ")
        )
    }
}
