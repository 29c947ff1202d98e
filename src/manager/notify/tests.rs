//! People are told, by real servers on loopback.

#[path = "../../../tests/common/post.rs"]
mod post;

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use protocol::agent::{Finished, FromAgent, Output, ToAgent};
use protocol::api::{Reply, Request};
use protocol::event::{Event, What};
use protocol::id::{JobId, Target};
use protocol::job::{JobSpec, Outcome, Stream};
use protocol::time::UnixMillis;
use serde_json::{Value, json};
use tokio::sync::{Mutex, broadcast, mpsc};

use super::{Carrier, Errand, Patience, Source};
use crate::manager::cluster::{Input, LinkId, Told};
use crate::manager::config::Config;
use crate::manager::heart::News;
use crate::manager::store::{Outputs, Reader, database};
use crate::manager::tests::{Manager, admin};
use post::{CREDENTIALS, Certs, Server, missing};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

macro_rules! need_a_mail_server {
    () => {
        if let Some(why) = missing() {
            test_support::leave_out!("{why}");
        }
    };
}

/// A manager whose notices are carried.
struct World {
    manager: Manager,
    news: broadcast::Receiver<Arc<News>>,
    events: Vec<Event>,
}

/// The second try comes at once, the third never.
fn twice() -> Patience {
    Patience { pauses: vec![Duration::from_millis(1)], ..Patience::default() }
}

fn often() -> Patience {
    Patience { pauses: vec![Duration::from_millis(20); 10_000], ..Patience::default() }
}

impl World {
    fn start(config: &str, patience: Patience) -> Self {
        let mut manager = Manager::start();
        let config: Config = toml::from_str(config).unwrap();
        let (_, nothing) = mpsc::unbounded_channel::<Errand>();
        let errands = std::mem::replace(&mut manager.errands, nothing);
        let state = manager.state.path();
        let reader = Arc::new(Mutex::new(Reader::open(&database(state)).unwrap()));
        let source = Source { reader, outputs: Outputs::new(state) };
        tokio::spawn(Carrier::new(manager.heart.clone(), &config, source, patience).run(errands));
        let news = manager.heart.news();
        Self { manager, news, events: vec![] }
    }

    async fn ask(&self, request: Request) -> Reply {
        match self.manager.heart.ask(|call| Input::Request { call, caller: admin(), request }).await {
            Ok(Told::Reply(reply)) => reply,
            other => panic!("{other:?}"),
        }
    }

    async fn submit(&self, spec: JobSpec, places: &[&str]) -> JobId {
        let notify = places.iter().map(|place| place.parse().unwrap()).collect();
        match self.ask(Request::Submit(JobSpec { notify, ..spec })).await {
            Reply::Submitted { job, .. } => job,
            other => panic!("{other:?}"),
        }
    }

    /// A job that ends at once, without any node.
    async fn end_one(&self, places: &[&str]) -> JobId {
        let job = self.submit(JobSpec::of(["true"]), places).await;
        self.ask(Request::Stop { targets: vec![Target::Job(job)], reason: None }).await;
        job
    }

    /// Waits for an event that is none of those waited for before.
    async fn event(&mut self, wanted: impl Fn(&What) -> bool) -> What {
        let comes = async {
            loop {
                if let Some(at) = self.events.iter().position(|event| wanted(&event.what)) {
                    return self.events.remove(at).what;
                }
                if let News::Changed { events, .. } = &*self.news.recv().await.unwrap() {
                    self.events.extend(events.iter().cloned());
                }
            }
        };
        tokio::time::timeout(LONG, comes).await.expect("waited in vain for an event")
    }

    async fn told(&mut self, of: JobId) -> String {
        self.event(|what| matches!(what, What::Notified { job, .. } if *job == of)).await.sentence()
    }

    async fn not_told(&mut self, of: JobId) -> String {
        self.event(|what| matches!(what, What::NotNotified { job, .. } if *job == of)).await.sentence()
    }
}

/// By this mail server, with the right password.
fn mail(folder: &Path, port: u16, tls: &str, certs: &Certs) -> String {
    mail_with(folder, port, tls, certs, CREDENTIALS)
}

