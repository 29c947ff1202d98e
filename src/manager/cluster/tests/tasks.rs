//! The life of a task, from submit to end.

use protocol::agent::FromAgent;
use protocol::api::{RefusalKind, Reply, Request};
use protocol::id::JobId;
use protocol::job::{JobSpec, NotStarted, Outcome, TaskState};
use protocol::time::UnixMillis;

use super::world::*;
use crate::manager::cluster::{Input, Touched};

#[test]
fn a_task_is_submitted_started_and_finished() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.said();
    let job = world.submit(JobSpec::of(["echo", "hello"]));
    assert_eq!(job, JobId(1));
    assert_eq!(world.state("1.0"), TaskState::Starting);
    let orders = world.start_orders("pi-1");
    assert_eq!(orders[0].attempt, attempt("1.0#1"));
    assert_eq!(*orders[0].command, ["echo".to_owned(), "hello".to_owned()]);

    world.pass(5);
    world.started("pi-1", "1.0#1");
    assert_eq!(world.state("1.0"), TaskState::Running);
    world.pass(5);
    world.succeeds("pi-1", "1.0#1");
    let task = world.task("1.0");
    assert_eq!((task.state, task.code, task.ran_ms, task.attempt), (TaskState::Succeeded, Some(0), Some(7), 1));
    assert_eq!((task.started_at, task.ended_at), (Some(UnixMillis(DAWN + 5)), Some(UnixMillis(DAWN + 10))));
    assert_eq!(World::acked(&world.orders("pi-1")), ["1.0#1"]);
    assert_eq!(world.kept.outputs[&attempt("1.0#1")].0, printed("said by 1.0#1\n"));
    assert_eq!(world.said(), ["job 1 submitted", "task 1.0 started on pi-1", "task 1.0 succeeded on pi-1"]);
    assert!(world.touched.contains(&Touched::Job(JobId(1))));
}

#[test]
fn the_end_is_kept_before_it_is_acked() {
    use crate::manager::cluster::{Change, Effect};
    use protocol::agent::ToAgent;
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.started("pi-1", "1.0#1");
    let report = FromAgent::Finished(world.end("1.0#1", Outcome::Exited(3)));
    let mut effects = vec![];
    world.cluster.handle(Input::Report { link: world.links["pi-1"], report }, world.now, &mut effects);
    let at = |what: &dyn Fn(&Effect) -> bool| effects.iter().position(what).unwrap();
    let row = at(&|e| matches!(e, Effect::Persist(Change::Task(row)) if row.state == TaskState::Failed));
    let output = at(&|e| matches!(e, Effect::Persist(Change::Output { .. })));
    let event = at(&|e| matches!(e, Effect::Publish(_)));
    let ack = at(&|e| matches!(e, Effect::Send(_, ToAgent::Ack { .. })));
    let touch = at(&|e| matches!(e, Effect::Touch(Touched::Job(_))));
    assert!(row < output && output < event && event < ack && ack < touch, "{effects:#?}");
}

#[test]
fn an_array_of_a_hundred_thousand_is_one_row_until_its_tasks_start() {
    let mut world = World::of(&[("pi-1", 2)]);
    world.said();
    world.submit(array(0, 99_999));
    assert_eq!(world.kept.jobs.len(), 1);
    assert_eq!(world.kept.tasks.len(), 2 + 4, "two that run and a backlog of four");
    assert_eq!(world.said(), ["job 1 submitted, 100000 tasks"]);
    assert_eq!(world.cluster.queue.len(), 100_000 - 6);
    assert_eq!(world.starts("pi-1"), ["1.0#1", "1.1#1", "1.2#1", "1.3#1", "1.4#1", "1.5#1"]);
}

#[test]
fn how_a_task_failed_is_told_as_it_was() {
    let mut world = World::of(&[("pi-1", 8)]);
    world.submit(array(0, 4));
    let missing = Outcome::NotStarted { kind: NotStarted::NotFound, message: "no program nope in PATH".into() };
    let unknown = Outcome::Lost { reason: "exit unknown".into(), again: false };
    let ends = [Outcome::Exited(255), Outcome::Signaled(9), missing, stopped("demo ended"), unknown];
    let told: Vec<_> = ends
        .into_iter()
        .enumerate()
        .map(|(index, outcome)| {
            world.finished("pi-1", &format!("1.{index}#1"), outcome);
            let task = world.task(&format!("1.{index}"));
            (task.state, task.code, task.reason)
        })
        .collect();
    assert_eq!(
        told,
        [
            (TaskState::Failed, Some(255), "exit code 255".into()),
            (TaskState::Failed, Some(137), "killed by signal 9".into()),
            (TaskState::Failed, Some(127), "no program nope in PATH".into()),
            (TaskState::Stopped, None, "demo ended".into()),
            (TaskState::Lost, None, "exit unknown".into()),
        ]
    );
}

