//! A manager that restarts while a verb waits for it: the verb waits for its return, and asks again.
//!
//! Only for what may be asked twice. A verb whose first connection fails has nothing to wait for, and says so at once.

use std::cell::Cell;
use std::time::Duration;

use protocol::api::{Refusal, RefusalKind, Reply, Request};
use tokio::time::Instant;

use super::context::Context;
use crate::client::{Client, ClientError};

/// How long a manager may be away before it is given up.
const PATIENCE: &str = "BRAMBLE_PATIENCE";
const DEFAULT: Duration = Duration::from_secs(30);
/// Between two knocks at the door.
const PAUSE: Duration = Duration::from_millis(100);

/// One for everything a verb has under way, so that the person is told once.
#[derive(Debug)]
pub struct Comeback {
    wanted: Option<Duration>,
    patience: Duration,
    away_since: Cell<Option<Instant>>,
    met_again: Cell<Option<Instant>>,
}

impl Comeback {
    pub fn from_env() -> Self {
        let wanted = std::env::var(PATIENCE).ok().and_then(|text| humantime::parse_duration(&text).ok());
        Self { wanted, patience: wanted.unwrap_or(DEFAULT), away_since: Cell::default(), met_again: Cell::default() }
    }

    /// What was asked for, or what is usual for something else.
    pub fn patience_or(&self, usual: Duration) -> Duration {
        self.wanted.unwrap_or(usual)
    }

    /// A new connection, once there is one; `error` again, when the manager stays away or nothing else would help.
    pub async fn after(&self, error: ClientError, client: &Client, context: &Context) -> Result<Client, ClientError> {
        if !passes(&error) || self.patience.is_zero() {
            return Err(error);
        }
        let until = self.gone(&error, context) + self.patience;
        while Instant::now() < until {
            tokio::time::sleep(PAUSE).await;
            match Client::connect(client.address()).await {
                Ok(client) => {
                    self.met_again.set(Some(Instant::now()));
                    return Ok(client);
                }
                Err(error) if passes(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Err(error)
    }

    /// Since when it is away. One that is lost again at once was never really back.
    fn gone(&self, error: &ClientError, context: &Context) -> Instant {
        let stayed = self.met_again.get().is_some_and(|since| since.elapsed() > self.patience);
        if let Some(since) = self.away_since.get().filter(|_| !stayed) {
            return since;
        }
        match error {
            ClientError::Refused(refusal) => context.note(format_args!("{refusal}; waiting for it")),
            _ => context.note("the manager went away; waiting for it to come back"),
        }
        let now = Instant::now();
        self.met_again.set(None);
        self.away_since.set(Some(now));
        now
    }
}

/// Asks until there is an answer, whatever becomes of the manager meanwhile.
pub async fn call(client: &Client, request: Request, context: &Context) -> Result<Reply, ClientError> {
    let mut client = client.clone();
    loop {
        match client.call(request.clone()).await {
            Err(error) => client = context.comeback.after(error, &client, context).await?,
            answer => return answer,
        }
    }
}

/// Of a manager that stops or is not there yet; it may be different in a moment.
fn passes(error: &ClientError) -> bool {
    match error {
        ClientError::Lost { .. } | ClientError::NotRunning { .. } => true,
        ClientError::Refused(Refusal { kind, .. }) => *kind == RefusalKind::Unavailable,
        _ => false,
    }
}
