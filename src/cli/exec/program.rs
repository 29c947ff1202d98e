//! The output of one node: its program's stdout and stderr are ours.

use std::io::{self, Write};

use protocol::job::Stream;
use protocol::run::OutputChunk;

use super::harmless::Harmless;
use crate::cli::context::Context;
use crate::cli::exit::Failure;

/// Raw to a pipe, as `cat` would; harmless to a terminal.
pub struct Program {
    /// For stdout and for stderr.
    harmless: [Option<Harmless>; 2],
}

impl Program {
    pub fn new(context: &Context) -> Self {
        let terminals = [context.look.terminal, context.errors().terminal];
        Self { harmless: terminals.map(|terminal| terminal.then(Harmless::default)) }
    }

    pub fn output(&mut self, chunk: &OutputChunk) -> Result<(), Failure> {
        match &mut self.harmless[chunk.stream as usize] {
            None => write(chunk.stream, &chunk.bytes.0),
            Some(harmless) => {
                let mut shown = vec![];
                harmless.take(&chunk.bytes.0, &mut shown);
                write(chunk.stream, &shown)
            }
        }
    }

    /// What was held back.
    pub fn end(&mut self) -> Result<(), Failure> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if let Some(harmless) = &mut self.harmless[stream as usize] {
                let mut shown = vec![];
                harmless.end(&mut shown);
                write(stream, &shown)?;
            }
        }
        Ok(())
    }
}

fn write(stream: Stream, bytes: &[u8]) -> Result<(), Failure> {
    let written = match stream {
        Stream::Stdout => {
            let mut out = io::stdout().lock();
            out.write_all(bytes).and_then(|()| out.flush())
        }
        Stream::Stderr => io::stderr().write_all(bytes),
    };
    written.map_err(|error| Failure::output(&error))
}
