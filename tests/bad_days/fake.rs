//! A node that has joined with a real key, over real SSH, and says what a test tells it to.

use std::sync::Arc;
use std::time::Duration;

use link::{Connection, Dial, FrameReader, FrameWriter, Key, Stream};
use protocol::agent::{CONTROL, FromAgent, Hello, JOIN, JOIN_USER, JoinReply, JoinRequest, ToAgent, WORKER_USER};
use protocol::node::{Facts, Role};
use protocol::token::JoinToken;
use serde::Serialize;
use tokio::io::{ReadHalf, WriteHalf};

use crate::common::PATIENCE;
use crate::kit::Manager;

pub struct Fake {
    pub name: String,
    dial: Dial,
}

/// Its control link.
pub struct Control {
    pub read: FrameReader<ReadHalf<Stream>>,
    pub write: FrameWriter<WriteHalf<Stream>>,
    _connection: Connection,
}

/// What takes longer than this has failed.
pub async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("this should not take so long")
}

pub fn runtime() -> tokio::runtime::Runtime {
    // Not the one of the test, which may block while it waits for something to be seen.
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// A way to the manager, with a key that it never saw.
pub fn stranger(manager: &Manager, token: &str, user: &str) -> Dial {
    let token: JoinToken = token.parse().unwrap();
    Dial {
        address: manager.ssh.clone(),
        user: user.into(),
        key: Arc::new(Key::generate()),
        host_key: token.host_key.parse().unwrap(),
        keepalive: Duration::from_secs(5),
        keepalive_max: 3,
        timeout: PATIENCE,
    }
}

impl Fake {
    pub async fn join(manager: &Manager, name: &str) -> Fake {
        let token = manager.token();
        let dial = stranger(manager, &token, JOIN_USER);
        let stream = link::dial(&dial).await.unwrap();
        let stream = stream.open(JOIN).await.unwrap();
        let (read, write) = tokio::io::split(stream);
        let secret = token.parse::<JoinToken>().unwrap().secret;
        let request =
            JoinRequest { protocol: protocol::PROTOCOL, secret, name: name.parse().unwrap(), role: Role::Worker };
        FrameWriter::new(write).send(&request).await.unwrap();
        let joined = within(FrameReader::new(read).next::<JoinReply>()).await.unwrap();
        assert!(matches!(joined, Some(JoinReply::Joined { .. })), "{joined:?}");
        Fake { name: name.into(), dial: Dial { user: WORKER_USER.into(), ..dial } }
    }

    pub async fn dial(&self) -> Connection {
        link::dial(&self.dial).await.unwrap()
    }

    pub fn hello(&self) -> Hello {
        Hello {
            takes_runs: false,
            protocol: protocol::PROTOCOL,
            version: protocol::VERSION.into(),
            node: self.name.parse().unwrap(),
            boot_id: "boot".into(),
            cpus: 1,
            slots: 1,
            shared_uid: false,
            takes_files: true,
            takes_secrets: true,
            gives_results: true,
            facts: Facts::default(),
            held: vec![],
        }
    }

    /// Opens a control link and says this first, whatever it is.
    pub async fn say_first(&self, hello: &impl Serialize) -> Control {
        let connection = self.dial().await;
        let (read, write) = tokio::io::split(connection.open(CONTROL).await.unwrap());
        let mut control =
            Control { read: FrameReader::new(read), write: FrameWriter::new(write), _connection: connection };
        control.write.send(hello).await.unwrap();
        control
    }

    pub async fn link(&self) -> Control {
        let mut control = self.say_first(&FromAgent::Hello(Box::new(self.hello()))).await;
        let welcome = control.hears().await;
        assert!(matches!(welcome, Some(ToAgent::Welcome(_))), "{welcome:?}");
        control
    }
}

impl Control {
    pub async fn says(&mut self, report: &impl Serialize) {
        self.write.send(report).await.unwrap();
    }

    /// The next order; nothing at the end of the link.
    pub async fn hears(&mut self) -> Option<ToAgent> {
        within(self.read.next::<ToAgent>()).await.ok().flatten()
    }

    pub async fn hears_until<T>(&mut self, mut wanted: impl FnMut(&ToAgent) -> Option<T>) -> T {
        loop {
            let order = self.hears().await.expect("the link goes on");
            if let Some(found) = wanted(&order) {
                return found;
            }
        }
    }
}
