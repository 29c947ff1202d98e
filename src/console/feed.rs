//! The way to the manager: meets it, tells what it tells, and meets it again after a pause that grows.

use std::sync::Arc;
use std::time::Duration;

use protocol::api::{Away, EventQuery, Hello, LogQuery, More, Picture, Reply, Request};
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
/// After so long without news one asks whether the manager is still there.
const SILENCE: Duration = Duration::from_secs(5);
/// For an answer of one that was met.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Events asked for from before the console was opened.
const PAST_EVENTS: u32 = 500;

/// What the loop hears from here.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly all of them are events")]
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
    let named = Some(address.clone()).filter(|address| ManagerAddress::local().ok().as_ref() != Some(address));
    let Met { client, hello, away, picture, mut flow } = greet_within(PATIENCE, &address).await?;
    let past = past(client.clone(), to.clone());
    let met = [Told::Named(named), Told::Hello(hello)].into_iter();
    let told = met.chain(away.map(Told::Away)).chain([Told::Picture(Box::new(picture))]);
    let told = told.map(|told| News::Event(Event::Told(told)));
    for piece in [News::Met(client.clone())].into_iter().chain(told) {
        if to.send(piece).await.is_err() {
            return Ok(());
        }
    }
    let _ended_with_us = AbortOnDrop(tokio::spawn(past));
    loop {
        let told = match news(&mut flow, &client, SILENCE, PATIENCE).await? {
            More::Picture(picture) => Told::Picture(Box::new(picture)),
            More::Changes(changes) => Told::Changes(Box::new(changes)),
            _ => continue,
        };
        if to.send(News::Event(Event::Told(told))).await.is_err() {
            return Ok(());
        }
    }
}

struct Met {
    client: Client,
    hello: Hello,
    away: Option<Away>,
    picture: Picture,
    flow: Flow,
}

async fn greet_within(patience: Duration, address: &ManagerAddress) -> Result<Met, ClientError> {
    let reason = || format!("it accepts connections and says nothing for {patience:?}");
    let silent = |_| Err(ClientError::Unreachable { address: address.clone(), reason: reason() });
    tokio::time::timeout(patience, greet(address)).await.unwrap_or_else(silent)
}

/// Who it is, and how things stand there: both come at once, only what changes may take its time.
async fn greet(address: &ManagerAddress) -> Result<Met, ClientError> {
    let stranger = || ClientError::Nonsense { address: address.clone(), what: "it does not say who it is".into() };
    let client = Client::connect(address).await?;
    let hello = match client.call(Request::Hello { protocol: protocol::PROTOCOL }).await? {
        Reply::Hello(hello) => hello,
        _ => return Err(stranger()),
    };
    // Before the watch, with which nothing is missed any more. An older manager does not know.
    let away = match client.call(Request::Away).await {
        Ok(Reply::Away(away)) => Some(away),
        Ok(_) | Err(ClientError::Refused(_)) => None,
        Err(error) => return Err(error),
    };
    let mut flow = client.stream(Request::Watch).await?;
    match next(&mut flow).await? {
        More::Picture(picture) => Ok(Met { client, hello, away, picture, flow }),
        _ => Err(stranger()),
    }
}

/// An answer, or the sentence that there is none: a manager that hangs would leave a person waiting without a word.
pub async fn ask(client: &Client, request: Request) -> Result<Reply, ClientError> {
    ask_within(LONGEST_WAIT, client, request).await
}

