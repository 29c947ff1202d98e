//! Runs on a real bramble: commands on several nodes at once, as whoever types them meets them.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod verbs;
