use link::{FrameReader, FrameWriter};
use protocol::agent::{Finished, FromAgent, Output, ToAgent};
use protocol::api::{EventQuery, Reply, Request};
use protocol::event::What;
use protocol::job::{JobSpec, Outcome};
use protocol::result::{ResultQuery, ResultView};
use protocol::time::UnixMillis;
use tokio::io::{DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;
use crate::manager::cluster::LinkId;
use crate::manager::store::{Reader, database};
use crate::manager::tests::{Manager, admin};

/// Longer than anything here takes; reached only by what would never happen.
const PATIENCE: Duration = Duration::from_secs(30);

struct Scene {
    manager: Manager,
    attempt: AttemptId,
    beside: u64,
    link: LinkId,
    /// The node's link ends with it.
    _orders: mpsc::Receiver<ToAgent>,
}

/// The node's end of a stream.
struct Agent {
    read: FrameReader<ReadHalf<DuplexStream>>,
    write: WriteHalf<DuplexStream>,
    taking: JoinHandle<()>,
}

impl Scene {
    /// With an attempt that runs on a node.
    async fn new() -> Self {
        let manager = Manager::start();
        let (link, mut orders) = manager.linked_node().await;
        let request = Request::Submit(JobSpec::of(["true"]));
        manager.heart.ask(|call| Input::Request { call, caller: admin(), request }).await.unwrap();
        let attempt = loop {
            if let ToAgent::Start(order) = orders.recv().await.unwrap() {
                break order.attempt;
            }
        };
        Self { manager, attempt, beside: u64::MAX, _orders: orders, link }
    }

    fn brought(&self, size: usize) -> Brought {
        let left = Left { size: size as u64, entries: 3, left_out: 0 };
        Brought { attempt: self.attempt, left, tag: ContentHash([1; 32]) }
    }

    fn dial(&self, brought: Brought, patience: Duration) -> Agent {
        let (near, far) = duplex(1000);
        let (heart, files) = (self.manager.heart.clone(), self.manager.files.clone());
        let space = Space::new(self.manager.state.path());
        let beside = self.beside;
        let taking = tokio::spawn(async move {
            let node: NodeName = "pi-1".parse().unwrap();
            let taker = Taker { heart: &heart, files: &files, space: &space, node: &node, patience, beside };
            let (read, write) = split(far);
            taker.take(brought, read, write).await;
        });
        let (read, write) = split(near);
        Agent { read: FrameReader::new(read), write, taking }
    }

    /// As an honest agent does, from where the manager says. Returns where that was.
    async fn brings(&self, content: &[u8]) -> (u64, PutReply) {
        let mut agent = self.dial(self.brought(content.len()), PATIENCE);
        let ResultReply::Ready { offset, hash } = agent.hears::<ResultReply>().await else { panic!("not ready") };
        assert_eq!(hash, of(&content[..offset as usize]));
        agent.begins(offset).await;
        agent.write.write_all(&content[offset as usize..]).await.unwrap();
        agent.ends(of(content)).await;
        let reply = agent.hears().await;
        (offset, reply)
    }

    /// The first bytes come, and then the link breaks: two pieces at most.
    async fn breaks_off(&self, brought: Brought, first: &[u8]) {
        let mut agent = self.dial(brought, PATIENCE);
        agent.hears::<ResultReply>().await;
        agent.begins(0).await;
        agent.write.write_all(first).await.unwrap();
        agent.goes().await;
    }

    fn halves(&self, folder: &str) -> usize {
        std::fs::read_dir(self.manager.state.path().join(folder)).map_or(0, |files| files.count())
    }

    async fn looks_after(&self) {
        let files = &self.manager.files;
        let_go(files.arriving.of_attempts(), &self.manager.heart, files).await;
    }

    async fn kept(&self) -> Vec<ResultView> {
        let request = Request::Results(ResultQuery::default());
        match self.manager.heart.ask(|call| Input::Request { call, caller: admin(), request }).await {
            Ok(Told::Reply(Reply::Results(list))) => list.results,
            other => panic!("no list: {other:?}"),
        }
    }

    fn has(&self, content: &[u8]) -> bool {
        self.manager.files.contents.open(&of(content)).is_ok()
    }

    fn lies(&self) -> usize {
        let events = Reader::open(&database(self.manager.state.path())).unwrap().events(&EventQuery::default());
        events.unwrap().iter().filter(|event| matches!(event.what, What::ReportRefused { .. })).count()
    }
}

impl Agent {
    async fn hears<T: DeserializeOwned>(&mut self) -> T {
        let hears = tokio::time::timeout(PATIENCE, self.read.next::<T>());
        hears.await.expect("an answer comes").unwrap().expect("an answer")
    }

    async fn begins(&mut self, from: u64) {
        FrameWriter::new(&mut self.write).send(&ResultBegin { from }).await.unwrap();
    }

    async fn ends(&mut self, hash: ContentHash) {
        FrameWriter::new(&mut self.write).send(&ResultEnd { hash }).await.unwrap();
    }

    async fn comes_to_nothing(mut self) {
        let rest = tokio::time::timeout(PATIENCE, self.read.next::<PutReply>()).await.expect("it comes to an end");
        assert!(matches!(rest, Ok(None) | Err(_)), "{rest:?}");
        self.taking.await.unwrap();
    }

    /// The link breaks.
    async fn goes(self) {
        drop((self.read, self.write));
        self.taking.await.unwrap();
    }
}

fn of(content: &[u8]) -> ContentHash {
    ContentHash(*blake3::hash(content).as_bytes())
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n % 251) as u8).collect()
}

