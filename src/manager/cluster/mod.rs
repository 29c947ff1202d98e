//! The cluster core: everything that happens is decided here, and nowhere else.
//!
//! `handle(input, now) -> effects`, and `next_wakeup()`. Pure: no I/O, no clock, no randomness, no async. It knows
//! people, nodes, jobs, tasks, attempts, leases and placement. What it decides becomes true for others only
//! after the store has committed it.

mod change;
mod port;

pub use change::{AttemptRow, Change, Image, JobRow, KeyPrint, NodeRow, PersonRow, SecretHash, TaskRow, TokenRow};
pub use port::{CallId, Caller, Effect, Input, LinkId, Mono, Now, Place, Told, Touched};
