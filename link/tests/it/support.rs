//! A server to dial, with times as short as a test needs, and ways to wait.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use link::{Admission, Admit, Connection, Dial, DialError, Fingerprint, Guard, Incoming, Key, ServerConfig, Stream};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Longer than anything here takes; a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Host {
    pub address: SocketAddr,
    pub host_key: Fingerprint,
    pub book: Arc<Book>,
    pub incoming: mpsc::Receiver<Incoming>,
    pub serving: JoinHandle<std::io::Result<()>>,
}

/// Who is admitted: the known keys as `worker`, everybody as the stranger `join`.
#[derive(Default)]
pub struct Book {
    known: Mutex<Vec<Fingerprint>>,
    pub asked: AtomicUsize,
}

impl Admit for Book {
    fn admit(&self, user: &str, key: &Fingerprint, _: SocketAddr) -> Admission {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match user {
            "join" => Admission::Stranger,
            "worker" if self.known.lock().unwrap().contains(key) => Admission::Known,
            _ => Admission::Refuse,
        }
    }
}

impl Host {
    pub async fn start() -> Host {
        Host::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut ServerConfig)) -> Host {
        let key = Arc::new(Key::generate());
        let host_key = key.fingerprint();
        let mut config = ServerConfig {
            host_key: key,
            // Who finds no place is told so at once, but for the tests of waiting.
            guard: Guard { patience: Duration::ZERO, ..Guard::default() },
            keepalive: Duration::from_secs(5),
            keepalive_max: 3,
            subsystems: vec!["echo".to_owned(), "other".to_owned()],
        };
        change(&mut config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (to, incoming) = mpsc::channel(1);
        let book = Arc::new(Book::default());
        let serving = tokio::spawn(link::serve(listener, config, book.clone(), to));
        Host { address, host_key, book, incoming, serving }
    }

    /// A way to this host, with a key that it knows.
    pub fn known(&self) -> Dial {
        let dial = self.unknown("worker");
        self.admit(&dial.key);
        dial
    }

    pub fn admit(&self, key: &Key) {
        self.book.known.lock().unwrap().push(key.fingerprint());
    }

    pub fn revoke_all(&self) {
        self.book.known.lock().unwrap().clear();
    }

    /// A way to this host, with a key that it never saw.
    pub fn unknown(&self, user: &str) -> Dial {
        Dial {
            address: self.address.to_string(),
            user: user.to_owned(),
            key: Arc::new(Key::generate()),
            host_key: self.host_key.clone(),
            keepalive: Duration::from_secs(5),
            keepalive_max: 3,
            timeout: PATIENCE,
        }
    }

    pub async fn next(&mut self) -> Incoming {
        within(self.incoming.recv()).await.expect("the server serves")
    }

    /// One stream, seen from both ends, on a connection of its own.
    pub async fn stream(&mut self) -> (Stream, Stream) {
        let connection = dial(&self.known()).await.unwrap();
        self.stream_of(&connection).await
    }

    pub async fn stream_of(&mut self, connection: &Connection) -> (Stream, Stream) {
        let near = within(connection.open("other")).await.unwrap();
        (near, self.next().await.stream)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub async fn dial(dial: &Dial) -> Result<Connection, DialError> {
    within(link::dial(dial)).await
}

/// What takes longer than [`PATIENCE`] has failed.
pub async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("this should not take so long")
}

/// Waits until something holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("waited in vain until {what}"));
}

/// Bytes that look like no others and are the same in every run.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut all = Vec::with_capacity(length + 8);
    while all.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        all.extend_from_slice(&state.to_le_bytes());
    }
    all.truncate(length);
    all
}