#[tokio::test]
async fn what_an_attempt_left_is_kept_before_its_end_is_told() {
    let scene = Scene::new().await;
    let content = content(700_000);
    assert_eq!(scene.brings(&content).await, (0, PutReply::Kept));
    let [kept] = &scene.kept().await[..] else { panic!("not one") };
    assert_eq!(
        (kept.attempt, kept.left.size, kept.hash, kept.hours_left),
        (scene.attempt, 700_000, of(&content), None)
    );
    assert!(scene.has(&content));
    assert_eq!(scene.lies(), 0);
}

#[tokio::test]
async fn an_attempt_may_leave_nothing_but_an_empty_folder() {
    let scene = Scene::new().await;
    assert_eq!(scene.brings(b"").await, (0, PutReply::Kept));
    assert_eq!(scene.kept().await[0].left.size, 0);
}

#[tokio::test]
async fn what_is_here_already_is_not_sent_again() {
    let scene = Scene::new().await;
    scene.brings(b"content").await;
    // The answer was lost; another that it left would be a lie, and changes nothing.
    for brought in [scene.brought(7), scene.brought(1000)] {
        let mut again = scene.dial(brought, PATIENCE);
        assert_eq!(again.hears::<ResultReply>().await, ResultReply::Kept);
    }
    assert_eq!(scene.kept().await[0].hash, of(b"content"));
}

#[tokio::test]
async fn what_broke_off_goes_on_where_it_was() {
    let scene = Scene::new().await;
    let content = content(600_000);
    // As much as two pieces, the rest of which is lost.
    scene.breaks_off(scene.brought(content.len()), &content[..540_000]).await;
    let (offset, reply) = scene.brings(&content).await;
    assert_eq!((offset, reply), (2 * PIECE as u64, PutReply::Kept));
    assert!(scene.has(&content));
}

#[tokio::test]
async fn what_was_packed_otherwise_meanwhile_does_not_go_on() {
    let scene = Scene::new().await;
    let content = content(600_000);
    let other = Brought { tag: ContentHash([2; 32]), ..scene.brought(content.len()) };
    scene.breaks_off(other, &content[..540_000]).await;
    assert_eq!(scene.brings(&content).await, (0, PutReply::Kept));
}

#[tokio::test]
async fn what_is_not_what_was_sent_is_thrown_away() {
    let scene = Scene::new().await;
    let mut agent = scene.dial(scene.brought(7), PATIENCE);
    agent.hears::<ResultReply>().await;
    agent.begins(0).await;
    agent.write.write_all(b"contant").await.unwrap();
    agent.ends(of(b"content")).await;
    let reply = agent.hears::<PutReply>().await;
    assert!(matches!(&reply, PutReply::Refused { reason } if reason.contains("is not what was sent")), "{reply:?}");
    assert_eq!(scene.kept().await, []);
    assert!(!scene.has(b"contant"));
    assert_eq!(scene.brings(b"content").await, (0, PutReply::Kept));
}

