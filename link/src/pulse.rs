//! Whether the other side still lives.
//!
//! russh has keepalives of its own, but its server's begin before log-in, which ends OpenSSH at its passphrase prompt
//! (russh#640), and on both sides they die with a session that is busy writing. These look at the wire instead.

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};

use crate::wire::Line;

/// How often to ask who is silent, and how many questions may stay unanswered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pulse {
    pub(crate) every: Duration,
    pub(crate) borne: usize,
}

impl Pulse {
    /// Returns when nothing has come for `(borne + 1) × every`; never where `every` is zero. `ask` sends something
    /// that the other side answers.
    pub(crate) async fn lost<F: Future<Output = ()>>(self, line: &Line, ask: impl Fn() -> F) {
        if self.every.is_zero() {
            return std::future::pending().await;
        }
        let mut unanswered = 0;
        let mut heard = line.heard();
        let mut unread = line.unread();
        let mut due = heard + self.every;
        loop {
            sleep_until(due).await;
            let was_unread = std::mem::replace(&mut unread, line.unread());
            // While it is us who do not read, its silence means nothing. Ours would: so we go on asking.
            let held = line.is_held();
            if held || unread != was_unread {
                line.hear();
            }
            let lives = line.heard() > heard;
            if lives {
                (heard, unanswered) = (line.heard(), 0);
                due = heard + self.every;
            } else if unanswered >= self.borne {
                return;
            }
            if held || !lives {
                // From now, not from when it was due: a machine that slept must not take that for their silence.
                due = Instant::now() + self.every;
                unanswered += usize::from(!lives);
                let _ = timeout(self.every, ask()).await;
            }
        }
    }
}