fn mail_with(folder: &Path, port: u16, tls: &str, certs: &Certs, credentials: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("mail");
    std::fs::write(&path, credentials).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    let login = if tls == "none" { String::new() } else { format!("credentials = {path:?}\n") };
    format!(
        "[mail]\nserver = \"127.0.0.1\"\nport = {port}\ntls = \"{tls}\"\nfrom = \"Bramble <b@example.org>\"\n{login}\n\
         [notify]\nca = {:?}\n",
        certs.ca
    )
}

fn finished(attempt: protocol::id::AttemptId, outcome: Outcome, stderr: Output) -> FromAgent {
    FromAgent::Finished(Finished {
        attempt,
        outcome,
        started_at: Some(UnixMillis(1)),
        ended_at: UnixMillis(2),
        ran_ms: Some(192_000),
        out_of_memory: false,
        result_lost: None,
        stdout: Output::default(),
        stderr,
    })
}

fn printed(text: &[u8]) -> Output {
    Output { length: text.len() as u64, dropped: 0, bytes: Some(text.to_vec().into()) }
}

/// The next attempt that is to be started.
async fn start_of(orders: &mut mpsc::Receiver<ToAgent>) -> protocol::id::AttemptId {
    loop {
        if let ToAgent::Start(order) = orders.recv().await.unwrap() {
            return order.attempt;
        }
    }
}

