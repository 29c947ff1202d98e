//! The link as its users see it: real sockets on loopback, real SSH on both sides.

// Clippy takes what tests share for code outside of tests.
#![allow(clippy::unwrap_used)]

mod admission;
mod attack;
mod conversation;
mod ending;
mod liveness;
mod openssh;
mod support;
