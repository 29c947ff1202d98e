//! The way to the manager: meets it, tells what it tells, and meets it again after a pause that grows.

use std::sync::Arc;
use std::time::Duration;

use protocol::api::{EventQuery, LogQuery, More, Reply, Request};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::event::{Event, Printed, Told};
use crate::client::{Client, ClientError, Flow, ManagerAddress};

/// Where the manager is may change while it is away: one may be installed meanwhile.
pub type Resolve = Arc<dyn Fn() -> Result<ManagerAddress, ClientError> + Send + Sync>;

/// The first pause is short: most of the time a manager is only restarted.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A manager that keeps silent for so long after it was asked is as good as gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// Events asked for from before the console was opened.
const PAST_EVENTS: u32 = 500;

/// What the loop hears from here.
#[derive(Debug)]
pub enum News {
    /// Asks go this way from now on.
    Met(Client),
    Event(Event),
}

/// Runs until nobody listens any more.
pub async fn run(resolve: Resolve, to: mpsc::Sender<News>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let began = Instant::now();
        let why = match meet(&resolve, &to).await {
            Ok(()) => return,
            Err(why) => why,
        };
        // One that was there for a while is met again quickly.
        if began.elapsed() > LONGEST_PAUSE {
            pause = FIRST_PAUSE;
        }
        let lost = Told::Lost { why: why.to_string(), pause };
        if to.send(News::Event(Event::Told(lost))).await.is_err() {
            return;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Ends well when nobody listens any more.
async fn meet(resolve: &Resolve, to: &mpsc::Sender<News>) -> Result<(), ClientError> {
    let address = resolve()?;
    let client = Client::connect(&address).await?;
    let named = Some(address.clone()).filter(|address| ManagerAddress::local().ok().as_ref() != Some(address));
    let patient = |what| move |_| ClientError::Unreachable { address: address.clone(), reason: what };
    let hello = tokio::time::timeout(PATIENCE, client.call(Request::Hello { protocol: protocol::PROTOCOL }));
    let silent = patient(format!("it accepts connections and says nothing for {PATIENCE:?}"));
    let hello = hello.await.map_err(silent)??;
    let mut flow = client.stream(Request::Watch).await?;
    let Reply::Hello(hello) = hello else { return Ok(()) };
    let past = tokio::spawn(past(client.clone(), to.clone()));
    let _ended_with_us = AbortOnDrop(past);
    let mut pieces = vec![News::Met(client)];
    pieces.extend([Told::Named(named), Told::Hello(hello)].map(|told| News::Event(Event::Told(told))));
    loop {
        for piece in pieces.drain(..) {
            if to.send(piece).await.is_err() {
                return Ok(());
            }
        }
        let told = match next(&mut flow).await? {
            More::Picture(picture) => Told::Picture(Box::new(picture)),
            More::Changes(changes) => Told::Changes(Box::new(changes)),
            _ => continue,
        };
        pieces.push(News::Event(Event::Told(told)));
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The events from before; what comes twice is taken once.
async fn past(client: Client, to: mpsc::Sender<News>) {
    let query = EventQuery { limit: PAST_EVENTS, ..Default::default() };
    let Ok(mut flow) = client.stream(Request::Events(query)).await else { return };
    // Who has no past events to show shows those to come.
    while let Ok(Some(more)) = flow.next().await {
        let More::Events(events) = more else { continue };
        if to.send(News::Event(Event::Told(Told::Past(events)))).await.is_err() {
            return;
        }
    }
}

/// A watch has no end of its own.
async fn next(flow: &mut Flow) -> Result<More, ClientError> {
    match flow.next().await? {
        Some(more) => Ok(more),
        None => Err(ClientError::Refused(protocol::api::Refusal::unavailable("the manager stopped telling"))),
    }
}

/// What a task prints, until its end or until nobody listens any more.
pub async fn follow(client: Client, no: u64, query: LogQuery, to: mpsc::Sender<News>) {
    let say = |printed| to.send(News::Event(Event::Printed(no, printed)));
    let mut flow = match client.stream(Request::Logs(query)).await {
        Ok(flow) => flow,
        Err(error) => return drop(say(Printed::Broken(error)).await),
    };
    loop {
        let printed = match flow.next().await {
            Ok(Some(More::Log(chunk))) => Printed::Piece(chunk),
            Ok(Some(More::LogNote { text })) => Printed::Note(text),
            Ok(Some(_)) => continue,
            Ok(None) => return drop(say(Printed::End).await),
            Err(error) => return drop(say(Printed::Broken(error)).await),
        };
        if say(printed).await.is_err() {
            return;
        }
    }
}
