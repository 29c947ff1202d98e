//! Heart and store together, with a disk that is slow or fails when a test wants it to.

use std::sync::Arc;
use std::time::Duration;

use link::Fingerprint;
use protocol::agent::{FromAgent, Hello, JoinReply, ToAgent};
use protocol::api::{EventQuery, Request, Right};
use protocol::event::{Event, What};
use protocol::job::JobSpec;
use protocol::node::{Facts, Metrics, Role};
use protocol::time::UnixMillis;
use tempfile::TempDir;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::agents::Follows;
use super::cluster::{Caller, ClusterConfig, Input, KeyPrint, LinkId, Mono, SecretHash, Told};
use super::daemon::{Observer, observe};
use super::door::{Door, People};
use super::files::Room;
use super::heart::{Heart, News, Orders, Owner, Ways as Beside};
use super::history::Histories;
use super::notify::Errand;
use super::own_runs::{ClientKey, OwnRuns, Ways};
use super::store::writer::Writer;
use super::store::{Outputs, Reader, Space, database};

/// Longer than anything here takes; reached only by what would never happen.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Manager {
    pub(super) state: TempDir,
    pub(super) files: Room,
    pub(super) heart: Heart,
    /// Nobody runs these here.
    pub(super) errands: mpsc::UnboundedReceiver<Errand>,
    running: JoinHandle<()>,
}

/// Nobody runs or looks for anything here.
fn beside(errands: mpsc::UnboundedSender<Errand>) -> Beside {
    Beside { errands, own_runs: mpsc::unbounded_channel().0, looks: mpsc::unbounded_channel().0 }
}

impl Manager {
    pub(super) fn start() -> Self {
        let state = tempfile::tempdir().unwrap();
        let (alarm_to, alarm) = mpsc::channel(1);
        let (writer, image) = Writer::start(state.path(), alarm_to).unwrap();
        let files = Room::new(state.path(), writer.contents());
        let (errands_to, errands) = mpsc::unbounded_channel();
        let histories = Histories::new(Mono::default());
        let ways = beside(errands_to);
        let (owner, heart) = Owner::new(ClusterConfig::default(), image, histories, writer, alarm, ways);
        Self { state, files, heart, errands, running: tokio::spawn(owner.run()) }
    }

    pub(super) fn door(&self) -> Arc<Door> {
        let state = self.state.path();
        Arc::new(Door {
            heart: self.heart.clone(),
            config: Arc::default(),
            reader: Arc::new(Mutex::new(Reader::open(&database(state)).unwrap())),
            outputs: Outputs::new(state),
            space: Space::new(state),
            files: self.files.clone(),
            follows: Follows::default(),
            people: People::default(),
            ways: self.ways(),
            own_runs: OwnRuns::default(),
            address: "127.0.0.1:2222".into(),
            host_key: Fingerprint::from("SHA256:host".to_owned()),
            closing: CancellationToken::new(),
        })
    }

    pub(super) fn ways(&self) -> Arc<Ways> {
        let (state, grace) = (self.state.path(), Duration::from_secs(1));
        let key = ClientKey::in_folder(state);
        Arc::new(Ways::new(self.heart.clone(), Outputs::new(state), 64 << 20, grace, key))
    }

    /// Another program at the same database.
    pub(super) fn disk(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(database(self.state.path())).unwrap()
    }

    async fn token(&self) -> SecretHash {
        let (hash, ttl_ms) = (SecretHash("0f".into()), 60_000);
        let kept = hash.clone();
        let told =
            self.heart.ask(|call| Input::MakeToken { call, caller: admin(), hash, role: Role::Worker, ttl_ms }).await;
        assert!(matches!(told, Ok(Told::Token { .. })), "{told:?}");
        kept
    }

    /// A node with one slot, up; and what it is told.
    pub(super) async fn node(&self) -> mpsc::Receiver<ToAgent> {
        self.linked_node().await.1
    }

    pub(super) async fn linked_node(&self) -> (LinkId, mpsc::Receiver<ToAgent>) {
        let hash = self.token().await;
        self.join(hash).await.unwrap().unwrap();
        let (to, orders) = mpsc::channel(16);
        let (link, key) = (self.heart.new_link(), Fingerprint::from("SHA256:abc".to_owned()));
        let way = Orders { to, cut: Arc::default() };
        self.heart.linked(link, way, hello().node, &key, "10.0.0.1".into(), hello()).await;
        (link, orders)
    }

