//! Bramble: one binary that can play every role. `main.rs` opens one of these rooms.

pub mod cli;
pub mod client;
pub mod console;
pub mod demo;
pub mod document;
pub mod install;
pub mod manager;
pub mod text;
