//! A transfer whose manager goes away is taken up again: soon, then more and more rarely, for about a minute in which
//! nothing comes of it.

use std::time::Duration;

use tokio::time::Instant;

use crate::cli::context::Context;
use crate::cli::exit::{Failure, Kind};
use crate::client::ClientError;

const PATIENCE: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

pub struct Tries<'a> {
    context: &'a Context,
    pause: Duration,
    /// When it is given up; `None` while all is well.
    until: Option<Instant>,
    /// Had there been a connection? If not, there is nothing to wait for.
    met: bool,
}

impl<'a> Tries<'a> {
    pub fn new(context: &'a Context) -> Self {
        Self { context, pause: FIRST_PAUSE, until: None, met: false }
    }

    /// Something came of it.
    pub fn went_on(&mut self) {
        (self.pause, self.until, self.met) = (FIRST_PAUSE, None, true);
    }

    /// Waits for the next try, or gives up.
    pub async fn after(&mut self, error: ClientError) -> Result<(), Failure> {
        let passes = matches!(error, ClientError::Lost { .. } | ClientError::NotRunning { .. });
        let patience = self.context.comeback.patience_or(PATIENCE);
        if !passes || !self.met || patience.is_zero() {
            return Err(if passes && self.met { gave_up(&error) } else { error.into() });
        }
        if self.until.is_none() {
            self.context.note("the connection broke off; trying again");
        }
        let now = Instant::now();
        let until = *self.until.get_or_insert(now + patience);
        if now >= until {
            return Err(gave_up(&error));
        }
        tokio::time::sleep(self.pause.min(until - now)).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

fn gave_up(error: &ClientError) -> Failure {
    let place = match error {
        ClientError::Lost { address } | ClientError::NotRunning { address } => address.to_string(),
        other => return Failure::new(Kind::Unavailable, other),
    };
    let told = format!("the manager at {place} went away in the middle; the same command goes on where it stopped");
    Failure::new(Kind::Unavailable, told)
}
