//! Who asked for it is told that a job has ended, from the command line to the mail, whatever is killed on the way.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/post.rs"]
mod post;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use common::{BRAMBLE, folder, said, signal_pid, until, verb};
use post::{CREDENTIALS, Certs, Server, missing};
use rustix::process::Signal;
use serde_json::Value;

/// A manager of its own configuration, and a worker.
struct Cluster {
    state: PathBuf,
    manager: Child,
    worker: Option<Child>,
}

impl Cluster {
    /// `more`: what its configuration says besides. Nodes dial a port that stays the same.
    fn start(state: &Path, more: &str) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let own =
            format!("ssh = \"127.0.0.1:{port}\"\nstate = {:?}\nrun = {:?}\n", state.join("state"), state.join("run"));
        std::fs::write(state.join("manager.toml"), own + more).unwrap();
        let manager = Self::manager(state);
        let mut cluster = Self { state: state.into(), manager, worker: None };
        let token = until("the manager answers", || {
            let done = cluster.verb(&["join-token", "--json"]);
            done.status.success().then(|| serde_json::from_slice::<Value>(&done.stdout).unwrap())
        });
        let mut command = Command::new(BRAMBLE);
        command.args(["worker-agent", "run", "--refuse-reboot", "--name", "pi-1", "--manager"]);
        command.arg(format!("127.0.0.1:{port}")).arg("--state").arg(state.join("worker"));
        command.args(["--join", token["token"].as_str().unwrap()]).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(std::fs::File::create(state.join("worker.log")).unwrap());
        cluster.worker = Some(command.spawn().unwrap());
        cluster.is_up();
        cluster
    }

    fn manager(state: &Path) -> Child {
        let log = std::fs::File::options().create(true).append(true).open(state.join("manager.log")).unwrap();
        let mut command = Command::new(BRAMBLE);
        command.args(["manager", "--config"]).arg(state.join("manager.toml")).stdin(Stdio::null()).stderr(log);
        command.spawn().unwrap()
    }

    fn is_up(&self) {
        until("pi-1 is up", || {
            let view: Value = serde_json::from_slice(&self.verb(&["node", "pi-1", "--json"]).stdout).ok()?;
            (view["state"] == "up").then_some(())
        });
    }

    fn kill_manager(&mut self) {
        signal_pid(self.manager.id() as i32, Signal::KILL);
        self.manager.wait().unwrap();
    }

    fn verb(&self, words: &[&str]) -> Output {
        verb(&self.state.join("run/manager.sock"), words).output().unwrap()
    }

    /// stdout of one that succeeds.
    fn says(&self, words: &[&str]) -> String {
        let done = self.verb(words);
        assert!(done.status.success(), "{words:?}: {}", said(&done));
        String::from_utf8(done.stdout).unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.worker.iter_mut().chain([&mut self.manager]) {
            signal_pid(child.id() as i32, Signal::TERM);
            let _ = child.wait();
        }
    }
}

#[test]
fn who_is_named_is_told_by_mail_and_by_url_and_the_events_say_so() {
    if let Some(why) = missing() {
        test_support::leave_out!("{why}");
    }
    let here = folder();
    let certs = Certs::make(here.path());
    let (mail, hook) = (Server::mail("starttls", &certs), Server::https(&certs, &["200"]));
    let credentials = here.path().join("mail");
    std::fs::write(&credentials, CREDENTIALS).unwrap();
    std::fs::set_permissions(&credentials, PermissionsExt::from_mode(0o600)).unwrap();
    let more = format!(
        "[mail]\nserver = \"127.0.0.1\"\nport = {}\nfrom = \"bramble@example.org\"\ncredentials = {credentials:?}\n\
         [notify]\nca = {:?}\n",
        mail.port, certs.ca
    );
    let cluster = Cluster::start(here.path(), &more);
    let url = hook.url("https");
    let told = ["run", "--wait", "--name", "night run", "--notify", "mail:ana@example.org", "--notify", &url, "--"];
    let script = "echo oh no >&2; echo model > out/model; exit 3";
    let done = cluster.verb(&[&told[..], &["sh", "-c", script]].concat());
    assert_eq!(done.status.code(), Some(3), "{}", said(&done));
    let mail = mail.next();
    assert_eq!(mail["headers"]["subject"], "Bramble: job 1 “night run” failed");
    assert_eq!((&mail["encrypted"], &mail["login"]), (&Value::Bool(true), &Value::Bool(true)));
    let text = mail["text"].as_str().unwrap();
    for says in ["exit code  3\n", "    oh no\n", "results    1 to be collected, ", "bramble result get 1\n"] {
        assert!(text.contains(says), "{says:?} is not in\n{text}");
    }
    let body = &hook.next()["body"];
    assert_eq!((&body["state"], &body["code"], &body["stderr"]), (&"failed".into(), &3.into(), &"oh no".into()));
    assert_eq!((&body["collect"], &body["results"]["count"]), (&"bramble result get 1".into(), &1.into()));
    // Both are said, and of the URL only what everybody may know.
    let host = format!("the end of job 1 was told to https://127.0.0.1:{}/…", hook.port);
    until("the events say so", || {
        let events = cluster.says(&["event"]);
        let said = ["the end of job 1 was told to mail:ana@example.org", &host].iter().all(|one| events.contains(one));
        assert!(!events.contains("T0KEN"), "{events}");
        said.then_some(())
    });
    // What a submission file names is told too; of an array, how many did what.
    let file = here.path().join("job.toml");
    std::fs::write(&file, format!("executable = \"false\"\narray = 3\nnotify = [{url:?}]\n")).unwrap();
    cluster.says(&["submit", file.to_str().unwrap()]);
    let body = &hook.next()["body"];
    assert_eq!((&body["counts"]["failed"], &body["code"]), (&3.into(), &Value::Null));
    assert_eq!(body["tasks"].as_array().unwrap().len(), 3);
}

