//! Bad days: what people, programs, disks and strangers do to a bramble, and what they are told. Each day is lived by
//! the real program.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod ages;
mod crowd;
mod deaf;
mod endings;
mod fake;
mod full;
mod kit;
mod liar;
mod noise;
mod state;
mod twice;
