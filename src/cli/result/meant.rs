//! Which attempts are meant by a target, and what is known of them.

use std::collections::BTreeMap;

use protocol::api::{Reply, Request, TaskQuery, TaskView};
use protocol::id::{AttemptId, Target};
use protocol::result::{ResultQuery, ResultView};

use super::list_of;
use crate::cli::comeback;
use crate::cli::context::{Context, unfit};
use crate::cli::exit::{Failure, Kind};
use crate::cli::{pages, task};
use crate::client::Client;

/// An attempt, the latest of its task or one before it.
#[derive(Debug)]
pub struct Meant {
    /// As this attempt left it.
    pub task: TaskView,
    pub latest: bool,
    /// What it left.
    pub result: Option<ResultView>,
}

impl Meant {
    /// Of its folder: the task, whose latest attempt is meant, or else the attempt.
    pub fn name(&self) -> String {
        if self.latest { self.task.id.to_string() } else { self.task.id.attempt(self.task.attempt).to_string() }
    }

    /// Whose output it is. What was stopped before it began has none.
    pub fn printed(&self) -> Target {
        match self.task.attempt {
            0 => Target::Task(self.task.id),
            number => Target::Attempt(self.task.id.attempt(number)),
        }
    }
}

/// Of a job, a range or a task the latest attempt of each task, ended or not.
pub async fn meant(target: Target, client: &Client, context: &Context) -> Result<Vec<Meant>, Failure> {
    if let Target::Attempt(id) = target {
        return attempt(id, client).await.map(|one| vec![one]);
    }
    let (_, tasks) = pages::fetch(
        u32::MAX,
        |task: &TaskView| task.id,
        async |skip, limit| {
            let query = TaskQuery { targets: vec![target], skip, limit, ..TaskQuery::default() };
            match comeback::call(client, Request::Tasks(query), context).await? {
                Reply::Tasks { total, tasks } => Ok((total, tasks)),
                other => Err(unfit(&other)),
            }
        },
    )
    .await?;
    if tasks.is_empty() {
        return Err(Failure::new(
            Kind::NotFound,
            format_args!("there is no {target}; see what there is with: bramble job"),
        ));
    }
    // Asked later than the tasks: what has ended has its result by now.
    let (_, results) = pages::fetch(
        u32::MAX,
        |view: &ResultView| view.attempt,
        async |skip, limit| {
            let query = ResultQuery { targets: vec![target], skip, limit, ..ResultQuery::default() };
            let list = list_of(client, query, context).await?;
            Ok((list.total, list.results))
        },
    )
    .await?;
    let mut results: BTreeMap<AttemptId, ResultView> = results.into_iter().map(|view| (view.attempt, view)).collect();
    let mut meant: Vec<Meant> = tasks
        .into_iter()
        .map(|task| Meant { result: results.remove(&task.id.attempt(task.attempt)), task, latest: true })
        .collect();
    meant.sort_by_key(|one| one.task.id);
    Ok(meant)
}

async fn attempt(id: AttemptId, client: &Client) -> Result<Meant, Failure> {
    let task::Attempt { task, attempt, result } = task::attempt(client, id).await?;
    let latest = task.attempt == id.number;
    let task = TaskView {
        state: attempt.state,
        stopping: false,
        attempt: id.number,
        node: attempt.node,
        started_at: attempt.started_at,
        ended_at: attempt.ended_at,
        ran_ms: attempt.ran_ms,
        code: attempt.code,
        reason: attempt.reason,
        ..task
    };
    Ok(Meant { task, latest, result })
}