async fn ask_within(patience: Duration, client: &Client, request: Request) -> Result<Reply, ClientError> {
    let reason = || format!("no answer for {patience:?}; what was asked may be done all the same");
    let silent = |_| Err(ClientError::Unreachable { address: client.address().clone(), reason: reason() });
    tokio::time::timeout(patience, client.call(request)).await.unwrap_or_else(silent)
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

/// What a watch tells next. Where it is silent, the manager is asked whether it is still there: a manager that was
/// stopped keeps its connections open.
async fn news(flow: &mut Flow, client: &Client, silence: Duration, patience: Duration) -> Result<More, ClientError> {
    loop {
        if let Ok(more) = tokio::time::timeout(silence, next(flow)).await {
            return more;
        }
        let lives = client.call(Request::Hello { protocol: protocol::PROTOCOL });
        let reason = || format!("it keeps the connection and says nothing for {:?}", silence + patience);
        let silent = |_| ClientError::Unreachable { address: client.address().clone(), reason: reason() };
        tokio::time::timeout(patience, lives).await.map_err(silent)??;
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

#[cfg(test)]
mod tests {
    use link::{FrameReader, FrameWriter};
    use protocol::api::{Answer, Body, Call};
    use tokio::net::UnixListener;

    use super::*;
    use crate::console::sample;

    /// A manager that answers each request as `say` has it, or keeps silent.
    fn manager(say: impl Fn(&Request) -> Option<Body> + Clone + Send + 'static) -> (tempfile::TempDir, Resolve) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.sock");
        let listener = UnixListener::bind(&path).unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let say = say.clone();
                let (read, write) = stream.into_split();
                let (mut reader, mut writer) = (FrameReader::new(read), FrameWriter::new(write));
                tokio::spawn(async move {
                    while let Ok(Some(call)) = reader.next::<Call>().await {
                        if let Some(body) = say(&call.request) {
                            writer.feed(&Answer { id: call.id, body }).unwrap();
                            writer.flush().await.unwrap();
                        }
                    }
                });
            }
        });
        (folder, Arc::new(move || Ok(ManagerAddress::Unix(path.clone()))))
    }

    fn hello(request: &Request) -> Option<Body> {
        matches!(request, Request::Hello { .. }).then(|| Body::Reply(Reply::Hello(sample::hello())))
    }

    /// How it is lost first, and then again.
    async fn lost_twice(resolve: Resolve) -> String {
        let (to, mut news) = mpsc::channel(16);
        let feed = tokio::spawn(run(resolve, to));
        let mut said = vec![];
        while said.len() < 2 {
            match news.recv().await {
                Some(News::Event(Event::Told(Told::Lost { why, .. }))) => said.push(why),
                Some(_) => {}
                None => panic!("it gave up after {said:?}"),
            }
        }
        feed.abort();
        said.remove(0)
    }

    #[tokio::test]
    async fn one_that_answers_something_else_is_tried_again() {
        let (_folder, resolve) = manager(|_| Some(Body::Reply(Reply::End)));
        assert!(lost_twice(resolve).await.contains("does not say who it is"));
    }

    #[tokio::test]
    async fn one_that_tells_no_picture_is_tried_again() {
        let changes = |request: &Request| match request {
            Request::Watch => Some(Body::More(More::Changes(protocol::api::Changes::default()))),
            Request::Away => Some(Body::Error(protocol::api::Refusal::usage("an older one does not know that"))),
            request => hello(request),
        };
        let (_folder, resolve) = manager(changes);
        assert!(lost_twice(resolve).await.contains("does not say who it is"));
    }

    #[tokio::test]
    async fn one_that_falls_silent_after_its_name_is_not_waited_for_for_ever() {
        let (_folder, resolve) = manager(hello);
        let address = resolve().unwrap();
        let Err(error) = greet_within(Duration::from_millis(50), &address).await else { panic!("it said nothing") };
        assert!(error.to_string().contains("says nothing for 50ms"), "{error}");
    }

    #[tokio::test]
    async fn one_that_has_nothing_to_tell_is_asked_whether_it_lives_and_is_lost_where_it_does_not_answer() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let asked = Arc::new(AtomicU32::new(0));
        let counted = asked.clone();
        let (_folder, resolve) = manager(move |request| {
            let first = matches!(request, Request::Hello { .. }) && counted.fetch_add(1, Ordering::Relaxed) < 3;
            first.then(|| hello(request)).flatten()
        });
        let client = Client::connect(&resolve().unwrap()).await.unwrap();
        let mut flow = client.stream(Request::Watch).await.unwrap();
        let (silence, patience) = (Duration::from_millis(20), Duration::from_millis(500));
        let error = news(&mut flow, &client, silence, patience).await.err().unwrap();
        assert!(error.to_string().contains("keeps the connection and says nothing for 520ms"), "{error}");
        assert_eq!(asked.load(Ordering::Relaxed), 4, "three answers kept it");
    }

    #[tokio::test]
    async fn a_question_that_is_never_answered_has_an_end() {
        let (_folder, resolve) = manager(|_| None);
        let client = Client::connect(&resolve().unwrap()).await.unwrap();
        let error = ask_within(Duration::from_millis(50), &client, Request::Trends).await.unwrap_err();
        assert!(error.to_string().contains("no answer for 50ms; what was asked may be done all the same"), "{error}");
    }
}