#[tokio::test]
async fn not_a_byte_more_is_taken_than_was_announced() {
    let scene = Scene::new().await;
    let mut agent = scene.dial(scene.brought(7), PATIENCE);
    agent.hears::<ResultReply>().await;
    agent.begins(0).await;
    agent.write.write_all(b"content and a great deal more").await.unwrap();
    agent.comes_to_nothing().await;
    assert_eq!(scene.kept().await, []);
}

#[tokio::test]
async fn it_begins_where_it_was_said_or_anew() {
    let scene = Scene::new().await;
    let mut agent = scene.dial(scene.brought(7), PATIENCE);
    agent.hears::<ResultReply>().await;
    agent.begins(3).await;
    let reply = agent.hears::<PutReply>().await;
    assert!(matches!(&reply, PutReply::Refused { reason } if reason.contains("not at 3")), "{reply:?}");
}

#[tokio::test]
async fn a_node_that_brings_nothing_more_comes_to_nothing() {
    let scene = Scene::new().await;
    let mut agent = scene.dial(scene.brought(7), Duration::from_millis(20));
    agent.hears::<ResultReply>().await;
    agent.begins(0).await;
    agent.write.write_all(b"cont").await.unwrap();
    agent.comes_to_nothing().await;
    // Others are served meanwhile and after.
    assert_eq!(scene.brings(b"content").await.1, PutReply::Kept);
}

#[tokio::test]
async fn a_node_that_takes_long_to_look_at_what_is_here_has_longer_the_next_time() {
    let scene = Scene::new().await;
    let content = content(600_000);
    scene.breaks_off(scene.brought(content.len()), &content[..540_000]).await;
    let slow = || {
        let halves = scene.manager.files.arriving.clone();
        let brought = scene.brought(content.len());
        let part = halves.begin_of("pi-1", brought.attempt, key(brought.left, brought.tag), 0).unwrap();
        part.slow_looks()
    };
    for looks in 1..4 {
        let mut looking = scene.dial(scene.brought(content.len()), Duration::from_millis(5));
        let ready = looking.hears::<ResultReply>().await;
        assert!(matches!(ready, ResultReply::Ready { offset, .. } if offset == 2 * PIECE as u64), "{ready:?}");
        looking.comes_to_nothing().await;
        assert_eq!(slow(), looks);
    }
    // A link that breaks takes nothing of that away.
    let mut agent = scene.dial(scene.brought(content.len()), PATIENCE);
    agent.hears::<ResultReply>().await;
    agent.goes().await;
    assert_eq!(slow(), 3);
    assert_eq!(scene.brings(&content).await, (2 * PIECE as u64, PutReply::Kept));
}

#[tokio::test]
async fn what_an_attempt_left_waits_beside_the_uploads_of_its_owner_and_only_once() {
    let scene = Scene::new().await;
    for tag in 1..4 {
        let brought = Brought { tag: ContentHash([tag; 32]), ..scene.brought(600_000) };
        scene.breaks_off(brought, &content(540_000)).await;
    }
    assert_eq!((scene.halves("arriving/pi-1"), scene.halves("uploads")), (1, 0));
    assert_eq!(scene.brings(&content(600_000)).await, (0, PutReply::Kept));
    assert_eq!(scene.halves("arriving/pi-1"), 0);
}

#[tokio::test]
async fn a_half_goes_when_its_attempt_has_ended_without_it() {
    let scene = Scene::new().await;
    scene.breaks_off(scene.brought(600_000), &content(540_000)).await;
    scene.looks_after().await;
    assert_eq!(scene.halves("arriving/pi-1"), 1, "the rest may still come");
    let (started_at, ended_at) = (None, UnixMillis(0));
    let (stdout, stderr) = (Output::default(), Output::default());
    let report = FromAgent::Finished(Finished {
        attempt: scene.attempt,
        outcome: Outcome::Exited(0),
        started_at,
        ended_at,
        ran_ms: None,
        out_of_memory: false,
        stdout,
        stderr,
        result_lost: Some("its disk is broken".into()),
    });
    scene.manager.heart.report(scene.link, report).await;
    scene.looks_after().await;
    assert_eq!(scene.halves("arriving/pi-1"), 0);
}

