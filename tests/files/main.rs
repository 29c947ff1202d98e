//! Files on the manager, by the real program: what goes in comes out, whatever its name, whoever is killed meanwhile, and
//! however full the disk is.
//!
//! - [`place`] is a manager with its folders, [`wire`] a caller that speaks the protocol itself, and [`gate`] stops a
//!   transfer in its middle.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code, reason = "made for bad days, of which files have only some")]
#[path = "../bad_days/kit.rs"]
mod kit;

mod broken;
mod delivered;
mod folders;
mod full;
mod gate;
mod getting;
mod given;
mod memory;
mod names;
mod people;
mod place;
mod primes;
mod set;
mod submitting;
mod together;
mod wire;
