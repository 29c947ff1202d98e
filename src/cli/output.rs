//! What tasks print, passed on byte by byte.

use std::io::{self, Write};

use protocol::api::More;
use protocol::job::Stream;

use super::context::Context;
use super::exit::Failure;

/// Where the two outputs of a task go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paths {
    /// Each to its own, as if the program ran here.
    Apart,
    /// To stdout, because one was asked for by name.
    Stdout,
}

/// Raw bytes, as `cat` would: what is piped on must be what was printed. As JSON a line for each piece.
pub fn pass_on(piece: &More, paths: Paths, context: &Context) -> Result<(), Failure> {
    match piece {
        More::Log(_) | More::LogNote { .. } if context.json => context.print_json(piece),
        More::Log(chunk) => {
            let result = match (chunk.stream, paths) {
                (Stream::Stderr, Paths::Apart) => io::stderr().write_all(&chunk.bytes.0),
                (Stream::Stdout, _) | (Stream::Stderr, Paths::Stdout) => write_flushed(&chunk.bytes.0),
            };
            result.map_err(|error| Failure::output(&error))
        }
        More::LogNote { text } => {
            context.note(text);
            Ok(())
        }
        // Of other streams; not asked for here.
        More::Events(_) | More::Picture(_) | More::Changes(_) | More::Output(_) | More::Answers(_) => Ok(()),
    }
}

fn write_flushed(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}
