//! Tasks from the order to the ack, and what nobody may lose on the way.

use protocol::agent::{FromAgent, Order, ToAgent};
use protocol::job::{NotStarted, Outcome};

use crate::manager::Manager;
use crate::worker::Worker;
use crate::{finished_of, id, order, start, started_of, until};

fn text(output: &protocol::agent::Output) -> String {
    String::from_utf8_lossy(&output.bytes.as_ref().expect("inline").0).into_owned()
}

#[tokio::test]
async fn a_task_runs_in_its_own_folder_and_environment_and_leaves_nothing_behind() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    let go = worker.place.state().join("go");
    let script = format!(
        "until [ -e {} ]; do sleep 0.01; done; \
         env | sort; pwd; stat -c %a .; echo trouble >&2; mkdir -p deep/er; touch deep/er/file; exit 3",
        go.display()
    );
    let order = Order {
        env: [("COLOUR".to_owned(), "blue".to_owned())]
            .into_iter()
            .collect::<std::collections::BTreeMap<_, _>>()
            .into(),
        ..order("17.3#2", &script)
    };
    control.say(ToAgent::Start(order.clone())).await;
    control.say(ToAgent::Start(order.clone())).await;
    assert!(matches!(control.next().await, FromAgent::Started { attempt, .. } if attempt == id("17.3#2")));
    std::fs::write(&go, "").unwrap();
    let finished = control.finished("17.3#2").await;
    assert_eq!(finished.outcome, Outcome::Exited(3));
    assert_eq!(text(&finished.stderr), "trouble\n");
    let said = text(&finished.stdout);
    let home = worker.place.work("17.3#2");
    for line in [
        "COLOUR=blue",
        "BRAMBLE_JOB=17",
        "BRAMBLE_TASK=17.3",
        "BRAMBLE_ATTEMPT=17.3#2",
        "BRAMBLE_INDEX=3",
        &format!("BRAMBLE_OUT={}/out", home.display()),
        "PYTHONUNBUFFERED=1",
        "LANG=C.UTF-8",
        &format!("HOME={}", home.display()),
        &home.display().to_string(),
        "700",
    ] {
        assert!(said.lines().any(|said| said == line), "{line:?} in {said}");
    }
    assert!(!said.contains("CARGO"), "nothing of ours is inherited: {said}");

    // An order for what has ended changes nothing either.
    control.say(ToAgent::Start(order)).await;
    assert!(worker.place.spool("17.3#2.out").exists() && home.join("deep").exists());
    control.say(ToAgent::Ack { attempts: vec![id("17.3#2")] }).await;
    worker.is_clean().await;

    control
        .say(ToAgent::Start(Order { command: ["no-such-program".to_owned()].into(), ..crate::order("17.4#1", "") }))
        .await;
    let missing = control.finish("17.4#1").await;
    assert!(matches!(missing.outcome, Outcome::NotStarted { kind: NotStarted::NotFound, .. }), "{missing:?}");
    assert_eq!(missing.stdout.bytes, Some(Default::default()));
    worker.is_clean().await;
}

#[tokio::test]
async fn two_slots_take_two_tasks_and_the_rest_wait_their_turn_or_are_given_back() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    // Each waits for a file, so that the test decides when it ends.
    let wait = |name: &str| format!("until [ -e {}/{name} ]; do sleep 0.01; done", worker.place.state().display());
    for attempt in ["1.0#1", "1.1#1", "1.2#1", "1.3#1", "1.4#1"] {
        control.say(start(attempt, &wait(attempt))).await;
    }
    control.hears("the first", started_of("1.0#1")).await;
    control.hears("the second", started_of("1.1#1")).await;
    // What waits is given back; what runs is not.
    for attempt in ["1.0#1", "1.2#1"] {
        control.say(ToAgent::Recall { attempt: id(attempt) }).await;
    }
    assert!(matches!(control.next().await, FromAgent::Recalled { attempt } if attempt == id("1.2#1")));
    // What waits is stopped at once, without having run.
    control.say(ToAgent::Stop { attempt: id("1.3#1"), reason: "by ana".into() }).await;
    let stopped = control.finish("1.3#1").await;
    assert_eq!((stopped.outcome, stopped.started_at), (Outcome::Stopped { reason: "by ana".into() }, None));
    // The next one starts when a slot is free.
    std::fs::write(worker.place.state().join("1.1#1"), "").unwrap();
    assert_eq!(control.finish("1.1#1").await.outcome, Outcome::Exited(0));
    control.hears("the next", started_of("1.4#1")).await;
    // Stopped with what it started; discarded without a word.
    control.say(ToAgent::Stop { attempt: id("1.0#1"), reason: "by ben".into() }).await;
    assert_eq!(control.finish("1.0#1").await.outcome, Outcome::Stopped { reason: "by ben".into() });
    control.say(ToAgent::Discard { attempts: vec![id("1.4#1"), id("9.9#9")] }).await;
    worker.is_clean().await;
    control.say(start("1.5#1", "true")).await;
    let next = control.hears("only the last", |m| !matches!(m, FromAgent::Metrics(_) | FromAgent::Facts(_))).await;
    // Its start may be told with its end, so soon does it end.
    assert!(started_of("1.5#1")(&next) || finished_of("1.5#1")(&next), "{next:?}");
    if started_of("1.5#1")(&next) {
        control.finish("1.5#1").await;
    }
}

