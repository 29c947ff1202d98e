//! One caller's connection: calls come in, answers go out, several under way at once. Everything is bounded: who
//! does not read its answers is not read any more either, and holds up nobody else.

use std::collections::HashMap;
use std::sync::Arc;

use link::{Budget, FrameReader, FrameWriter, ReadError};
use protocol::api::{Answer, Away, Body, Call, Hello, More, Refusal, Reply, Request};
use protocol::file::FilePut;
use protocol::frame::FrameError;
use protocol::job::Counts;
use protocol::name::ScriptName;
use protocol::script::{Over, ScriptKeep};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Door, events, get, logs, put, runs, watch};
use crate::manager::cluster::{CallId, Caller, Text};
use crate::manager::heart::stopping;
use crate::manager::notify;
use crate::manager::reach;
use crate::manager::reply::ReplyTo;
use crate::manager::rule::rule;
use crate::manager::scripts;
use crate::manager::token;

/// Calls under way at once on one connection; further ones are not read until some are answered.
const MOST_CALLS: usize = 4096;
/// Those among them that wait for something to happen: they may never be answered, and who hangs up is noticed only
/// where there is room for a further call.
const MOST_WAITS: usize = 3072;
/// Those among them whose answers may be large.
const MOST_LOOKS: usize = 16;
/// Streams (`logs`, `watch`, `events --follow`) among them.
const MOST_STREAMS: usize = 64;
/// Pieces of streams waiting to be written.
const PIECES: usize = 16;
/// Bytes gathered before they are written.
const GATHER: usize = 64 * 1024;

/// Where a stream puts what it has: waits while the caller does not read.
#[derive(Clone)]
pub struct Outlet {
    id: u64,
    to: mpsc::Sender<Answer>,
}

/// The caller has gone away.
pub struct Gone;

impl Outlet {
    pub async fn more(&self, more: More) -> Result<(), Gone> {
        self.to.send(Answer { id: self.id, body: Body::More(more) }).await.map_err(|_| Gone)
    }

    async fn end(&self, with: Result<Reply, Refusal>) {
        let body = match with {
            Ok(reply) => Body::Reply(reply),
            Err(refusal) => Body::Error(refusal),
        };
        // Nobody is left to be told that the caller has gone.
        let _ = self.to.send(Answer { id: self.id, body }).await;
    }
}

/// How a stream of `more` ended.
pub enum Ended {
    Well,
    Refused(Refusal),
    Gone,
}

impl From<Gone> for Ended {
    fn from(_: Gone) -> Self {
        Ended::Gone
    }
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Self {
        Ended::Refused(refusal)
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Wait,
    Look,
    Act,
}

fn kind(request: &Request) -> Kind {
    match request {
        Request::Wait { .. } => Kind::Wait,
        Request::Jobs(_)
        | Request::Tasks(_)
        | Request::Task { .. }
        | Request::Nodes
        | Request::Results(_)
        | Request::History { .. }
        | Request::Trends => Kind::Look,
        _ => Kind::Act,
    }
}

/// What the rest of a connection is for, once it was asked for.
enum Transfer {
    Put(FilePut),
    Get(get::Asked),
}

struct Connection<'a, W> {
    door: &'a Arc<Door>,
    caller: Caller,
    out: FrameWriter<W>,
    /// Calls the core has, by the number their caller gave them.
    waiting: HashMap<u64, (CallId, Kind)>,
    /// How many of each kind.
    under_way: [usize; 3],
    told_to: mpsc::UnboundedSender<(u64, Result<Reply, Refusal>)>,
    pieces_to: mpsc::Sender<Answer>,
    streams: JoinSet<()>,
    /// What its person has missed was asked here, and then a watch begun: a person looks.
    asks_away: bool,
    is_console: bool,
    /// With the number of the call.
    transfer: Option<(u64, Transfer)>,
}