#[test]
fn what_was_not_told_yet_is_told_after_the_manager_was_killed() {
    if let Some(why) = missing() {
        test_support::leave_out!("{why}");
    }
    let here = folder();
    let hook = Server::http(&["wait", "200"]);
    let mut cluster = Cluster::start(here.path(), "[notify]\nplain_http = true\n");
    // It has ended at once, though whoever is told of it says nothing.
    let done = cluster.verb(&["run", "--wait", "--notify", &hook.url("http"), "--", "true"]);
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    let before = hook.next();
    cluster.kill_manager();
    cluster.manager = Cluster::manager(here.path());
    let after = hook.next();
    assert_eq!(before["body"], after["body"], "the same, so that it can be known again");
    let told = format!("the end of job 1 was told to http://127.0.0.1:{}/…", hook.port);
    until("the events say so", || {
        let events = cluster.verb(&["event"]);
        String::from_utf8(events.stdout).unwrap().contains(&told).then_some(())
    });
    cluster.kill_manager();
    cluster.manager = Cluster::manager(here.path());
    cluster.is_up();
    assert_eq!(hook.rest(), Vec::<Value>::new(), "what was told and kept is told no more");
}

#[test]
fn what_this_manager_can_tell_nobody_is_refused_before_anything_runs() {
    let here = folder();
    let cluster = Cluster::start(here.path(), "");
    for (place, code, says) in [
        ("mail:ana@example.org", 3, "an admin names a mail server under [mail]"),
        ("http://example.org/hook", 3, "plain_http = true"),
        ("https://exa{mple.org/", 2, "is no URL"),
        ("ana@example.org", 2, "write mail:ana@example.org"),
    ] {
        let done = cluster.verb(&["run", "--notify", place, "--", "true"]);
        let why = String::from_utf8(done.stderr.clone()).unwrap();
        assert_eq!(done.status.code(), Some(code), "{}", said(&done));
        assert!(why.contains(says), "{place}: {why}");
    }
    assert_eq!(cluster.says(&["job", "--json"]).matches("\"id\"").count(), 0);
}

/// A manager that cannot use what an admin has set up says so when it starts, and not when it is too late.
#[test]
fn a_password_that_others_may_read_is_refused_at_the_start() {
    let here = folder();
    let credentials = here.path().join("mail");
    std::fs::write(&credentials, CREDENTIALS).unwrap();
    std::fs::set_permissions(&credentials, PermissionsExt::from_mode(0o644)).unwrap();
    let config = here.path().join("manager.toml");
    let text = format!(
        "ssh = \"127.0.0.1:0\"\nstate = {:?}\nrun = {:?}\n[mail]\nserver = \"127.0.0.1\"\nfrom = \"b@example.org\"\n\
         credentials = {credentials:?}\n",
        here.path().join("state"),
        here.path().join("run")
    );
    std::fs::write(&config, text).unwrap();
    let done = Command::new(BRAMBLE).args(["manager", "--config"]).arg(&config).stdin(Stdio::null()).output().unwrap();
    let why = String::from_utf8(done.stderr.clone()).unwrap();
    assert!(!done.status.success() && why.contains("chmod 600") && !why.contains("sword fish"), "{}", said(&done));
}
