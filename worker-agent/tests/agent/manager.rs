//! A manager played by a test.

mod coming;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use link::{Admission, Admit, Fingerprint, FrameReader, FrameWriter, Guard, Incoming, Key, ServerConfig, Stream};
use protocol::agent::{
    BULK, BulkHello, CONTROL, FetchReply, FollowFrame, FromAgent, Hello, JOIN, JOIN_USER, JoinReply, JoinRequest,
    PutReply, ToAgent, WORKER_USER, Welcome,
};
use protocol::file::ContentHash;
use protocol::id::AttemptId;
use protocol::job;
use protocol::node::Role;
use protocol::token::JoinToken;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::PATIENCE;

pub struct Manager {
    pub address: SocketAddr,
    key: Arc<Key>,
    pub door: Arc<Door>,
    incoming: mpsc::Receiver<Incoming>,
    early: Vec<Incoming>,
    serving: Serving,
}

/// Ends with the manager.
struct Serving(JoinHandle<()>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Who comes in.
#[derive(Default)]
pub struct Door {
    known: Mutex<BTreeSet<Fingerprint>>,
    /// How often anybody offered a key.
    pub asked: AtomicUsize,
}

impl Admit for Door {
    fn admit(&self, user: &str, key: &Fingerprint, _: SocketAddr) -> Admission {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match user {
            JOIN_USER => Admission::Stranger,
            WORKER_USER if self.known.lock().unwrap().contains(key) => Admission::Known,
            _ => Admission::Refuse,
        }
    }
}

impl Door {
    pub fn revoke_all(&self) {
        self.known.lock().unwrap().clear();
    }
}

impl Manager {
    pub async fn new() -> Manager {
        Self::with(Arc::new(Key::generate()), Arc::default(), "127.0.0.1:0".parse().unwrap()).await
    }

    async fn with(key: Arc<Key>, door: Arc<Door>, address: SocketAddr) -> Manager {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        let listener: TcpListener = socket.listen(64).unwrap();
        let address = listener.local_addr().unwrap();
        let config = ServerConfig {
            host_key: key.clone(),
            guard: Guard::default(),
            keepalive: Duration::from_secs(5),
            keepalive_max: 3,
            subsystems: [JOIN, CONTROL, BULK].map(str::to_owned).to_vec(),
        };
        let (to, incoming) = mpsc::channel(64);
        let served = link::serve(listener, config, door.clone(), to);
        let serving = Serving(tokio::spawn(async move { served.await.unwrap() }));
        Manager { address, key, door, incoming, early: vec![], serving }
    }

    /// Killed, and started again with the same key and memory at the same place, after `meanwhile`.
    pub async fn restart<T>(self, meanwhile: impl Future<Output = T>) -> (Manager, T) {
        let mut serving = self.serving;
        serving.0.abort();
        let _ = (&mut serving.0).await;
        drop(self.incoming);
        let result = meanwhile.await;
        (Self::with(self.key, self.door, self.address).await, result)
    }

    pub fn token(&self, role: Role) -> String {
        let secret = "abcdefghijklmnopqrst2345".to_owned();
        JoinToken::new(role, secret, self.key.fingerprint().as_str()).unwrap().to_string()
    }

    async fn next(&mut self, subsystem: &str) -> Incoming {
        if let Some(at) = self.early.iter().position(|incoming| incoming.subsystem == subsystem) {
            return self.early.remove(at);
        }
        let coming = async {
            loop {
                let incoming = self.incoming.recv().await.expect("the server runs");
                if incoming.subsystem == subsystem {
                    return incoming;
                }
                self.early.push(incoming);
            }
        };
        tokio::time::timeout(PATIENCE, coming).await.unwrap_or_else(|_| panic!("nobody opened {subsystem}"))
    }

    /// Answers one request to join; `None` closes without an answer. From then on the key is known.
    pub async fn answer_join(&mut self, reply: impl FnOnce(&JoinRequest) -> Option<JoinReply>) -> JoinRequest {
        let incoming = self.next(JOIN).await;
        let (read, write) = tokio::io::split(incoming.stream);
        let request: JoinRequest = FrameReader::new(read).next().await.unwrap().unwrap();
        if let Some(reply) = reply(&request) {
            if matches!(reply, JoinReply::Joined { .. }) {
                self.door.known.lock().unwrap().insert(incoming.key);
            }
            FrameWriter::new(write).send(&reply).await.unwrap();
        }
        request
    }

    pub async fn let_join(&mut self) -> JoinRequest {
        self.answer_join(|request| Some(JoinReply::Joined { name: request.name.clone() })).await
    }

    /// The next control link, not yet welcomed.
    pub async fn greeted(&mut self) -> Control {
        let incoming = self.next(CONTROL).await;
        assert_eq!(incoming.user, WORKER_USER);
        let (read, write) = tokio::io::split(incoming.stream);
        let (mut read, write) = (FrameReader::new(read), FrameWriter::new(write));
        let hello = tokio::time::timeout(PATIENCE, read.next::<FromAgent>()).await.expect("a hello in time");
        let Ok(Some(FromAgent::Hello(hello))) = hello else { panic!("the first frame is a hello, not {hello:?}") };
        Control { hello: *hello, read, write }
    }

    pub async fn linked(&mut self) -> Control {
        self.linked_with(crate::welcome()).await
    }

    pub async fn linked_with(&mut self, welcome: Welcome) -> Control {
        let mut control = self.greeted().await;
        control.say(ToAgent::Welcome(welcome)).await;
        control
    }

    pub async fn bulk(&mut self) -> (BulkHello, Bulk) {
        let incoming = self.next(BULK).await;
        assert_eq!(incoming.user, WORKER_USER);
        let (read, write) = tokio::io::split(incoming.stream);
        let mut read = FrameReader::new(read);
        let hello = read.next::<BulkHello>().await.unwrap().unwrap();
        (hello, Bulk { read, write })
    }

    /// The next content that is asked for.
    pub async fn asked(&mut self) -> Fetch {
        let (hello, bulk) = self.bulk().await;
        let BulkHello::Fetch { attempt, hash, from } = hello else { panic!("a fetch, not {hello:?}") };
        Fetch { attempt, hash, from, bulk }
    }

    /// Whether anybody opened a bulk stream that was not looked at.
    pub fn has_bulk(&mut self) -> bool {
        while let Ok(incoming) = self.incoming.try_recv() {
            self.early.push(incoming);
        }
        self.early.iter().any(|incoming| incoming.subsystem == BULK)
    }

    /// Takes one put and says that it is kept.
    pub async fn take_put(&mut self) -> (AttemptId, job::Stream, u64, Vec<u8>) {
        let (hello, bulk) = self.bulk().await;
        let BulkHello::Put { attempt, stream, length, dropped } = hello else { panic!("a put, not {hello:?}") };
        let (ahead, mut read) = bulk.read.into_parts();
        let mut bytes = ahead.to_vec();
        let begun = bytes.len();
        bytes.resize((length - dropped) as usize, 0);
        read.read_exact(&mut bytes[begun..]).await.unwrap();
        FrameWriter::new(bulk.write).send(&PutReply::Kept).await.unwrap();
        // The one who put closes it.
        assert_eq!(read.read(&mut [0]).await.unwrap(), 0);
        (attempt, stream, dropped, bytes)
    }
}

pub struct Control {
    pub hello: Hello,
    read: FrameReader<ReadHalf<Stream>>,
    write: FrameWriter<WriteHalf<Stream>>,
}

impl Control {
    pub async fn say(&mut self, message: ToAgent) {
        self.write.send(&message).await.unwrap();
    }

    /// Bytes that may be anything.
    pub async fn say_raw(mut self, bytes: &[u8]) -> Self {
        self.write.flush().await.unwrap();
        let mut write = self.write.into_inner();
        write.write_all(bytes).await.unwrap();
        self.write = FrameWriter::new(write);
        self
    }

    /// The next message for which this is true; others are passed over.
    pub async fn hears(&mut self, what: &str, wanted: impl Fn(&FromAgent) -> bool) -> FromAgent {
        let hearing = async {
            loop {
                let message = self.read.next::<FromAgent>().await.unwrap_or_else(|error| panic!("{what}: {error}"));
                let message = message.unwrap_or_else(|| panic!("{what}: the agent closed the link"));
                if wanted(&message) {
                    return message;
                }
            }
        };
        tokio::time::timeout(PATIENCE, hearing).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
    }

    /// The next message that is neither a fact nor a metric.
    pub async fn next(&mut self) -> FromAgent {
        self.hears("anything", |message| !matches!(message, FromAgent::Facts(_) | FromAgent::Metrics(_))).await
    }

    pub async fn finished(&mut self, attempt: &str) -> protocol::agent::Finished {
        match self.hears(attempt, crate::finished_of(attempt)).await {
            FromAgent::Finished(finished) => finished,
            _ => unreachable!(),
        }
    }

    /// Waits for its end and lets it be forgotten.
    pub async fn finish(&mut self, attempt: &str) -> protocol::agent::Finished {
        let finished = self.finished(attempt).await;
        self.say(ToAgent::Ack { attempts: vec![crate::id(attempt)] }).await;
        finished
    }

    /// Until the agent closes it.
    pub async fn closes(mut self) {
        let closed = async { while let Ok(Some(_)) = self.read.next::<FromAgent>().await {} };
        tokio::time::timeout(PATIENCE, closed).await.expect("the link is closed");
    }
}

/// A content that somebody waits for.
pub struct Fetch {
    pub attempt: AttemptId,
    pub hash: ContentHash,
    pub from: u64,
    bulk: Bulk,
}

impl Fetch {
    /// All that lacks; then the agent closes it.
    pub async fn give(mut self, all: &[u8]) {
        self.give_some(all, all.len()).await;
        self.closes().await;
    }

    /// Promises all of it, and gives it up to there.
    pub async fn give_some(&mut self, all: &[u8], to: usize) {
        let from = self.from as usize;
        let mut write = FrameWriter::new(&mut self.bulk.write);
        write.send(&FetchReply::Coming { bytes: (all.len() - from) as u64 }).await.unwrap();
        let write = write.into_inner();
        write.write_all(&all[from..to]).await.unwrap();
        write.flush().await.unwrap();
    }

    pub async fn refuse(self, reason: &str, gone: bool) {
        let refused = FetchReply::Refused { reason: reason.into(), gone };
        FrameWriter::new(self.bulk.write).send(&refused).await.unwrap();
    }

    /// Until the agent closes it, or is gone.
    pub async fn closes(self) {
        let (_, mut read) = self.bulk.read.into_parts();
        let closed = tokio::time::timeout(PATIENCE, read.read(&mut [0])).await.expect("the agent lets go of it");
        assert!(matches!(closed, Ok(0) | Err(_)), "nothing more is said: {closed:?}");
    }
}

pub struct Bulk {
    read: FrameReader<ReadHalf<Stream>>,
    write: WriteHalf<Stream>,
}

impl Bulk {
    pub async fn refuse(self, reason: &str) {
        FrameWriter::new(self.write).send(&PutReply::Refused { reason: reason.into() }).await.unwrap();
    }

    pub async fn chunk(&mut self) -> FollowFrame {
        let frame = tokio::time::timeout(PATIENCE, self.read.next::<FollowFrame>()).await.expect("a frame in time");
        frame.unwrap().unwrap()
    }

    /// What comes of one stream, until there are so many bytes or the end; with the offset of the first.
    pub async fn read_to(&mut self, wanted: usize) -> (u64, Vec<u8>) {
        let (mut first, mut bytes) = (None, vec![]);
        while bytes.len() < wanted {
            match self.chunk().await {
                FollowFrame::Chunk { offset, bytes: more, .. } => {
                    let first = *first.get_or_insert(offset);
                    assert_eq!(offset, first + bytes.len() as u64, "without a gap");
                    bytes.extend(more.0);
                }
                FollowFrame::End => break,
            }
        }
        (first.unwrap_or(0), bytes)
    }
}
