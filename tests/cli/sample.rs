//! Things for a fake manager to show.

use protocol::api::{JobView, LogChunk, More, NodeView, Reply, TaskView, Waited};
use protocol::id::{JobId, TaskId};
use protocol::job::{Counts, Stream, TaskState};
use protocol::node::{Facts, Metrics, NodeState, Role};
use protocol::time::UnixMillis;
use protocol::unit::{Bytes, Celsius, Percent};

/// So long before the test runs that ages are told in days, and do not change while it runs.
pub fn days_ago(days: u64) -> UnixMillis {
    let now = UnixMillis::of(std::time::SystemTime::now());
    UnixMillis(now.0 - days * 86_400_000 - 3_600_000)
}

pub fn job(id: u32, state: TaskState, tasks: u32) -> JobView {
    let mut counts = Counts::default();
    *counts.of(state) = tasks;
    JobView {
        id: JobId(id),
        name: None,
        owner: "ana".parse().unwrap(),
        command: vec!["echo".into(), "hello world".into()],
        cpus: 1,
        node: None,
        first: 0,
        submitted_at: days_ago(2),
        started_at: None,
        ended_at: None,
        state: counts.state(),
        counts,
        files: vec![],
        secrets: vec![],
    }
}

pub fn task(id: TaskId, state: TaskState) -> TaskView {
    TaskView {
        id,
        name: None,
        owner: "ana".parse().unwrap(),
        command: vec!["echo".into(), "hello world".into()],
        state,
        stopping: false,
        attempt: u32::from(state != TaskState::Queued),
        node: None,
        submitted_at: days_ago(2),
        started_at: None,
        ended_at: None,
        ran_ms: None,
        code: None,
        reason: String::new(),
    }
}

pub fn node(name: &str) -> NodeView {
    NodeView {
        ssh: None,
        name: name.parse().unwrap(),
        role: Role::Worker,
        state: NodeState::Up,
        draining: false,
        revoked: false,
        shared_uid: false,
        version: Some("0.1.0".into()),
        address: Some("10.0.0.7".into()),
        cpus: 4,
        slots: 4,
        running_cpus: 1,
        running: 1,
        finished: 12,
        joined_at: days_ago(9),
        trouble: None,
        seen_at: None,
        facts: Facts {
            model: Some("Raspberry Pi 4 Model B Rev 1.5".into()),
            memory: Some(Bytes(4 << 30)),
            ..Facts::default()
        },
        metrics: Some(Metrics {
            cpu: Percent::new(12.4),
            memory_used: Some(Bytes(512 << 20)),
            temperature: Celsius::new(51.3),
            ..Metrics::default()
        }),
    }
}

pub fn submitted(job: u32, tasks: u32) -> Reply {
    Reply::Submitted { job: JobId(job), tasks }
}

pub fn printed(stream: Stream, bytes: &[u8]) -> More {
    More::Log(LogChunk { stream, offset: 0, bytes: bytes.to_vec().into() })
}

/// One task that ended so.
pub fn ended(state: TaskState, code: Option<i32>, reason: &str) -> Reply {
    let mut counts = Counts::default();
    *counts.of(state) = 1;
    Reply::Waited(Waited { counts, code, reason: reason.into() })
}