    async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let comes = async {
            while !condition() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, comes).await.unwrap_or_else(|_| panic!("waited in vain: {what}"));
    }

    async fn own_card_is_whole(&self) {
        let whole = async {
            loop {
                let picture = self.heart.picture().await.unwrap();
                let shelf = picture.nodes.iter().find(|node| node.name.as_str() == "shelf");
                if shelf.is_some_and(|node| {
                    node.facts.hostname.is_some()
                        && node.metrics.as_ref().is_some_and(|metrics| metrics.uptime_minutes.is_some())
                }) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, whole).await.expect("the card is whole");
    }

    /// Not waited for.
    fn join(&self, hash: SecretHash) -> JoinHandle<Result<Told, protocol::api::Refusal>> {
        let heart = self.heart.clone();
        tokio::spawn(async move { heart.ask(|call| joining(call, hash)).await })
    }
}

fn joining(call: super::cluster::CallId, hash: SecretHash) -> Input {
    let (key, name) = (KeyPrint("SHA256:abc".into()), "pi-1".parse().unwrap());
    Input::Join { call, key, hash, name, role: Role::Worker, address: None }
}

fn hello() -> Hello {
    Hello {
        takes_runs: false,
        protocol: protocol::PROTOCOL,
        version: protocol::VERSION.into(),
        node: "pi-1".parse().unwrap(),
        boot_id: "boot".into(),
        cpus: 1,
        slots: 1,
        shared_uid: false,
        takes_files: true,
        gives_results: true,
        takes_secrets: true,
        facts: Facts::default(),
        held: vec![],
    }
}

pub(super) fn admin() -> Caller {
    Caller { person: "root".parse().unwrap(), right: Right::Admin }
}

#[tokio::test]
async fn who_subscribes_while_a_commit_is_under_way_misses_no_event() {
    let manager = Manager::start();
    let hash = manager.token().await;
    let disk = manager.disk();
    disk.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut keys = manager.heart.keys();
    let joined = manager.join(hash);
    // The core has decided; the commit waits for the disk.
    keys.wait_for(|keys| keys.contains_key(&Fingerprint::from("SHA256:abc".to_owned()))).await.unwrap();
    let mut news = manager.heart.news();
    let past = Reader::open(&database(manager.state.path())).unwrap().events(&EventQuery::default()).unwrap();
    assert!(!past.iter().any(|event| matches!(event.what, What::NodeJoined { .. })));
    disk.execute_batch("ROLLBACK").unwrap();
    let told = tokio::time::timeout(PATIENCE, async {
        loop {
            if let News::Changed { events, .. } = &*news.recv().await.unwrap()
                && events.iter().any(|event| matches!(event.what, What::NodeJoined { .. }))
            {
                return;
            }
        }
    });
    told.await.expect("the event is told");
    assert!(matches!(joined.await.unwrap(), Ok(Told::Join(JoinReply::Joined { .. }))));
    manager.heart.stop().await;
    manager.running.await.unwrap();
}

#[tokio::test]
async fn a_picture_shows_nothing_that_was_not_kept() {
    let manager = Manager::start();
    let hash = manager.token().await;
    let disk = manager.disk();
    disk.execute_batch("ALTER TABLE node RENAME TO away").unwrap();
    let joining = manager.heart.ask(|call| joining(call, hash));
    let (joined, picture) = tokio::join!(joining, manager.heart.picture());
    assert!(matches!(joined, Err(_) | Ok(Told::Refused(_))), "{joined:?}");
    // Refused, or of the state as it was loaded again.
    assert!(!picture.is_ok_and(|picture| picture.nodes.iter().any(|node| node.name.as_str() == "pi-1")));
    disk.execute_batch("ALTER TABLE away RENAME TO node").unwrap();
    manager.heart.stop().await;
}

struct Nothing;

impl Observer for Nothing {
    fn facts(&mut self) -> Facts {
        Facts { hostname: Some("shelf".into()), ..Default::default() }
    }