#[tokio::test]
async fn a_half_goes_with_its_node_and_at_the_start_of_a_manager() {
    let scene = Scene::new().await;
    scene.breaks_off(scene.brought(600_000), &content(540_000)).await;
    // As one that stopped left it.
    let again = Room::new(scene.manager.state.path(), scene.manager.files.contents.clone());
    assert_eq!(again.arriving.of_attempts(), [("pi-1".parse().unwrap(), scene.attempt)]);
    let node: NodeName = "pi-1".parse().unwrap();
    for request in [Request::RevokeNode { node: node.clone() }, Request::RemoveNode { node }] {
        let told = scene.manager.heart.ask(|call| Input::Request { call, caller: admin(), request }).await;
        assert!(matches!(told, Ok(Told::Reply(_))), "{told:?}");
    }
    let_go(again.arriving.of_attempts(), &scene.manager.heart, &again).await;
    assert_eq!(scene.halves("arriving/pi-1"), 0);
}

#[tokio::test]
async fn a_node_brings_one_result_of_any_size_and_beside_it_no_more_than_its_share() {
    let mut scene = Scene::new().await;
    scene.beside = 1000;
    let other = |size: usize, tag: u8| Brought { tag: ContentHash([tag; 32]), ..scene.brought(size) };
    let mut first = scene.dial(other(600_000, 1), PATIENCE);
    assert!(matches!(first.hears::<ResultReply>().await, ResultReply::Ready { .. }));
    let reply = scene.dial(other(500_000, 2), PATIENCE).hears::<ResultReply>().await;
    assert!(
        matches!(&reply, ResultReply::Refused { for_good: false, reason } if reason.contains("pi-1 is bringing")),
        "{reply:?}"
    );
    let mut small = scene.dial(other(1000, 3), PATIENCE);
    assert!(matches!(small.hears::<ResultReply>().await, ResultReply::Ready { .. }));
}

#[tokio::test]
async fn what_was_not_given_to_the_node_is_refused_for_good_and_written_down() {
    let scene = Scene::new().await;
    let other = Brought { attempt: scene.attempt.task.attempt(2), ..scene.brought(7) };
    let reply = scene.dial(other, PATIENCE).hears::<ResultReply>().await;
    assert!(
        matches!(&reply, ResultReply::Refused { for_good: true, reason } if reason.contains("was not given")),
        "{reply:?}"
    );
    scene.manager.heart.stop().await;
    assert_eq!(scene.lies(), 1);
}

#[tokio::test]
async fn what_is_left_of_a_job_that_nobody_remembers_is_no_lie() {
    let scene = Scene::new().await;
    let attempt = protocol::id::TaskId::new(99, 0).attempt(1);
    let reply = scene.dial(Brought { attempt, ..scene.brought(7) }, PATIENCE).hears::<ResultReply>().await;
    assert!(matches!(&reply, ResultReply::Refused { for_good: true, .. }), "{reply:?}");
    scene.manager.heart.stop().await;
    assert_eq!(scene.lies(), 0);
}

#[tokio::test]
async fn what_finds_no_room_may_come_later_and_never_where_there_cannot_be_any() {
    let scene = Scene::new().await;
    let disk = rustix::fs::statvfs(scene.manager.state.path()).unwrap();
    let whole = disk.f_blocks * disk.f_frsize;
    let of = |size| Brought { left: Left { size, entries: 1, left_out: 0 }, ..scene.brought(7) };
    // No disk is quite empty.
    let reply = scene.dial(of(whole - whole / 100 * 5), PATIENCE).hears::<ResultReply>().await;
    assert!(
        matches!(&reply, ResultReply::Refused { for_good: false, reason } if reason.contains("no room")),
        "{reply:?}"
    );
    // A file of holes: nobody waits for what can never come.
    let reply = scene.dial(of(1 << 60), PATIENCE).hears::<ResultReply>().await;
    assert!(
        matches!(&reply, ResultReply::Refused { for_good: true, reason } if reason.contains("in all")),
        "{reply:?}"
    );
}

#[tokio::test]
async fn a_manager_that_stops_does_not_refuse_it_for_good() {
    let scene = Scene::new().await;
    scene.manager.heart.stop().await;
    let reply = scene.dial(scene.brought(7), PATIENCE).hears::<ResultReply>().await;
    assert!(
        matches!(&reply, ResultReply::Refused { for_good: false, reason } if reason.contains("stopping")),
        "{reply:?}"
    );
}