#[tokio::test]
async fn an_agent_killed_in_the_middle_loses_nothing() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    let script = |name: &str| {
        format!(
            "echo begun; until [ -e {}/{name} ]; do sleep 0.01; done; echo ended; exit 7",
            worker.place.state().display()
        )
    };
    let release = |name: &str| std::fs::write(worker.place.state().join(name), "").unwrap();
    control.say(start("2.0#1", &script("first"))).await;
    control.say(start("2.1#1", &script("second"))).await;
    control.hears("the first", started_of("2.0#1")).await;
    control.hears("the second", started_of("2.1#1")).await;

    let old = worker.kill_agent().await;
    release("first");
    let mut control = manager.linked().await;
    let held: Vec<_> = control.hello.held.iter().map(|held| held.attempt).collect();
    assert_eq!(held, [id("2.0#1"), id("2.1#1")]);
    let first = control.finished("2.0#1").await;
    assert_eq!((first.outcome, text(&first.stdout).as_str()), (Outcome::Exited(7), "begun\nended\n"));
    assert_ne!(worker.status().unwrap().agent_pid, Some(old));

    // Not acked: the next agent says it again, and the slots of what runs are still taken.
    worker.kill_agent().await;
    let mut control = manager.linked().await;
    assert_eq!(control.hello.held.iter().filter(|held| held.ended).count(), 1);
    control.say(ToAgent::Start(Order { cpus: 2, ..order("2.2#1", "true") })).await;
    assert_eq!(control.finish("2.0#1").await.outcome, Outcome::Exited(7));
    release("second");
    assert!(finished_of("2.1#1")(&control.next().await), "a task for two slots did not start beside another");
    control.say(ToAgent::Ack { attempts: vec![id("2.1#1")] }).await;
    control.finish("2.2#1").await;
    worker.is_clean().await;
}

#[tokio::test]
async fn a_manager_that_was_away_hears_of_everything_when_it_is_back() {
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    let flag = worker.place.state().join("go");
    let script = format!("until [ -e {} ]; do sleep 0.01; done; echo done", flag.display());
    control.say(start("3.0#1", &script)).await;
    control.say(ToAgent::Start(Order { cpus: 2, ..order("3.1#1", "echo never ran here") })).await;
    control.hears("it runs", started_of("3.0#1")).await;
    let ended = || worker.tasks().first().is_some_and(|kept| kept.ended.is_some());
    let (mut manager, ()) = manager
        .restart(async {
            std::fs::write(&flag, "").unwrap();
            until("it has ended", ended).await;
        })
        .await;
    let mut control = manager.linked().await;
    assert_eq!(control.hello.held.len(), 1, "what only waited is sent again by whoever still wants it");
    let finished = control.finish("3.0#1").await;
    assert_eq!(text(&finished.stdout), "done\n");
    worker.is_clean().await;
}

#[tokio::test]
async fn a_manager_that_does_not_read_holds_up_no_task() {
    const TASKS: usize = 60;
    let mut manager = Manager::new().await;
    let (worker, mut control) = Worker::joined(&mut manager).await;
    // Far more than all the buffers on the way hold.
    let attempts: Vec<String> = (0..TASKS).map(|index| format!("8.{index}#1")).collect();
    for attempt in &attempts {
        control.say(start(attempt, "head -c 32000 /dev/zero | tr '\\0' x")).await;
    }
    until("all have ended", || worker.tasks().iter().filter(|kept| kept.ended.is_some()).count() == TASKS).await;
    for _ in &attempts {
        let FromAgent::Finished(finished) = control.hears("an end", |m| matches!(m, FromAgent::Finished(_))).await
        else {
            unreachable!()
        };
        assert_eq!(finished.stdout.length, 32_000);
        control.say(ToAgent::Ack { attempts: vec![finished.attempt] }).await;
    }
    worker.is_clean().await;
}

#[tokio::test]
async fn words_of_tomorrow_are_answered_and_nonsense_is_survived() {
    let mut manager = Manager::new().await;
    let (_worker, control) = Worker::joined(&mut manager).await;
    let frame = |json: &str| [&(json.len() as u32).to_be_bytes()[..], json.as_bytes()].concat();
    let mut nonsense = frame(r#"{"dance":{"steps":3}}"#);
    nonsense.extend(frame(r#"{"start":{"attempt":"rubbish"}}"#));
    nonsense.extend(frame("{not json"));
    nonsense.extend(frame(r#"{"stop":{"attempt":"9.9#9","reason":"nobody","a_field_of_tomorrow":1}}"#));
    let mut control = control.say_raw(&nonsense).await;
    for name in ["dance", "start", "not JSON"] {
        let said = control.next().await;
        assert!(matches!(&said, FromAgent::NotUnderstood { name: said } if said == name), "{name}: {said:?}");
    }
    control.say(ToAgent::Reboot).await;
    let refused = control.next().await;
    assert!(
        matches!(&refused, FromAgent::Refused { what, reason } if what == "reboot" && reason.contains("--refuse-reboot"))
    );
    control.say(start("4.0#1", "true")).await;
    control.finish("4.0#1").await;
    // A frame without end is no frame: that link is given up and another one made.
    control.say_raw(&[0xff; 64]).await.closes().await;
    manager.linked().await;
}