async fn ends(world: &World, link: LinkId, report: FromAgent) {
    world.manager.heart.report(link, report).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_by_starttls_and_a_login_says_how_the_job_ended() {
    need_a_mail_server!();
    let folder = tempfile::tempdir().unwrap();
    let certs = Certs::make(folder.path());
    let server = Server::mail("starttls", &certs);
    let mut world = World::start(&mail(folder.path(), server.port, "starttls", &certs), twice());
    let (link, mut orders) = world.manager.linked_node().await;
    let spec = JobSpec {
        name: Some("night \u{202e}run, ünïcode".parse().unwrap()),
        ..JobSpec::of(["python3", "train.py", "two words"])
    };
    let job = world.submit(spec, &["mail:ana@example.org"]).await;
    let attempt = start_of(&mut orders).await;
    let stderr = printed(b"epoch 1\n\x1b[31moh no\x1b[0m: caf\xc3\xa9 \xff\n");
    ends(&world, link, finished(attempt, Outcome::Exited(3), stderr)).await;
    let mail = server.next();
    assert_eq!(mail["envelope"], json!(["b@example.org", "ana@example.org"]));
    assert_eq!((&mail["encrypted"], &mail["login"], &mail["ascii"]), (&json!(true), &json!(true), &json!(true)));
    let headers = &mail["headers"];
    assert_eq!(headers["subject"], "Bramble: job 1 “night \\u{202e}run, ünïcode” failed");
    assert_eq!((&headers["from"], &headers["to"]), (&json!("Bramble <b@example.org>"), &json!("ana@example.org")));
    assert_eq!(headers["auto-submitted"], "auto-generated");
    let id = headers["message-id"].as_str().unwrap();
    assert!(id.starts_with("<bramble.1.1.") && id.ends_with("@example.org>"), "{id}");
    assert!(headers["date"].is_string() && headers["content-type"].as_str().unwrap().contains("utf-8"), "{headers}");
    let text = mail["text"].as_str().unwrap();
    for says in [
        "job        1 “night \\u{202e}run, ünïcode”\n",
        "owner      root\n",
        "command    python3 train.py 'two words'\n",
        "state      failed\n",
        "exit code  3\n",
        "node       pi-1\n",
        "ran for    3m 12s\n",
        "    epoch 1\n    oh no: café \u{fffd}\n",
        "bramble logs 1\n",
    ] {
        assert!(text.contains(says), "{says:?} is not in\n{text}");
    }
    assert!(!text.contains('\x1b') && !text.contains("result get"), "{text}");
    assert_eq!(world.told(job).await, "the end of job 1 was told to mail:ana@example.org");
    assert_eq!(server.rest(), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_goes_over_tls_from_the_first_byte_or_without_any() {
    need_a_mail_server!();
    let folder = tempfile::tempdir().unwrap();
    let certs = Certs::make(folder.path());
    for (tls, encrypted) in [("tls", true), ("none", false)] {
        let server = Server::mail(tls, &certs);
        let mut world = World::start(&mail(folder.path(), server.port, tls, &certs), twice());
        let job = world.end_one(&["mail:ana@example.org"]).await;
        let mail = server.next();
        assert_eq!((&mail["encrypted"], &mail["login"]), (&json!(encrypted), &json!(encrypted)), "{tls}");
        assert_eq!(mail["headers"]["subject"], "Bramble: job 1 stopped");
        world.told(job).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_mail_server_refuses_for_good_is_given_up_with_its_sentence() {
    need_a_mail_server!();
    let folder = tempfile::tempdir().unwrap();
    let certs = Certs::make(folder.path());
    let server = Server::mail("starttls", &certs);
    let wrong = mail_with(folder.path(), server.port, "starttls", &certs, "ana\nguessed\n");
    let mut world = World::start(&wrong, often());
    let job = world.end_one(&["mail:ana@example.org"]).await;
    let why = world.not_told(job).await;
    assert!(
        why.starts_with("the end of job 1 could not be told to mail:ana@example.org: 127.0.0.1 says 535 "),
        "{why}"
    );
    assert!(!why.contains("guessed"), "{why}");
    let mut world = World::start(&mail(folder.path(), server.port, "starttls", &certs), often());
    let job = world.end_one(&["mail:nobody@example.org", "mail:busy@example.org"]).await;
    let why = world.not_told(job).await;
    assert!(why.ends_with("127.0.0.1 says 550 5.1.1 there is no such person here"), "{why}");
    // Who is only busy is asked again.
    assert!(world.told(job).await.ends_with("mail:busy@example.org"));
    assert_eq!(server.next()["envelope"][1], "busy@example.org");
    assert_eq!(server.rest(), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_waits_for_a_server_that_is_down_and_for_a_password_that_may_be_read() {
    need_a_mail_server!();
    let folder = tempfile::tempdir().unwrap();
    let certs = Certs::make(folder.path());
    // A port where nobody is.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut world = World::start(&mail(folder.path(), port, "starttls", &certs), often());
    let job = world.end_one(&["mail:ana@example.org"]).await;
    let server = Server::mail_at(port, "starttls", &certs);
    assert_eq!(server.next()["envelope"][1], "ana@example.org");
    world.told(job).await;
    std::fs::remove_file(folder.path().join("mail")).unwrap();
    let job = world.end_one(&["mail:ana@example.org"]).await;
    mail(folder.path(), port, "starttls", &certs);
    server.next();
    world.told(job).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_hangs_holds_up_nobody_else_and_no_task() {
    need_a_mail_server!();
    let folder = tempfile::tempdir().unwrap();
    let certs = Certs::make(folder.path());
    let mut hook = Server::https(&certs, &["200"]);
    // Takes whoever comes, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let (to, taken) = std::sync::mpsc::channel::<TcpStream>();
    std::thread::spawn(move || silent.incoming().map_while(Result::ok).try_for_each(|stream| to.send(stream)));
    let config = mail(folder.path(), port, "starttls", &certs);
    let mut world = World::start(&config, Patience { pauses: vec![], each: Duration::from_secs(2) });
    let (url, hangs) = (hook.url("https"), format!("https://127.0.0.1:{port}/"));
    let first = world.end_one(&["mail:ana@example.org", &hangs, &url]).await;
    let mut held = vec![taken.recv_timeout(LONG).unwrap(), taken.recv_timeout(LONG).unwrap()];
    // It has ended, and the others are told.
    let second = world.end_one(&[&url]).await;
    for job in [first, second] {
        assert_eq!(hook.next()["body"]["job"], json!(job));
        world.told(job).await;
    }
    for _ in 0..2 {
        let why = world.not_told(first).await;
        assert!(why.contains("takes longer than 2s") || why.contains("timeout"), "{why}");
    }
    held.clear();
    hook.go();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_is_told_everything_as_json_over_tls_with_the_own_ca() {
    need_a_mail_server!();
    let folder = tempfile::tempdir().unwrap();
    let certs = Certs::make(folder.path());
    let hook = Server::https(&certs, &["500", "200"]);
    let mut world = World::start(&format!("[notify]\nca = {:?}\n", certs.ca), often());
    let (link, mut orders) = world.manager.linked_node().await;
    let spec = JobSpec { name: Some("night run".parse().unwrap()), ..JobSpec::of(["./night.sh"]) };
    let job = world.submit(spec, &[&hook.url("https")]).await;
    let attempt = start_of(&mut orders).await;
    // More than fits into the message: the agent has brought it before.
    let outputs = Outputs::new(world.manager.state.path());
    let node: protocol::name::NodeName = "pi-1".parse().unwrap();
    let mut arriving = outputs.arrive(attempt, &node, Stream::Stderr).unwrap();
    let many: String = (0..100_000).map(|n| format!("line {n}\n")).collect();
    std::io::Write::write_all(&mut arriving.file, many.as_bytes()).unwrap();
    arriving.keep().unwrap();
    let stderr = Output { length: many.len() as u64, dropped: 0, bytes: None };
    ends(&world, link, finished(attempt, Outcome::Signaled(9), stderr)).await;
    let (failed, told) = (hook.next(), hook.next());
    assert_eq!(failed["body"], told["body"], "the same however often it is told");
    assert_eq!(told["path"], "/hooks/T0KEN?x=1");
    assert_eq!(told["headers"]["content-type"], "application/json");
    let body = &told["body"];
    assert!(body["id"].as_str().unwrap().starts_with("1.1."), "{body}");
    let last: Vec<String> = (99_980..100_000).map(|n| format!("line {n}")).collect();
    let mut expected = json!({
        "event": "job_ended",
        "job": 1,
        "name": "night run",
        "owner": "root",
        "command": "./night.sh",
        "state": "failed",
        "counts": { "queued": 0, "starting": 0, "running": 0, "succeeded": 0, "failed": 1, "stopped": 0, "lost": 0 },
        "code": 137,
        "reason": "killed by signal 9",
        "tasks": [{
            "task": "1.0", "attempt": 1, "state": "failed", "node": "pi-1", "code": 137, "reason": "killed by signal 9"
        }],
        "ran_ms": 192_000,
        "results": { "count": 0, "size": 0 },
        "stderr": last.join("\n"),
        "stderr_of": "1.0#1",
        "collect": null,
        "logs": "bramble logs 1",
    });
    for given in ["id", "submitted_at", "started_at", "ended_at"] {
        expected[given] = body[given].clone();
    }
    assert_eq!(*body, expected);
    let said = world.told(job).await;
    assert_eq!(said, format!("the end of job 1 was told to https://127.0.0.1:{}/…", hook.port));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_refuses_leads_elsewhere_or_cannot_be_believed_is_given_up() {
    need_a_mail_server!();
    let folder = tempfile::tempdir().unwrap();
    let certs = Certs::make(folder.path());
    let config = format!("[notify]\nca = {:?}\n", certs.ca);
    for (answer, says) in [("404", "says 404 Not Found"), ("302", "name the URL it leads to")] {
        let hook = Server::https(&certs, &[answer]);
        let mut world = World::start(&config, often());
        let job = world.end_one(&[&hook.url("https")]).await;
        let why = world.not_told(job).await;
        assert!(why.contains(says) && !why.contains("T0KEN"), "{why}");
        hook.next();
        assert_eq!(hook.rest(), Vec::<Value>::new(), "asked once");
    }
    // A CA that nobody trusts; and what was allowed once, and is not any more.
    let hook = Server::https(&certs, &["200"]);
    let mut world = World::start("", twice());
    let job = world.end_one(&[&hook.url("https"), "http://127.0.0.1:9/", "mail:ana@example.org"]).await;
    let whys = [world.not_told(job).await, world.not_told(job).await, world.not_told(job).await].join("\n");
    for says in ["tried 2 times", "by http:// any more", "sends no mail any more"] {
        assert!(whys.contains(says), "{whys}");
    }
    assert_eq!(hook.rest(), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_is_not_told_again_where_that_could_not_be_written_down() {
    need_a_mail_server!();
    let mut hook = Server::http(&["wait", "200"]);
    let mut world = World::start("[notify]\nplain_http = true\n", often());
    let job = world.end_one(&[&hook.url("http")]).await;
    hook.next();
    let disk = world.manager.disk();
    disk.execute_batch("ALTER TABLE notice RENAME TO away").unwrap();
    hook.go();
    let reset = async { while !matches!(&*world.news.recv().await.unwrap(), News::Reset) {} };
    let restored = async {
        // The commit has failed when nothing can be asked any more.
        while world.manager.heart.picture().await.is_ok() {
            tokio::task::yield_now().await;
        }
        disk.execute_batch("ALTER TABLE away RENAME TO notice").unwrap();
    };
    tokio::time::timeout(LONG, async { tokio::join!(reset, restored) }).await.expect("it goes on");
    world.told(job).await;
    assert_eq!(hook.rest(), Vec::<Value>::new(), "told once");
}
