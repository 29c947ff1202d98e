use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use link::FrameReader;
use protocol::agent::ToAgent;
use protocol::api::{EventQuery, Reply, Request};
use protocol::event::What;
use protocol::file::FileKind;
use protocol::job::{JobFile, JobSpec};
use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use tokio::sync::mpsc;

use super::*;
use crate::manager::cluster::Upload;
use crate::manager::store::{Reader, database};
use crate::manager::tests::{Manager, admin};

/// Longer than anything here takes; reached only by what would never happen.
const PATIENCE: Duration = Duration::from_secs(30);

struct Scene {
    manager: Manager,
    node: NodeName,
    wanted: Wanted,
    content: Vec<u8>,
    /// The node's link, which ends with it.
    _orders: mpsc::Receiver<ToAgent>,
}

impl Scene {
    /// An attempt on a node that was given this.
    async fn of(content: Vec<u8>) -> Self {
        let manager = Manager::start();
        let mut orders = manager.node().await;
        let hash = ContentHash(*blake3::hash(&content).as_bytes());
        let part = manager.state.path().join("part");
        let mut file = File::create(&part).unwrap();
        file.write_all(&content).unwrap();
        let (held, _) = manager.files.contents.keep(&part, &file, hash).unwrap();
        let (name, size) = ("data".parse().unwrap(), content.len() as u64);
        let upload = Upload { name, kind: FileKind::File, executable: false, size, hash, known: false };
        let kept = manager.heart.ask(|call| Input::KeepFile { call, caller: admin(), upload }).await;
        assert!(matches!(kept, Ok(Told::Reply(Reply::FileKept(_)))), "{kept:?}");
        drop(held);
        let files = vec![JobFile::of("data".parse().unwrap())];
        let request = Request::Submit(JobSpec { files, ..JobSpec::of(["true"]) });
        manager.heart.ask(|call| Input::Request { call, caller: admin(), request }).await.unwrap();
        let attempt = loop {
            if let ToAgent::Start(order) = orders.recv().await.unwrap() {
                assert_eq!(order.files[0].hash, hash);
                break order.attempt;
            }
        };
        let wanted = Wanted { attempt, hash, from: 0 };
        Self { manager, node: "pi-1".parse().unwrap(), wanted, content, _orders: orders }
    }

    async fn give(&self, wanted: Wanted, wire: DuplexStream, patience: Duration) {
        give(&self.manager.heart, &self.manager.files, &self.node, wanted, wire, patience).await;
    }

    async fn fetch(&self, wanted: Wanted) -> (FetchReply, Vec<u8>) {
        let (near, far) = duplex(1000);
        let takes = async {
            let mut frames = FrameReader::new(far);
            let reply = frames.next::<FetchReply>().await.unwrap().unwrap();
            let mut bytes = vec![];
            frames.into_rest().read_to_end(&mut bytes).await.unwrap();
            (reply, bytes)
        };
        let ((), taken) =
            tokio::time::timeout(PATIENCE, async { tokio::join!(self.give(wanted, near, PATIENCE), takes) })
                .await
                .expect("it comes to an end");
        taken
    }

    /// `gone`, and why.
    async fn refused(&self, wanted: Wanted) -> (bool, String) {
        match self.fetch(wanted).await {
            (FetchReply::Refused { reason, gone }, rest) if rest.is_empty() => (gone, reason),
            other => panic!("it comes: {other:?}"),
        }
    }

    fn path(&self) -> PathBuf {
        let name = self.wanted.hash.to_string();
        self.manager.state.path().join("content").join(&name[..2]).join(&name)
    }

    fn lies(&self) -> usize {
        let events = Reader::open(&database(self.manager.state.path())).unwrap().events(&EventQuery::default());
        events.unwrap().iter().filter(|event| matches!(event.what, What::ReportRefused { .. })).count()
    }
}

#[tokio::test]
async fn a_node_gets_what_its_attempt_was_given_from_where_it_asks() {
    let scene = Scene::of((0..700_000_u32).map(|n| (n % 251) as u8).collect()).await;
    for from in [0, 300_000, 699_999, 700_000] {
        let (reply, bytes) = scene.fetch(Wanted { from, ..scene.wanted }).await;
        assert_eq!(reply, FetchReply::Coming { bytes: 700_000 - from });
        assert!(bytes == scene.content[from as usize..], "from {from}");
    }
    assert_eq!(scene.lies(), 0);
}

#[tokio::test]
async fn what_was_not_given_does_not_come_and_is_written_down() {
    let scene = Scene::of(b"content".to_vec()).await;
    let other = Wanted { hash: ContentHash([7; 32]), ..scene.wanted };
    let (gone, why) = scene.refused(other).await;
    assert!(gone && why.contains("was not given this content"), "{why}");
    let (gone, why) = scene.refused(Wanted { from: 8, ..scene.wanted }).await;
    assert!(gone && why.contains("from byte 8 on"), "{why}");
    scene.manager.heart.stop().await;
    assert!(scene.lies() > 0);
}

#[tokio::test]
async fn a_content_that_is_damaged_or_missing_will_not_come_by_asking_again() {
    let scene = Scene::of(b"content".to_vec()).await;
    std::fs::write(scene.path(), "cont").unwrap();
    let (gone, why) = scene.refused(scene.wanted).await;
    assert!(gone && why.contains("is damaged: it has 4 bytes, and was kept with 7"), "{why}");
    std::fs::remove_file(scene.path()).unwrap();
    let (gone, why) = scene.refused(scene.wanted).await;
    assert!(gone && why.contains("is gone"), "{why}");
    scene.manager.heart.stop().await;
    assert_eq!(scene.lies(), 0, "that is no fault of the node");
}

#[tokio::test]
async fn a_manager_that_stops_does_not_say_that_it_is_gone() {
    let scene = Scene::of(b"content".to_vec()).await;
    scene.manager.heart.stop().await;
    let (gone, why) = scene.refused(scene.wanted).await;
    assert!(!gone && why.contains("stopping"), "{why}");
}

#[tokio::test]
async fn a_node_that_takes_nothing_more_is_let_go() {
    let scene = Scene::of(vec![1; 100_000]).await;
    let (near, _far) = duplex(1000);
    let gives = scene.give(scene.wanted, near, Duration::from_millis(20));
    tokio::time::timeout(PATIENCE, gives).await.expect("it is not waited for without end");
    // Others are served meanwhile and after.
    assert_eq!(scene.fetch(scene.wanted).await.1.len(), 100_000);
}
