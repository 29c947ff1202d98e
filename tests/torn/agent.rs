//! Agents without processes: real keys and real links, and tasks that only take their time. An agent forgets an end when
//! the manager says that it is kept, as a real one does: so that word is one of those the checks hold the manager to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use link::{Dial, DialError, Fingerprint, FrameReader, FrameWriter, Key, Stream as Wire};
use protocol::agent::{
    BULK, BulkHello, CONTROL, Finished, FromAgent, Held, Hello, JOIN, JOIN_USER, JoinReply, JoinRequest, Order, Output,
    PutReply, ToAgent, WORKER_USER,
};
use protocol::id::AttemptId;
use protocol::job::{Outcome, Stream};
use protocol::name::NodeName;
use protocol::node::Role;
use protocol::time::UnixMillis;
use protocol::token::JoinToken;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::ledger::{Ledger, Told, hash};
use crate::print;

const SLOTS: u32 = 16;
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the manager is, and how to know it.
#[derive(Clone)]
pub struct Way {
    pub address: String,
    pub host_key: Fingerprint,
}

fn dial(way: &Way, user: &str, key: &Arc<Key>) -> Dial {
    Dial {
        address: way.address.clone(),
        user: user.into(),
        key: key.clone(),
        host_key: way.host_key.clone(),
        keepalive: Duration::from_secs(5),
        keepalive_max: 3,
        timeout: PATIENCE,
    }
}

/// Joins with a token. `None` where the answer was lost, whatever came of it.
pub async fn join(way: &Way, name: &NodeName, key: &Arc<Key>, token: &str, ledger: &Ledger) -> Option<JoinReply> {
    let token: JoinToken = token.parse().unwrap();
    let connection = link::dial(&dial(way, JOIN_USER, key)).await.ok()?;
    let (read, write) = tokio::io::split(connection.open(JOIN).await.ok()?);
    let secret = token.secret.clone();
    let request = JoinRequest { protocol: protocol::PROTOCOL, secret, name: name.clone(), role: Role::Worker };
    FrameWriter::new(write).send(&request).await.ok()?;
    let reply = timeout(PATIENCE, FrameReader::new(read).next::<JoinReply>()).await.ok()?.ok()??;
    if let JoinReply::Joined { .. } = &reply {
        let (node, key) = (name.clone(), key.fingerprint().to_string());
        ledger.told(Told::Joined { node, key, hash: hash(&token.secret) });
    }
    Some(reply)
}

pub struct Agent {
    pub way: Way,
    pub name: NodeName,
    pub key: Arc<Key>,
    pub ledger: Ledger,
    waiting: VecDeque<Order>,
    running: BTreeMap<AttemptId, (Order, UnixMillis, Instant)>,
    ended: BTreeMap<AttemptId, Finished>,
    /// Large outputs that have gone ahead.
    put: BTreeSet<AttemptId>,
    /// To be said on this link.
    to_say: VecDeque<AttemptId>,
}

impl Agent {
    pub fn new(way: Way, name: NodeName, key: Arc<Key>, ledger: Ledger) -> Self {
        let (waiting, to_say) = (VecDeque::new(), VecDeque::new());
        let (running, ended, put) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { way, name, key, ledger, waiting, running, ended, put, to_say }
    }

