//! The line to a bash, here or by SSH: what it says, and how what it runs is ended.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use link::{Grip, Heard, ProgramOut, Shell};
use protocol::job::Stream;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::here::{self, Here, HereGrip};
use super::words::{LOG_IN, ending};

/// For the second program that ends the first.
const ENDING: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub enum Said {
    Printed(Stream, Bytes),
    Exited(i32),
    /// `None`: by one that has no name there.
    Signaled(Option<i32>),
}

pub enum Line {
    Here(Box<Here>),
    There(ProgramOut),
}

pub type Stdin = Pin<Box<dyn AsyncWrite + Send>>;

/// What holds the program at the other end.
#[derive(Clone)]
pub enum Hold {
    Here(HereGrip),
    There { shell: Arc<Shell>, grip: Grip },
}

pub fn here() -> io::Result<(Line, Stdin, Hold)> {
    let (here, stdin, grip) = here::start()?;
    Ok((Line::Here(Box::new(here)), Box::pin(stdin), Hold::Here(grip)))
}

pub async fn there(shell: Shell) -> Result<(Line, Stdin, Hold), link::DialError> {
    let (stdin, out) = shell.start(LOG_IN).await?;
    let grip = stdin.grip();
    Ok((Line::There(out), stdin.to, Hold::There { shell: Arc::new(shell), grip }))
}

impl Line {
    /// `None`: all of it was heard.
    pub async fn next(&mut self) -> io::Result<Option<Said>> {
        match self {
            Line::Here(here) => here.next().await,
            Line::There(out) => loop {
                return Ok(Some(match out.next().await? {
                    None => return Ok(None),
                    Some(Heard::Stdout(bytes)) => Said::Printed(Stream::Stdout, bytes),
                    Some(Heard::Stderr(bytes)) => Said::Printed(Stream::Stderr, bytes),
                    Some(Heard::Exited(code)) => Said::Exited(i32::try_from(code).unwrap_or(i32::MAX)),
                    Some(Heard::Signaled(name)) => Said::Signaled(number_of(&name)),
                    Some(Heard::Eof) => continue,
                }));
            },
        }
    }
}

impl Hold {
    pub fn mark(&self) -> Option<&str> {
        match self {
            Hold::Here(grip) => Some(&grip.mark),
            Hold::There { .. } => None,
        }
    }

    /// Asks all of it to end, or ends it. `group`: its process group there.
    pub async fn signal(&self, term: bool, group: Option<u32>) {
        match self {
            Hold::Here(grip) => grip.signal(term),
            Hold::There { shell, grip } => {
                // Some servers take no signals, and none of them may signal what sudo has started.
                grip.signal(term).await;
                let Some(group) = group else { return };
                let words = ending(group, if term { "TERM" } else { "KILL" });
                let saying = async {
                    let (mut stdin, mut out) = shell.start(LOG_IN).await.ok()?;
                    stdin.to.write_all(words.as_bytes()).await.ok()?;
                    stdin.to.shutdown().await.ok()?;
                    while out.next().await.ok()?.is_some() {}
                    Some(())
                };
                // Where the connection is gone nobody can be told.
                let _ = tokio::time::timeout(ENDING, saying).await;
            }
        }
    }

    pub async fn leave(self) {
        if let Hold::There { shell, grip } = self {
            grip.close().await;
            drop(grip);
            if let Some(shell) = Arc::into_inner(shell) {
                shell.leave().await;
            }
        }
    }
}

/// The same on all that Linux runs on which has an OpenSSH.
fn number_of(name: &str) -> Option<i32> {
    Some(match name {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "ILL" => 4,
        "ABRT" => 6,
        "FPE" => 8,
        "KILL" => 9,
        "USR1" => 10,
        "SEGV" => 11,
        "USR2" => 12,
        "PIPE" => 13,
        "ALRM" => 14,
        "TERM" => 15,
        _ => return None,
    })
}
