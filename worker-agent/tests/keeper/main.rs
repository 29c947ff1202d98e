//! The keeper as DESIGN.md promises it, with real processes: each test a sentence. In the agent's place stands a fake
//! one, by which the test itself talks to the keeper.

// Helpers of tests are tests, wherever clippy looks for the attribute.
#![allow(clippy::unwrap_used)]

mod asking;
mod ending;
mod leaving_nothing;
mod reusing;
mod running;
mod runs;
mod surviving;
mod upgrading;
mod worker;

/// Not a test of its own: the keepers of the other tests start this as their agent (see `worker.rs`).
#[test]
fn a_fake_agent_for_the_other_tests() {
    if let Some(path) = std::env::var_os(worker::FAKE_AGENT) {
        worker::be_the_agent(path.as_ref());
    }
}