/// `budget`: what all connections of this user may have half sent.
pub async fn serve<R, W>(door: &Arc<Door>, caller: Caller, budget: &Budget, read: R, write: W)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut reader = FrameReader::within(read, budget);
    let (told_to, mut told) = mpsc::unbounded_channel();
    let (pieces_to, mut pieces) = mpsc::channel(PIECES);
    let out = FrameWriter::new(write);
    let (waiting, streams) = (HashMap::new(), JoinSet::new());
    let (under_way, asks_away, is_console, transfer) = ([0; 3], false, false, None);
    let mut me = Connection {
        door,
        caller,
        out,
        waiting,
        under_way,
        told_to,
        pieces_to,
        streams,
        asks_away,
        is_console,
        transfer,
    };
    loop {
        let room = me.waiting.len() + me.streams.len() < MOST_CALLS && me.under_way[Kind::Look as usize] < MOST_LOOKS;
        let going_on = tokio::select! {
            Some((id, answer)) = told.recv() => me.told(id, answer),
            Some(piece) = pieces.recv() => me.put(&piece),
            Some(_) = me.streams.join_next() => true,
            () = door.closing.cancelled() => {
                me.farewell(&mut told).await;
                break;
            }
            call = reader.next::<Call>(), if room => match call {
                Ok(Some(call)) => me.call(call).await,
                Ok(None) => break,
                Err(ReadError::Frame(FrameError::Unknown(unknown))) => {
                    me.answer(unknown.id.unwrap_or(0), Err(Refusal::usage(unknown.to_string())))
                }
                Err(error) => {
                    me.answer(0, Err(Refusal::usage(format!("this connection is closed: {error}"))));
                    // The sentence is a courtesy; the connection ends either way.
                    let _ = me.out.flush().await;
                    break;
                }
            },
        };
        if !going_on {
            break;
        }
        // Whatever else is ready goes out with the same write.
        while me.out.pending() < GATHER {
            if let Ok((id, answer)) = told.try_recv() {
                me.told(id, answer);
            } else if let Ok(piece) = pieces.try_recv() {
                me.put(&piece);
            } else {
                break;
            }
        }
        let more_to_come = reader.buffered() && me.out.pending() < GATHER;
        if !more_to_come && me.out.flush().await.is_err() {
            break;
        }
    }
    for (call, _) in std::mem::take(&mut me.waiting).into_values() {
        door.heart.gone(call).await;
    }
    if me.is_console {
        me.streams.shutdown().await;
        me.seen().await;
    }
    let Connection { caller, out, transfer, .. } = me;
    if let Some((id, transfer)) = transfer {
        let read = reader.into_rest();
        let transfer = transfer.run(door, caller, id, put::Line { read, out, budget });
        tokio::select! {
            () = transfer => {}
            // The other side comes back and goes on.
            () = door.closing.cancelled() => {}
        }
    }
}

impl Transfer {
    async fn run<R, W>(self, door: &Arc<Door>, caller: Caller, id: u64, mut line: put::Line<'_, R, W>)
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        // What was answered before it.
        if line.out.flush().await.is_err() {
            return;
        }
        let refused = match self {
            Transfer::Put(put) => put::put(door, caller, put, id, line).await,
            Transfer::Get(get) => get::get(door, caller, get, id, line).await,
        };
        let Some((refusal, mut out)) = refused else { return };
        if refusal != stopping() {
            // Who has gone needs no answer.
            let _ = out.send(&Answer { id, body: Body::Error(refusal) }).await;
        }
    }
}

