//! Ctrl-C while waiting for a job: the job is not this program's child, so the person is asked what to do with it.

use std::io::{self, IsTerminal, Write};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    Stop,
    GoOn,
    /// Leave the job running, and us.
    Leave,
}

pub struct Interrupts(Signal);

impl Interrupts {
    pub fn watch() -> io::Result<Self> {
        signal(SignalKind::interrupt()).map(Self)
    }

    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending().await
        }
    }

    /// Asks on the terminal; where there is none, or at a second Ctrl-C, or at the end of input, the job is left alone.
    pub async fn ask(&mut self, question: &str) -> Wish {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Wish::Leave;
        }
        let _ = write!(io::stderr(), "\n{question} [y/N, Ctrl-C again leaves it running] ");
        tokio::select! {
            line = line() => match line.as_deref().map(str::trim) {
                Some("y" | "Y" | "yes" | "Yes") => Wish::Stop,
                Some(_) => Wish::GoOn,
                None => {
                    self.unanswered();
                    Wish::Leave
                }
            },
            () = self.next() => {
                self.unanswered();
                Wish::Leave
            }
        }
    }

    /// What follows begins on a line of its own, since no answer ended the question's.
    pub fn unanswered(&self) {
        let _ = writeln!(io::stderr());
    }
}

/// One line of stdin, or nothing at its end. Read on a thread of its own, which nobody waits for when we leave.
async fn line() -> Option<String> {
    let (to, answer) = oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = io::stdin().read_line(&mut line);
        let _ = to.send(read.is_ok_and(|n| n > 0).then_some(line));
    });
    answer.await.ok().flatten()
}