    /// Until it is told to stop; after a link that ended it dials again.
    pub async fn live(mut self, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            // A manager that is being started again is waited for.
            let _ = self.link(&mut stop).await;
            self.waiting.clear();
            sleep(Duration::from_millis(50)).await; // why: the pause between two tries, as a real agent makes one
        }
    }

    async fn link(&mut self, stop: &mut watch::Receiver<bool>) -> Result<(), DialError> {
        let connection = link::dial(&dial(&self.way, WORKER_USER, &self.key)).await?;
        let (read, write) = tokio::io::split(connection.open(CONTROL).await?);
        let (mut reader, mut writer) = (FrameReader::new(read), FrameWriter::new(write));
        if writer.send(&FromAgent::Hello(Box::new(self.hello()))).await.is_err() {
            return Ok(());
        }
        self.to_say = self.ended.keys().copied().collect();
        let _ = self.talk(&mut reader, &mut writer, stop).await;
        Ok(())
    }

    fn hello(&self) -> Hello {
        let runs = self.running.iter().map(|(id, (_, at, _))| Held { attempt: *id, started_at: *at, ended: false });
        let ended = self.ended.values().map(|end| Held {
            attempt: end.attempt,
            started_at: end.started_at.unwrap_or_default(),
            ended: true,
        });
        Hello {
            takes_runs: false,
            protocol: protocol::PROTOCOL,
            version: protocol::VERSION.into(),
            node: self.name.clone(),
            boot_id: "one".into(),
            cpus: SLOTS,
            slots: SLOTS,
            takes_files: true,
            takes_secrets: true,
            gives_results: true,
            shared_uid: false,
            facts: Default::default(),
            held: runs.chain(ended).collect(),
        }
    }

    async fn talk(
        &mut self,
        reader: &mut FrameReader<ReadHalf<Wire>>,
        writer: &mut FrameWriter<WriteHalf<Wire>>,
        stop: &mut watch::Receiver<bool>,
    ) -> std::io::Result<()> {
        loop {
            self.begin(writer);
            while let Some(attempt) = self.to_say.pop_front() {
                self.say_end(attempt, writer).await;
            }
            writer.flush().await?;
            let next = self.running.values().map(|(_, _, ends)| *ends).min();
            tokio::select! {
                heard = reader.next::<ToAgent>() => match heard {
                    Ok(Some(order)) => self.take(order, writer),
                    _ => return Ok(()),
                },
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => self.end_those_due(),
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            }
        }
    }

    fn holds(&self, id: AttemptId) -> bool {
        self.running.contains_key(&id) || self.ended.contains_key(&id) || self.waiting.iter().any(|o| o.attempt == id)
    }

    fn take(&mut self, order: ToAgent, writer: &mut FrameWriter<WriteHalf<Wire>>) {
        match order {
            ToAgent::Start(order) if !self.holds(order.attempt) => {
                self.ledger.told(Told::Uid { job: order.attempt.task.job, uid: order.uid });
                self.waiting.push_back(order);
            }
            ToAgent::Stop { attempt, reason } => self.stop(attempt, reason),
            ToAgent::Recall { attempt } => {
                self.waiting.retain(|order| order.attempt != attempt);
                if !self.holds(attempt) {
                    writer.feed(&FromAgent::Recalled { attempt }).unwrap();
                }
            }
            ToAgent::Ack { attempts } => {
                for attempt in attempts {
                    if self.ended.remove(&attempt).is_some() {
                        self.ledger.told(Told::EndKept(attempt));
                    }
                }
            }
            ToAgent::Discard { attempts } => {
                for attempt in attempts {
                    self.waiting.retain(|order| order.attempt != attempt);
                    self.running.remove(&attempt);
                    self.ended.remove(&attempt);
                }
            }
            _ => {}
        }
    }

    fn begin(&mut self, writer: &mut FrameWriter<WriteHalf<Wire>>) {
        let takes = |order: &Order| order.cpus.min(SLOTS);
        while let Some(order) = self.waiting.front() {
            let used: u32 = self.running.values().map(|(order, _, _)| takes(order)).sum();
            if used + takes(order) > SLOTS {
                return;
            }
            let Some(order) = self.waiting.pop_front() else { return };
            let (attempt, at) = (order.attempt, now());
            let ends = Instant::now() + Duration::from_millis(print::runs_ms(attempt));
            self.running.insert(attempt, (order, at, ends));
            writer.feed(&FromAgent::Started { attempt, at }).unwrap();
        }
    }

    fn end_those_due(&mut self) {
        let now = Instant::now();
        let due: Vec<AttemptId> =
            self.running.iter().filter(|(_, (_, _, ends))| *ends <= now).map(|(id, _)| *id).collect();
        for attempt in due {
            let started_at = self.running.remove(&attempt).map(|(_, at, _)| at);
            self.end(attempt, started_at, print::outcome(attempt));
        }
    }

    fn stop(&mut self, attempt: AttemptId, reason: String) {
        if let Some((_, at, _)) = self.running.remove(&attempt) {
            self.end(attempt, Some(at), Outcome::Stopped { reason });
        } else if self.waiting.iter().any(|order| order.attempt == attempt) {
            self.waiting.retain(|order| order.attempt != attempt);
            self.end(attempt, None, Outcome::Stopped { reason });
        }
    }

    fn end(&mut self, attempt: AttemptId, started_at: Option<UnixMillis>, outcome: Outcome) {
        self.ledger.truly(attempt, outcome.clone());
        let stream = |stream| {
            let bytes = print::output(attempt, stream);
            let ahead = print::is_large(attempt) && !bytes.is_empty();
            Output { length: bytes.len() as u64, dropped: 0, bytes: (!ahead).then(|| bytes.into()) }
        };
        let (stdout, stderr) = (stream(Stream::Stdout), stream(Stream::Stderr));
        let ran_ms = started_at.map(|_| print::runs_ms(attempt));
        let end = Finished {
            attempt,
            outcome,
            started_at,
            ended_at: now(),
            ran_ms,
            stdout,
            stderr,
            out_of_memory: false,
            result_lost: None,
        };
        self.ended.insert(attempt, end);
        self.to_say.push_back(attempt);
    }

    /// Large output goes ahead; where that fails, the next link tries again.
    async fn say_end(&mut self, attempt: AttemptId, writer: &mut FrameWriter<WriteHalf<Wire>>) {
        let Some(end) = self.ended.get(&attempt).cloned() else { return };
        if print::is_large(attempt) && !self.put.contains(&attempt) {
            for (stream, output) in [(Stream::Stdout, &end.stdout), (Stream::Stderr, &end.stderr)] {
                if output.bytes.is_none() && self.put(attempt, stream).await.is_none() {
                    self.to_say.push_back(attempt);
                    sleep(Duration::from_millis(20)).await; // why: the pause between two tries
                    return;
                }
            }
            self.put.insert(attempt);
        }
        writer.feed(&FromAgent::Finished(end)).unwrap();
    }

    async fn put(&self, attempt: AttemptId, stream: Stream) -> Option<()> {
        let connection = link::dial(&dial(&self.way, WORKER_USER, &self.key)).await.ok()?;
        let (read, write) = tokio::io::split(connection.open(BULK).await.ok()?);
        let bytes = print::output(attempt, stream);
        let mut writer = FrameWriter::new(write);
        writer.send(&BulkHello::Put { attempt, stream, length: bytes.len() as u64, dropped: 0 }).await.ok()?;
        let mut write = writer.into_inner();
        write.write_all(&bytes).await.ok()?;
        write.flush().await.ok()?;
        match timeout(PATIENCE, FrameReader::new(read).next::<PutReply>()).await.ok()?.ok()?? {
            PutReply::Kept => {
                self.ledger.told(Told::OutputKept { attempt, node: self.name.clone(), stream });
                Some(())
            }
            PutReply::Refused { .. } => None,
        }
    }
}

fn now() -> UnixMillis {
    UnixMillis::of(std::time::SystemTime::now())
}
