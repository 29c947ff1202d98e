//! Nodes without an agent: real sshds of Debian, beside a node that has one. They need root, and what
//! `cargo xtask test` installs.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod adding;
mod asking;
mod dying;
mod machine;
mod running;
mod whom;
