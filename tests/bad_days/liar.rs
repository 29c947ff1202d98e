//! A node with a good key that lies about everything.

use std::time::Duration;

use protocol::agent::{BULK, BulkHello, FromAgent, PutReply, ToAgent};
use protocol::job::{JobSpec, Stream};
use protocol::node::Facts;
use protocol::unit::Bytes;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::common::{folder, said, until};
use crate::fake::{Control, Fake, runtime, within};
use crate::kit::{Manager, memory, slowest_answer, submit};

const ESCAPE: &str = "\u{1b}[2J\u{7}pi\u{202e}";

#[test]
fn what_a_lying_node_says_is_shown_nowhere_as_truth_told_once_and_harms_nobody_else() {
    let here = folder();
    let manager = Manager::start(here.path());
    let _honest = manager.worker("honest", &here.path().join("honest"));
    until("the honest one is up", || manager.is_up("honest").then_some(()));
    let flag = here.path().join("flag");
    let script = format!("echo truth; while ! [ -e {} ]; do sleep 0.01; done; exit 5", flag.display());
    let others = submit(
        &manager.socket,
        JobSpec { node: Some("honest".parse().unwrap()), ..JobSpec::of(["sh", "-c", &script]) },
    );
    let others = others.unwrap();
    until("it runs", || (manager.json(&["job", &others.to_string(), "--json"])["state"] == "running").then_some(()));
    runtime().block_on(async {
        let liar = Fake::join(&manager, "liar").await;
        let mut control = lies_about_itself(&manager, &liar).await;
        lies_about_tasks(&manager, &liar, &mut control, others).await;
        floods(&manager, control).await;
    });
    std::fs::write(&flag, "").unwrap();
    let done = manager.verb(&["logs", "-f", &others.to_string()]);
    assert_eq!(&done.stdout[..], b"truth\n", "{}", said(&done));
    let task = manager.json(&["task", &format!("{others}.0"), "--json"])["task"].clone();
    assert_eq!((&task["code"], &task["attempt"], &task["node"]), (&5.into(), &1.into(), &"honest".into()), "{task}");
    assert!(!manager.log().contains("panicked"), "{}", manager.log());
    manager.ends();
}

async fn lies_about_itself(manager: &Manager, liar: &Fake) -> Control {
    let mut hello = liar.hello();
    (hello.cpus, hello.slots) = (1_000_000_000, 1_000_000_000);
    hello.version = format!("{ESCAPE}9");
    hello.facts = Facts {
        hostname: Some(ESCAPE.into()),
        model: Some("x".repeat(100_000)),
        cpus: Some(1_000_000_000),
        memory: Some(Bytes(u64::MAX)),
        disk: Some(Bytes(u64::MAX)),
        addresses: vec![ESCAPE.into(); 10_000],
        ..Facts::default()
    };
    let mut control = liar.say_first(&FromAgent::Hello(Box::new(hello))).await;
    assert!(matches!(control.hears().await, Some(ToAgent::Welcome(_))));
    // It is nobody's place to work: the tasks to come are for who lies about them.
    for lie in [
        r#"{"cpu": "hot"}"#,
        r#"{"memory_used": -1}"#,
        r#"{"temperature": 1e30}"#,
        r#"{"cpu": null, "memory_used": 18446744073709551615, "uptime_minutes": 4294967295}"#,
    ] {
        control.says(&json!({"metrics": serde_json::from_str::<serde_json::Value>(lie).unwrap()})).await;
    }
    control.says(&json!({"metrics": {"cpu": 1e9}})).await;
    let node = until("its metrics", || {
        let node = manager.json(&["node", "liar", "--json"]);
        (node["metrics"]["cpu"] == 100.0).then_some(node)
    });
    assert!(node["slots"].as_u64().unwrap() <= 4096 && node["cpus"].as_u64().unwrap() <= 4096, "{node}");
    for absurd in ["cpus", "memory", "disk"] {
        assert_eq!(node["facts"][absurd], serde_json::Value::Null, "{absurd}");
    }
    for absurd in ["memory_used", "temperature", "uptime_minutes"] {
        assert_eq!(node["metrics"][absurd], serde_json::Value::Null, "{absurd}");
    }
    assert!(node["facts"]["model"].as_str().unwrap().len() <= 256);
    for shown in [manager.verb(&["node", "ls"]), manager.verb(&["node", "liar"]), manager.verb(&["node", "--json"])] {
        let shown = String::from_utf8(shown.stdout).unwrap();
        let bad = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!shown.contains(bad), "{shown:?}");
    }
    let told = manager.events();
    let sentence = "the metrics told by liar was not taken";
    assert!((1..=4).contains(&told.matches(sentence).count()), "{told}");
    control
}

