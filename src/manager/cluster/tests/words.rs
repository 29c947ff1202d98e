//! Short words for what tests say often.

use protocol::agent::{Held, Output};
use protocol::api::Right;
use protocol::id::{AttemptId, Target, TaskId};
use protocol::job::{Array, JobSpec, Outcome};
use protocol::name::NodeName;
use protocol::time::UnixMillis;

use crate::manager::cluster::{Caller, KeyPrint, SecretHash};

/// When the world begins, on the wall.
pub const DAWN: u64 = 1_700_000_000_000;

pub fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

pub fn task(text: &str) -> TaskId {
    text.parse().unwrap()
}

pub fn attempt(text: &str) -> AttemptId {
    text.parse().unwrap()
}

pub fn target(text: &str) -> Target {
    text.parse().unwrap()
}

pub fn key(name: &str) -> KeyPrint {
    KeyPrint(format!("SHA256:key-of-{name}").into())
}

pub fn hash(text: &str) -> SecretHash {
    SecretHash(text.into())
}

pub fn operator(person: &str) -> Caller {
    Caller { person: person.parse().unwrap(), right: Right::Operator }
}

pub fn admin() -> Caller {
    Caller { person: "root".parse().unwrap(), right: Right::Admin }
}

pub fn array(first: u32, last: u32) -> JobSpec {
    JobSpec { array: Some(Array { first, last }), ..JobSpec::of(["true"]) }
}

pub fn wide(cpus: u32) -> JobSpec {
    JobSpec { cpus, ..JobSpec::of(["true"]) }
}

pub fn pinned(node: &str) -> JobSpec {
    JobSpec { node: Some(name(node)), ..JobSpec::of(["true"]) }
}

pub fn printed(text: &str) -> Output {
    Output { length: text.len() as u64, dropped: 0, bytes: Some(text.as_bytes().to_vec().into()) }
}

pub fn held(id: &str, ended: bool) -> Held {
    Held { attempt: attempt(id), started_at: UnixMillis(DAWN + 1), ended }
}

pub fn stopped(reason: &str) -> Outcome {
    Outcome::Stopped { reason: reason.into() }
}
