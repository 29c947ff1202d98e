//! Telling people that their jobs have ended: by mail, or by a POST to a URL. What is to be told, and to whom, the core has
//! kept already; here it is carried there, however often that has to be tried, and nothing waits for it.
//!
//! - [`carrier`] is the task that has all of it under way, a few at a time, and says what came of each.
//! - [`words`] is what is told, with the last lines that were printed ([`quote`]).
//! - [`mail`] and [`web`] are the two ways, over TLS with the certificates of [`roots`].
//! - [`allowed`] says at once what could never be told.

mod allowed;
mod carrier;
mod mail;
mod quote;
mod roots;
#[cfg(test)]
mod tests;
mod web;
mod words;

use std::sync::Arc;

use super::cluster::NoticeRow;

pub use allowed::{check, refusal};
pub use carrier::{Carrier, Patience};
pub use quote::Source;

/// From the heart, each after its commit. There are never more of them than the core keeps.
#[derive(Debug)]
pub enum Errand {
    Deliver(Arc<NoticeRow>),
    /// The core knows what came of it, or wants it no more.
    Delivered(u64),
    /// After a start or a reload: these are owed, and nothing else.
    All(Vec<Arc<NoticeRow>>),
}

/// What came of one try.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sent {
    Told,
    /// And it will be no other next time.
    Never(String),
    NotNow(String),
}