async fn lies_about_tasks(manager: &Manager, liar: &Fake, control: &mut Control, others: u32) {
    let stolen = format!("{others}.0#1");
    let finished = |attempt: &str, started: u64, ended: u64| {
        let nothing = json!({"length": 0, "bytes": ""});
        json!({"finished": {"attempt": attempt, "outcome": {"exited": 0}, "started_at": started, "ended_at": ended,
            "ran_ms": u64::MAX, "stdout": nothing, "stderr": nothing}})
    };
    // Another's, of another number, of nobody.
    for attempt in [&stolen, &format!("{others}.0#2"), "4000000000.4000000000#4000000000"] {
        control.says(&finished(attempt, 1, 2)).await;
        control.says(&json!({"started": {"attempt": attempt, "at": 7}})).await;
        control.says(&json!({"recalled": {"attempt": attempt}})).await;
        control.hears_until(|order| matches!(order, ToAgent::Discard { .. }).then_some(())).await;
    }
    let told = manager.events();
    assert!(
        told.contains(&format!("the result of {stolen} told by liar was not taken: it was not given to liar")),
        "{told}"
    );
    // Another's output, and a part of its own larger than any may be.
    let put = async |attempt: &str, length| {
        let mut stream = liar.dial().await.open(BULK).await.unwrap();
        let hello = BulkHello::Put { attempt: attempt.parse().unwrap(), stream: Stream::Stdout, length, dropped: 0 };
        let mut writer = link::FrameWriter::new(&mut stream);
        writer.send(&hello).await.unwrap();
        drop(writer);
        let _ = stream.write_all(b"a lie!").await;
        let mut reader = link::FrameReader::new(stream);
        within(reader.next::<PutReply>()).await.unwrap()
    };
    let answer = put(&stolen, 6).await;
    assert!(
        matches!(&answer, Some(PutReply::Refused { reason }) if reason == "it was not given to liar"),
        "{answer:?}"
    );
    let sentence = format!("the stdout of {stolen} told by liar was not taken: it was not given to liar");
    until("the lie is told", || manager.events().contains(&sentence).then_some(()));

    // Its own, with absurd times and more output than there may be.
    let spec = JobSpec { node: Some("liar".parse().unwrap()), ..JobSpec::of(["true"]) };
    let own = submit(&manager.socket, spec).unwrap();
    let own = control.hears_until(|order| match order {
        ToAgent::Start(order) if order.attempt.task.job.0 == own => Some(order.attempt.to_string()),
        _ => None,
    });
    let own = own.await;
    let answer = put(&own, 1 << 40).await;
    assert!(
        matches!(&answer, Some(PutReply::Refused { reason }) if reason.contains("more than this manager keeps")),
        "{answer:?}"
    );
    control.says(&finished(&own, u64::MAX, 1)).await;
    control.hears_until(|order| matches!(order, ToAgent::Ack { .. }).then_some(())).await;
    let task = manager.json(&["task", own.trim_end_matches("#1"), "--json"])["task"].clone();
    let (began, ended) = (task["started_at"].as_u64().unwrap(), task["ended_at"].as_u64().unwrap());
    assert!(began <= ended, "{task}");
    let shown = String::from_utf8(manager.verb(&["task", own.trim_end_matches("#1")]).stdout).unwrap();
    assert!(shown.contains("succeeded"), "{shown}");
}

/// As fast as the line takes them, of every kind.
async fn floods(manager: &Manager, control: Control) {
    let pid = manager.child.id();
    let events = || manager.events().lines().count();
    let (memory_before, events_before, log_before) = (memory(pid), events(), manager.log().len());
    let crate::fake::Control { mut read, mut write, .. } = control;
    let socket = manager.socket.clone();
    // It does read: who does not is cut off.
    let reads = async { while let Ok(Some(_)) = read.next::<ToAgent>().await {} };
    let writes = async {
        for n in 0..3000_u64 {
            let attempt = format!("1.{n}#{}", n % 7 + 1);
            write.feed(&json!({"started": {"attempt": attempt, "at": n}})).unwrap();
            write.feed(&json!({"refused": {"what": "all", "reason": ESCAPE}})).unwrap();
            write.feed(&json!({"facts": {"hostname": format!("h{n}")}})).unwrap();
            write.feed(&json!({"metrics": {"cpu": "hot"}})).unwrap();
            write.feed(&json!({"not_understood": {"name": format!("w{n}")}})).unwrap();
            write.feed(&json!({"nonsense": n})).unwrap();
            write.feed(&json!({"follow_failed": {"id": n, "reason": "no"}})).unwrap();
            write.flush().await.unwrap();
        }
    };
    let others = tokio::task::spawn_blocking(move || slowest_answer(&socket, 200));
    tokio::select! {
        () = reads => panic!("it was let go"),
        () = writes => {}
    }
    let slowest = others.await.unwrap();
    assert!(slowest < Duration::from_secs(2), "others waited {slowest:?}");
    until("all of it was heard", || {
        (manager.json(&["node", "liar", "--json"])["facts"]["hostname"] == "h2999").then_some(())
    });
    assert!(events() - events_before < 30, "{}", manager.events());
    assert!(manager.log().len() - log_before < 20_000, "{}", manager.log());
    let grown = memory(pid).saturating_sub(memory_before);
    assert!(grown < 32 * 1024, "{grown} KiB");
}
