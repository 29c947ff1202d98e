//! A server to dial, with short times, and a way to wait for things.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use link::{Admission, Admit, Connection, Dial, DialError, Fingerprint, Guard, Incoming, Key, ServerConfig, serve};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Longer than anything here takes; a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub const SUBSYSTEMS: [&str; 2] = ["echo", "other"];

pub struct Host {
    pub address: SocketAddr,
    pub host_key: Fingerprint,
    pub admit: Arc<Book>,
    pub incoming: mpsc::Receiver<Incoming>,
    serving: JoinHandle<std::io::Result<()>>,
}

/// Who is admitted: the known keys as `worker`, everybody as the stranger `join`.
#[derive(Default)]
pub struct Book {
    pub known: Mutex<Vec<Fingerprint>>,
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
            guard: Guard::default(),
            keepalive: Duration::from_secs(5),
            keepalive_max: 3,
            subsystems: SUBSYSTEMS.map(str::to_owned).to_vec(),
        };
        change(&mut config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (to, incoming) = mpsc::channel(16);
        let admit = Arc::new(Book::default());
        let serving = tokio::spawn(serve(listener, config, admit.clone(), to));
        Host { address, host_key, admit, incoming, serving }
    }

    /// A way to this host, with a key that it knows.
    pub fn known(&self) -> Dial {
        let dial = self.unknown("worker");
        self.admit.known.lock().unwrap().push(dial.key.fingerprint());
        dial
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

    /// Echoes every stream from now on.
    pub fn echo(mut self) -> Echo {
        let (address, host_key, admit) = (self.address, self.host_key.clone(), self.admit.clone());
        let echoing = tokio::spawn(async move {
            while let Some(incoming) = self.incoming.recv().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = tokio::io::split(incoming.stream);
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                    let _ = tokio::io::AsyncWriteExt::shutdown(&mut write).await;
                });
            }
        });
        Echo { address, host_key, admit, echoing }
    }

    /// Drops the server's future.
    pub fn stop(&self) {
        self.serving.abort();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub struct Echo {
    pub address: SocketAddr,
    pub host_key: Fingerprint,
    pub admit: Arc<Book>,
    echoing: JoinHandle<()>,
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.echoing.abort();
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
