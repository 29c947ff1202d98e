//! Bad days: what people, programs, disks and strangers do to a bramble, and what they are told. Each day is lived by
//! the real program.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod crowd;
mod endings;
mod fake;
mod kit;
mod noise;
mod state;
mod twice;