#[test]
fn a_task_that_was_killed_for_want_of_memory_says_so() {
    let mut world = World::of(&[("pi-1", 8)]);
    world.submit(array(0, 2));
    for (index, outcome) in [Outcome::Signaled(9), Outcome::Exited(137), Outcome::Exited(1)].into_iter().enumerate() {
        let mut report = world.end(&format!("1.{index}#1"), outcome);
        report.out_of_memory = true;
        world.report("pi-1", FromAgent::Finished(report));
    }
    let told = [0, 1, 2].map(|index| world.task(&format!("1.{index}"))).map(|task| (task.code, task.reason));
    let killed = (Some(137), "killed: out of memory".to_owned());
    assert_eq!(told, [killed.clone(), killed, (Some(1), "exit code 1".into())]);
    assert_eq!(world.kept.tasks.values().filter(|row| row.outcome == Some(Outcome::OutOfMemory)).count(), 2);
}

#[test]
fn a_result_told_twice_counts_once_and_is_acked_twice() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.started("pi-1", "1.0#1");
    let report = FromAgent::Finished(world.end("1.0#1", Outcome::Exited(0)));
    world.report("pi-1", report.clone());
    world.orders("pi-1");
    world.said();
    let kept = world.kept.clone();
    world.report("pi-1", report);
    assert_eq!(World::acked(&world.orders("pi-1")), ["1.0#1"]);
    assert_eq!(world.said(), [""; 0]);
    assert_eq!(world.kept.tasks, kept.tasks);
}

#[test]
fn a_start_told_twice_or_after_the_end_changes_nothing() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.started("pi-1", "1.0#1");
    world.said();
    world.started("pi-1", "1.0#1");
    world.succeeds("pi-1", "1.0#1");
    world.started("pi-1", "1.0#1");
    assert_eq!(world.state("1.0"), TaskState::Succeeded);
    assert_eq!(world.said(), ["task 1.0 succeeded on pi-1"]);
}

#[test]
fn an_end_that_overtakes_its_start_tells_of_both() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(JobSpec::of(["true"]));
    world.said();
    world.succeeds("pi-1", "1.0#1");
    assert_eq!(world.said(), ["task 1.0 started on pi-1", "task 1.0 succeeded on pi-1"]);
}

#[test]
fn what_makes_no_sense_is_refused_with_a_sentence() {
    let mut world = World::of(&[("pi-1", 1)]);
    let empty = world.ask(Request::Submit(JobSpec::of([""; 0]))).unwrap_err();
    assert_eq!(empty.kind, RefusalKind::Usage);
    let nowhere = world.ask(Request::Submit(pinned("pi-9"))).unwrap_err();
    assert_eq!((nowhere.kind, nowhere.message), (RefusalKind::NotFound, "there is no node pi-9".into()));
    assert!(world.kept.jobs.is_empty());
    assert_eq!(world.refused(Request::Task { id: task("1.0") }), "there is no job 1");
    world.submit(array(5, 9));
    let missing = world.refused(Request::Task { id: task("1.3") });
    assert_eq!(missing, "there is no 1.3: the tasks of job 1 are 1.5 to 1.9");
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(array(0, 3));
    world.submit(JobSpec::of(["true"]));
    world.started("pi-1", "1.0#1");
    world.succeeds("pi-1", "1.0#1");
    world.started("pi-1", "1.1#1");
    world.restart();
    assert_eq!(world.state("1.0"), TaskState::Succeeded);
    assert_eq!(world.state("1.1"), TaskState::Running);
    assert_eq!(world.state("1.2"), TaskState::Starting);
    let next = world.submit(JobSpec::of(["true"]));
    assert_eq!(next, JobId(3));
    world.link("pi-1", 1, vec![held("1.1#1", false)]);
    let orders = world.orders("pi-1");
    assert_eq!(orders.len(), 1 + 4, "a welcome and what the node does not have: {orders:?}");
    world.succeeds("pi-1", "1.1#1");
    world.succeeds("pi-1", "1.2#1");
    assert_eq!(world.state("1.3"), TaskState::Starting);
}

#[test]
fn job_numbers_are_never_given_twice_even_after_everything_was_forgotten() {
    let mut world = World::new();
    world.kept.last_job = 41;
    world.restart();
    assert_eq!(world.submit(JobSpec::of(["true"])), JobId(42));
}

#[test]
fn jobs_say_when_they_began_and_ended() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(array(0, 1));
    world.pass(10);
    world.started("pi-1", "1.0#1");
    world.pass(10);
    world.succeeds("pi-1", "1.0#1");
    world.succeeds("pi-1", "1.1#1");
    for _ in 0..2 {
        let job = world.cluster.job_view(JobId(1)).unwrap();
        assert_eq!(job.started_at, Some(UnixMillis(DAWN + 10)));
        assert_eq!(job.ended_at, Some(UnixMillis(DAWN + 20)));
        assert_eq!((job.state, job.counts.succeeded), (TaskState::Succeeded, 2));
        world.restart();
    }
}

#[test]
fn the_start_of_the_manager_is_said_once() {
    let mut world = World::new();
    world.put(Input::Started);
    assert_eq!(world.said(), [format!("manager {} started", protocol::VERSION)]);
    assert!(matches!(world.ask(Request::Nodes), Ok(Reply::Nodes(nodes)) if nodes.is_empty()));
}
