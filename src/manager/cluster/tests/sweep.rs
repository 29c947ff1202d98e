//! Sweeps: each task has the command and the environment of its own combination.

use std::sync::Arc;

use protocol::api::{Reply, Request, TaskQuery};
use protocol::job::{Axis, JobSpec};

use super::world::*;

fn axis(name: &str, values: &[&str]) -> Axis {
    Axis { name: name.into(), values: values.iter().map(|&value| value.into()).collect() }
}

fn swept() -> JobSpec {
    let sweep = vec![axis("rate", &["0.1", "0.2"]), axis("depth", &["3", "5", "7"])];
    let mut spec = JobSpec { sweep, ..JobSpec::of(["train", "--rate={rate}", "{depth}"]) };
    spec.env.insert("RUN".into(), "{rate}/{depth}".into());
    spec
}

#[test]
fn each_task_of_a_sweep_is_ordered_with_its_own_combination() {
    let mut world = World::of(&[("pi-1", 4)]);
    world.submit(swept());
    let orders = world.start_orders("pi-1");
    let told: Vec<_> = orders.iter().map(|order| (order.command.join(" "), order.env["RUN"].clone())).collect();
    let meant = [
        ("train --rate=0.1 3", "0.1/3"),
        ("train --rate=0.1 5", "0.1/5"),
        ("train --rate=0.1 7", "0.1/7"),
        ("train --rate=0.2 3", "0.2/3"),
        ("train --rate=0.2 5", "0.2/5"),
        ("train --rate=0.2 7", "0.2/7"),
    ];
    assert_eq!(told, meant.map(|(command, run)| (command.to_owned(), run.to_owned())));
    // After a restart they are the same.
    world.restart();
    world.link("pi-1", 4, vec![]);
    world.starts_after_welcome("pi-1");
    world.succeeds("pi-1", "1.0#1");
    assert!(world.gets_only_acks("pi-1"));
    world.retry("1.0").unwrap();
    let again = world.start_orders("pi-1");
    assert_eq!((&*again[0].command, &again[0].env), (&*orders[0].command, &orders[0].env));
}

#[test]
fn a_task_of_a_sweep_is_shown_with_what_it_runs_and_its_job_as_it_was_submitted() {
    let mut world = World::new();
    let job = world.submit(swept());
    assert_eq!(world.task("1.4").command, ["train", "--rate=0.2", "5"]);
    let Ok(Reply::Tasks { total, tasks }) = world.ask(Request::Tasks(TaskQuery::default())) else { panic!("tasks") };
    assert_eq!((total, tasks.len()), (6, 6));
    assert_eq!(tasks[5].command, ["train", "--rate=0.2", "7"]);
    assert_eq!(world.cluster.job_view(job).unwrap().command, ["train", "--rate={rate}", "{depth}"]);
}

#[test]
fn tasks_of_an_array_share_one_command_in_their_orders() {
    let mut world = World::of(&[("pi-1", 2)]);
    world.submit(array(0, 1));
    let orders = world.start_orders("pi-1");
    assert!(Arc::ptr_eq(&orders[0].command, &orders[1].command));
    assert!(Arc::ptr_eq(&orders[0].env, &orders[1].env));
    assert!(Arc::ptr_eq(&orders[0].files, &orders[1].files));
}

#[test]
fn a_window_of_tasks_fits_into_a_frame_however_long_what_they_try_is() {
    let mut world = World::new();
    let long = "x".repeat(500_000);
    world.submit(JobSpec { sweep: vec![axis("a", &[long.as_str(); 6])], ..JobSpec::of(["true", "{a}"]) });
    let Ok(Reply::Tasks { total, tasks }) = world.ask(Request::Tasks(TaskQuery::default())) else { panic!("tasks") };
    assert_eq!((total, tasks.len()), (6, 4));
}
