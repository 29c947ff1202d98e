//! SSH: the one transport between machines, and the only crate that names russh.
//!
//! [`dial`] reaches a server whose host key is known beforehand; [`serve`] lets in whom [`Admit`] admits and
//! hands out one [`Stream`] per subsystem asked for; [`FrameReader`] and [`FrameWriter`] carry the messages of
//! `protocol` over any stream. Below them: [`wire`] is the TCP socket that can be failed from outside,
//! [`suite`] the algorithms and windows.
//!
//! Two rules for whoever holds a stream. It must always be read: in russh one stalled reader freezes its whole
//! connection, keepalives included, so a connection left unread for long counts as dead. And bulk never shares a
//! connection with control. What must not be here: anything that knows what the messages mean.

mod client;
mod frames;
mod key;
mod server;
mod stream;
mod suite;
mod wire;

pub use client::{Connection, Dial, DialError, dial};
pub use frames::{FrameReader, FrameWriter, ReadError};
pub use key::{BadFingerprint, Fingerprint, Key, KeyError};
pub use server::{Admission, Admit, Guard, Incoming, ServerConfig, serve};
pub use stream::Stream;