    fn metrics(&mut self) -> Metrics {
        Metrics { uptime_minutes: Some(7), ..Default::default() }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_managers_own_card_is_whole_again_after_a_reload() {
    let manager = Manager::start();
    let observing = tokio::spawn(observe(manager.heart.clone(), "shelf".parse().unwrap(), Box::new(Nothing)));
    manager.own_card_is_whole().await;
    let disk = manager.disk();
    disk.execute_batch("ALTER TABLE token RENAME TO away").unwrap();
    let (hash, ttl_ms) = (SecretHash("0e".into()), 60_000);
    let asked = manager.heart.ask(|call| Input::MakeToken { call, caller: admin(), hash, role: Role::Worker, ttl_ms });
    asked.await.unwrap_err();
    disk.execute_batch("ALTER TABLE away RENAME TO token").unwrap();
    manager.until("the reload", || manager.heart.reloads() == 1).await;
    manager.own_card_is_whole().await;
    observing.abort();
    manager.heart.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_from_before_a_reload_is_cut_when_it_says_hello_after_it() {
    let manager = Manager::start();
    let hash = manager.token().await;
    manager.join(hash).await.unwrap().unwrap();
    let before = manager.heart.new_link();
    let disk = manager.disk();
    disk.execute_batch("ALTER TABLE token RENAME TO away").unwrap();
    let (hash, ttl_ms) = (SecretHash("0e".into()), 60_000);
    let asked = manager.heart.ask(|call| Input::MakeToken { call, caller: admin(), hash, role: Role::Worker, ttl_ms });
    asked.await.unwrap_err();
    disk.execute_batch("ALTER TABLE away RENAME TO token").unwrap();
    manager.until("the reload", || manager.heart.reloads() == 1).await;
    for (link, welcome) in [(before, false), (manager.heart.new_link(), true)] {
        let (to, mut orders) = mpsc::channel(16);
        let way = Orders { to, cut: Arc::default() };
        let (cut, key) = (way.cut.clone(), Fingerprint::from("SHA256:abc".to_owned()));
        manager.heart.linked(link, way, hello().node, &key, "10.0.0.1".into(), hello()).await;
        if welcome {
            let first = tokio::time::timeout(PATIENCE, orders.recv()).await.expect("it is answered");
            assert!(matches!(first, Some(ToAgent::Welcome(_))), "{first:?}");
        } else {
            tokio::time::timeout(PATIENCE, cut.notified()).await.expect("it is cut");
        }
    }
    manager.heart.stop().await;
}

#[tokio::test]
async fn a_heart_whose_store_has_failed_ends() {
    let state = tempfile::tempdir().unwrap();
    let (alarm_to, _held) = mpsc::channel(1);
    let (writer, image) = Writer::start(state.path(), alarm_to).unwrap();
    let (_, alarm_of_a_thread_that_ended) = mpsc::channel(1);
    let (owner, _heart) = Owner::new(
        ClusterConfig::default(),
        image,
        Histories::new(Mono::default()),
        writer,
        alarm_of_a_thread_that_ended,
        beside(mpsc::unbounded_channel().0),
    );
    tokio::time::timeout(PATIENCE, owner.run()).await.expect("it ends");
}

#[tokio::test]
async fn a_stop_answers_what_was_taken_in_and_refuses_what_was_not() {
    let manager = Manager::start();
    let (hash, ttl_ms) = (SecretHash("0f".into()), 60_000);
    let token = manager.heart.ask(|call| Input::MakeToken { call, caller: admin(), hash, role: Role::Worker, ttl_ms });
    let (made, (), after) = tokio::join!(token, manager.heart.stop(), manager.heart.picture());
    assert!(matches!(made, Ok(Told::Token { .. })), "{made:?}");
    assert!(after.unwrap_err().message.contains("stopping"));
    assert!(manager.heart.picture().await.unwrap_err().message.contains("stopping"));
}

#[tokio::test]
async fn what_nobody_waits_for_is_kept_soon_all_the_same() {
    let manager = Manager::start();
    let hash = manager.token().await;
    manager.join(hash).await.unwrap().unwrap();
    let (to, mut orders) = mpsc::channel(16);
    let hello = hello();
    let (link, key) = (manager.heart.new_link(), Fingerprint::from("SHA256:abc".to_owned()));
    let way = Orders { to, cut: Arc::default() };
    manager.heart.linked(link, way, hello.node.clone(), &key, "10.0.0.1".into(), hello).await;
    let request = Request::Submit(JobSpec::of(["true"]));
    manager.heart.ask(|call| Input::Request { call, caller: admin(), request }).await.unwrap();
    let attempt = loop {
        if let ToAgent::Start(order) = orders.recv().await.unwrap() {
            break order.attempt;
        }
    };
    let mut news = manager.heart.news();
    manager.heart.report(link, FromAgent::Started { attempt, at: UnixMillis(7) }).await;
    // News of what came before may still be on its way.
    let started = |event: &Event| matches!(event.what, What::TaskStarted { .. });
    let told = async {
        while !matches!(&*news.recv().await.unwrap(), News::Changed { events, .. } if events.iter().any(started)) {}
    };
    tokio::time::timeout(PATIENCE, told).await.expect("it is told");
    let running: u32 =
        manager.disk().query_row("SELECT count(*) FROM task WHERE state = 'running'", [], |row| row.get(0)).unwrap();
    assert_eq!(running, 1);
}
