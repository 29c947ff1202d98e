//! The manager: a daemon that owns the state of a bramble and tells everyone else about it.

pub mod cluster;