impl<W: AsyncWrite + Unpin> Connection<'_, W> {
    async fn call(&mut self, Call { id, request }: Call) -> bool {
        if let Err(refusal) = rule(&request, &self.caller) {
            return self.answer(id, Err(refusal));
        }
        let caller = self.caller.clone();
        if self.waiting.contains_key(&id) {
            let twice = format!("call {id} is still under way; give each call a number of its own");
            return self.answer(id, Err(Refusal::usage(twice)));
        }
        match request {
            Request::Hello { protocol } => {
                let hello = self.hello(caller, protocol);
                self.answer(id, hello)
            }
            Request::JoinToken { role, ttl_seconds } => {
                let made = token::make(self.door, caller, role, ttl_seconds).await;
                self.answer(id, made)
            }
            Request::NodeProbe(reach) => {
                let ways = self.door.ways.clone();
                self.stream_of_one(id, async move { reach::probe(&ways, reach).await })
            }
            Request::NodeAdd { name, reach, host_key } => {
                let door = self.door.clone();
                self.stream_of_one(id, async move { reach::add(&door, caller, name, reach, host_key).await })
            }
            Request::FilePut(put) => self.transfer(id, Transfer::Put(put)),
            Request::FileGet(get) => self.transfer(id, Transfer::Get(get::Asked::File(get))),
            Request::ResultGet(get) => self.transfer(id, Transfer::Get(get::Asked::Result(get))),
            Request::FileSend { .. } | Request::FileKeep { .. } | Request::FileDrop => {
                self.answer(id, Err(Refusal::usage("this belongs to an upload, which begins with file_put")))
            }
            Request::Logs(query) => {
                self.stream(id, |door, out| async move { logs::stream(&door, caller, query, &out).await })
            }
            Request::RunFollow(follow) => {
                self.stream(id, |door, out| async move { runs::stream(&door, caller, follow, &out).await })
            }
            Request::Events(query) => {
                self.stream(id, |door, out| async move { events::stream(&door, query, &out).await })
            }
            Request::Away => {
                self.asks_away = true;
                // Whoever has a console open sees it there.
                if self.door.people.has(&caller.person) {
                    let away = Away { since: None, ended: Counts::default(), jobs: vec![] };
                    return self.answer(id, Ok(Reply::Away(away)));
                }
                self.ask(id, caller, Request::Away).await
            }
            Request::Watch => {
                // Programs watch too; a console has asked before what its person has missed.
                if self.asks_away && !std::mem::replace(&mut self.is_console, true) {
                    self.seen().await;
                }
                self.stream(id, |door, out| async move { watch::stream(&door, caller.person, &out).await })
            }
            Request::ScriptKeep(ScriptKeep { name, text, over }) => match scripts::read(&text) {
                Ok(text) => self.keep_script(id, caller, (name, over, text)).await,
                Err(why) => self.answer(id, Err(Refusal::usage(why))),
            },
            Request::Submit(_) | Request::Run(_) | Request::RunAgain { .. }
                if let Some(why) = self.door.space.low() =>
            {
                self.answer(id, Err(Refusal::unavailable(why)))
            }
            Request::Submit(spec) if let Some(refusal) = notify::refusal(&self.door.config, &spec.notify) => {
                self.answer(id, Err(refusal))
            }
            Request::Wait { .. } if self.under_way[Kind::Wait as usize] >= MOST_WAITS => {
                let many = format!("at most {MOST_WAITS} waits at once on one connection; name several tasks in one");
                self.answer(id, Err(Refusal::refused(many)))
            }
            request => self.ask(id, caller, request).await,
        }
    }

    /// The core; its answer comes later.
    async fn ask(&mut self, id: u64, caller: Caller, request: Request) -> bool {
        let kind = kind(&request);
        let reply = ReplyTo::connection(self.told_to.clone(), id);
        let call = self.door.heart.request(caller, request, reply).await;
        self.waiting.insert(id, (call, kind));
        self.under_way[kind as usize] += 1;
        true
    }

    async fn keep_script(&mut self, id: u64, caller: Caller, keep: (ScriptName, Option<Over>, Arc<Text>)) -> bool {
        let reply = ReplyTo::connection(self.told_to.clone(), id);
        let call = self.door.heart.keep_script(caller, keep, reply).await;
        self.waiting.insert(id, (call, Kind::Act));
        self.under_way[Kind::Act as usize] += 1;
        true
    }

    /// The first console of this person is about to be opened, or the last one was closed.
    async fn seen(&self) {
        if !self.door.people.has(&self.caller.person) {
            self.door.heart.seen(self.caller.person.clone()).await;
        }
    }

    /// From here on the connection is for nothing else.
    fn transfer(&mut self, id: u64, transfer: Transfer) -> bool {
        if !self.waiting.is_empty() || !self.streams.is_empty() {
            let shared = "a transfer has a connection of its own; this one has other calls under way";
            return self.answer(id, Err(Refusal::usage(shared)));
        }
        self.transfer = Some((id, transfer));
        false
    }

    /// The heart has told all that it had to tell.
    async fn farewell(&mut self, told: &mut mpsc::UnboundedReceiver<(u64, Result<Reply, Refusal>)>) {
        while let Ok((id, answer)) = told.try_recv() {
            self.told(id, answer);
        }
        // Who does not read it, or has gone, goes without.
        let _ = self.out.flush().await;
    }

    fn hello(&self, caller: Caller, protocol: u32) -> Result<Reply, Refusal> {
        use protocol::{OLDEST_PROTOCOL, PROTOCOL, VERSION};
        if !(OLDEST_PROTOCOL..=PROTOCOL).contains(&protocol) {
            return Err(Refusal::refused(format!(
                "this program speaks protocol {protocol}; manager {VERSION} speaks {OLDEST_PROTOCOL} to {PROTOCOL}: \
                 use the same bramble on both sides"
            )));
        }
        Ok(Reply::Hello(Hello {
            protocol: PROTOCOL,
            version: VERSION.into(),
            person: caller.person,
            role: caller.right,
            ssh: self.door.address.clone(),
            host_key: self.door.host_key.to_string(),
        }))
    }

    fn told(&mut self, id: u64, answer: Result<Reply, Refusal>) -> bool {
        if let Some((_, kind)) = self.waiting.remove(&id) {
            self.under_way[kind as usize] -= 1;
        }
        self.answer(id, answer)
    }

    fn stream<F, Fut>(&mut self, id: u64, run: F) -> bool
    where
        F: FnOnce(Arc<Door>, Outlet) -> Fut,
        Fut: Future<Output = Ended> + Send + 'static,
    {
        if self.streams.len() >= MOST_STREAMS {
            let many = format!("at most {MOST_STREAMS} streams at once on one connection; open another connection");
            return self.answer(id, Err(Refusal::refused(many)));
        }
        let out = Outlet { id, to: self.pieces_to.clone() };
        let running = run(self.door.clone(), out.clone());
        self.streams.spawn(async move {
            match running.await {
                Ended::Well => out.end(Ok(Reply::End)).await,
                Ended::Refused(refusal) => out.end(Err(refusal)).await,
                Ended::Gone => {}
            }
        });
        true
    }

    /// Answered when it is known; other calls go on meanwhile.
    fn stream_of_one<Fut>(&mut self, id: u64, answer: Fut) -> bool
    where
        Fut: Future<Output = Result<Reply, Refusal>> + Send + 'static,
    {
        if self.streams.len() >= MOST_STREAMS {
            let many = format!("at most {MOST_STREAMS} such calls at once on one connection; open another connection");
            return self.answer(id, Err(Refusal::refused(many)));
        }
        let out = Outlet { id, to: self.pieces_to.clone() };
        self.streams.spawn(async move { out.end(answer.await).await });
        true
    }

    fn answer(&mut self, id: u64, answer: Result<Reply, Refusal>) -> bool {
        let body = match answer {
            Ok(reply) => Body::Reply(reply),
            Err(refusal) => Body::Error(refusal),
        };
        self.put(&Answer { id, body })
    }

    fn put(&mut self, answer: &Answer) -> bool {
        match self.out.feed(answer) {
            Ok(()) => true,
            Err(FrameError::TooLong(_)) => {
                let long = Refusal::refused("the answer is too long for one frame; ask for less with `limit`");
                self.out.feed(&Answer { id: answer.id, body: Body::Error(long) }).is_ok()
            }
            Err(error) => {
                tracing::error!("an answer could not be written: {error}");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manager::tests::{Manager, admin};
    use protocol::id::Target;
    use protocol::job::JobSpec;
    use tokio::io::{ReadHalf, WriteHalf, duplex, split};

    type Near = tokio::io::DuplexStream;

    async fn connect(door: Arc<Door>) -> (FrameReader<ReadHalf<Near>>, FrameWriter<WriteHalf<Near>>, JoinHandle) {
        let (near, far) = duplex(1 << 16);
        let (read, write) = split(far);
        let serving = tokio::spawn(async move { serve(&door, admin(), &Budget::new(1 << 20), read, write).await });
        let (read, write) = split(near);
        (FrameReader::new(read), FrameWriter::new(write), serving)
    }

    type JoinHandle = tokio::task::JoinHandle<()>;

    #[tokio::test]
    async fn who_hangs_up_is_noticed_however_much_was_waited_for() {
        let manager = Manager::start();
        let (mut read, mut write, serving) = connect(manager.door()).await;
        write.send(&Call { id: 0, request: Request::Submit(JobSpec::of(["true"])) }).await.unwrap();
        assert!(matches!(read.next::<Answer>().await, Ok(Some(Answer { body: Body::Reply(_), .. }))));
        let wait = || Request::Wait { targets: vec![Target::Job(protocol::id::JobId(1))] };
        let asking = tokio::spawn(async move {
            for id in 1..=MOST_CALLS as u64 + 10 {
                write.send(&Call { id, request: wait() }).await.unwrap();
            }
            write
        });
        // Refused beyond a measure, so that reading goes on.
        let refused = tokio::time::timeout(std::time::Duration::from_secs(20), read.next::<Answer>()).await;
        assert!(matches!(refused, Ok(Ok(Some(Answer { body: Body::Error(_), .. })))), "{refused:?}");
        let reading = tokio::spawn(async move { while let Ok(Some(_)) = read.next::<Answer>().await {} });
        drop(asking.await.unwrap());
        reading.abort();
        tokio::time::timeout(std::time::Duration::from_secs(20), serving).await.expect("it ends").unwrap();
    }

    #[tokio::test]
    async fn who_comes_back_is_told_what_ended_since_the_last_console_was_closed() {
        let manager = Manager::start();
        let door = manager.door();
        let submit = || Request::Submit(JobSpec::of(["true"]));
        let stop = |job| Request::Stop { targets: vec![Target::Job(protocol::id::JobId(job))], reason: None };
        let (mut read, mut write, serving) = connect(door.clone()).await;
        for (id, request) in [(1, submit()), (2, submit()), (3, stop(1)), (4, Request::Away), (5, Request::Watch)] {
            write.send(&Call { id, request }).await.unwrap();
            read.next::<Answer>().await.unwrap().unwrap();
        }
        let (mut other, mut to_other, _) = connect(door.clone()).await;
        to_other.send(&Call { id: 1, request: Request::Away }).await.unwrap();
        let away = |answer: Option<Answer>| match answer.map(|answer| answer.body) {
            Some(Body::Reply(Reply::Away(away))) => away,
            answer => panic!("{answer:?}"),
        };
        assert_eq!(away(other.next().await.unwrap()).since, None, "a console is open");
        drop((read, write));
        serving.await.unwrap();
        to_other.send(&Call { id: 2, request: stop(2) }).await.unwrap();
        other.next::<Answer>().await.unwrap().unwrap();
        to_other.send(&Call { id: 3, request: Request::Away }).await.unwrap();
        let missed = away(other.next().await.unwrap());
        assert!(missed.since.is_some());
        assert_eq!(missed.jobs.iter().map(|job| job.id.0).collect::<Vec<_>>(), [2]);
    }
}
