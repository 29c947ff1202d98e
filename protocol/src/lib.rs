//! The words that cross a wire or a disk: types, codec, ids, units.
//!
//! No I/O, no clock, nothing of ours below it. Old and new builds must understand each other, so every
//! message ignores fields it does not know, and an unknown message is answered rather than feared
//! ([`frame::Unknown`]). Everything parses and validates here, at the edge; inside, data is right.

pub mod address;
pub mod agent;
pub mod api;
pub mod bytes;
pub mod event;
pub mod file;
pub mod frame;
pub mod id;
pub mod job;
pub mod keeper;
pub mod name;
pub mod node;
pub mod notify;
pub mod result;
pub mod run;
pub mod script;
pub mod secret;
pub mod time;
pub mod token;
pub mod unit;

/// Raised when a change to the messages cannot be understood by the build before it.
pub const PROTOCOL: u32 = 1;

/// The oldest protocol this build still speaks.
pub const OLDEST_PROTOCOL: u32 = 1;

pub const VERSION: &str = env!("CARGO_PKG_VERSION");
