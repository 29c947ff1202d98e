//! The real console on a terminal of its own, before a real manager: a key is pressed, the screen is looked at.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod acts;
mod desk;
mod every;
mod far;
mod input;
mod looks;
mod lost;
mod shell;
mod ssh;
mod tour;
