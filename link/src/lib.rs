//! SSH: the one transport between machines, and the only crate that names russh.
//!
//! [`dial`] reaches a server whose host key is known beforehand; [`serve`] lets in whom [`Admit`] admits and
//! hands out one [`Stream`] per subsystem asked for; [`FrameReader`] and [`FrameWriter`] carry the messages of
//! `protocol` over any stream, [`ChunkReader`] and [`write_chunk`] the bytes of files. Below them: [`wire`] is the TCP socket that can be cut from outside, [`inbox`] what
//! has arrived and was not read yet, [`pulse`] finds out who is dead, [`suite`] chooses the algorithms.
//!
//! [`Shell`] runs programs on machines that have nothing but OpenSSH, and [`meet`] looks who answers there.
//!
//! Two rules for whoever holds a stream, because what one channel does not read holds up all that comes on its
//! connection. Bulk never shares a connection with control. And reading never waits for writing on the same
//! connection, or both sides may wait for each other until both are declared dead.
//!
//! What must not be here: anything that knows what the messages mean.

mod chunks;
mod client;
mod frames;
mod inbox;
mod key;
mod pulse;
mod server;
mod stream;
mod suite;
mod wire;

pub use chunks::{ChunkReader, write_chunk, write_end};
pub use client::{Connection, Dial, DialError, Grip, Heard, Met, ProgramIn, ProgramOut, Shell, ShellDial, dial, meet};
pub use frames::{Budget, FrameReader, FrameWriter, ReadError, Rest};
pub use key::{BadFingerprint, Fingerprint, Key, KeyError};
pub use server::{Admission, Admit, Guard, Incoming, ServerConfig, serve};
pub use stream::Stream;
