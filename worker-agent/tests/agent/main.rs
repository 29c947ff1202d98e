//! A whole worker, keeper and agent as they are started on a node, against a manager that is played by the test.

// A helper of tests is no test to clippy.
#![allow(clippy::unwrap_used)]

mod given;
mod joining;
mod manager;
mod output;
mod results;
mod runs;
mod secrets;
mod tasks;
mod worker;

use std::time::{Duration, Instant};

use protocol::agent::{FromAgent, Order, ToAgent, Welcome};
use protocol::id::AttemptId;

/// Far longer than anything here takes on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn id(text: &str) -> AttemptId {
    text.parse().unwrap()
}

/// The uid tasks run under where the test is root.
pub const TASK_UID: u32 = 1_900_000_001;

pub fn order(attempt: &str, script: &str) -> Order {
    let command = ["sh", "-c", script].map(str::to_owned).to_vec().into();
    Order {
        run: None,
        attempt: id(attempt),
        uid: TASK_UID,
        cpus: 1,
        command,
        env: Default::default(),
        files: Default::default(),
        secrets: Default::default(),
    }
}

pub fn start(attempt: &str, script: &str) -> ToAgent {
    ToAgent::Start(order(attempt, script))
}

pub fn welcome() -> Welcome {
    Welcome {
        protocol: protocol::PROTOCOL,
        version: protocol::VERSION.into(),
        node: "pi-1".parse().unwrap(),
        stop_grace_ms: 10_000,
        output_limit: 64 << 20,
        lease_ms: 60_000,
        takes_results: true,
    }
}

/// The finished of one attempt.
pub fn finished_of(attempt: &str) -> impl Fn(&FromAgent) -> bool {
    let attempt = id(attempt);
    move |message| matches!(message, FromAgent::Finished(finished) if finished.attempt == attempt)
}

pub fn started_of(attempt: &str) -> impl Fn(&FromAgent) -> bool {
    let attempt = id(attempt);
    move |message| matches!(message, FromAgent::Started { attempt: started, .. } if *started == attempt)
}

/// Waits until something is true that nobody tells of.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}
