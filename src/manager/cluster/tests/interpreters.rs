//! Scripts go where there is what runs them.

use std::collections::BTreeSet;

use protocol::agent::{FromAgent, Hello};
use protocol::api::Request;
use protocol::job::JobSpec;
use protocol::node::{Facts, Interpreter};

use super::why::why;
use super::words::{key, pinned};
use super::world::World;

fn facts(interpreters: &[&str]) -> Facts {
    let one = |name: &&str| Interpreter { name: (*name).into(), path: format!("/usr/bin/{name}"), version: None };
    Facts { interpreters: interpreters.iter().map(one).collect(), ..Facts::default() }
}

fn script(interpreters: &[&str]) -> JobSpec {
    let interpreters: BTreeSet<String> = interpreters.iter().map(|&name| name.into()).collect();
    JobSpec { interpreters, ..JobSpec::of(["./run"]) }
}

impl World {
    fn link_having(&mut self, node: &str, interpreters: &[&str]) {
        let hello = Hello { facts: facts(interpreters), ..self.hello(node, 1, vec![]) };
        self.link_with(node, key(node), hello);
    }
}

#[test]
fn a_script_starts_only_where_there_is_what_runs_it() {
    let mut world = World::of(&[("pi-1", 4)]);
    world.join("pi-2");
    world.link_having("pi-2", &["bash", "python3"]);
    world.submit(script(&["bash", "python3"]));
    assert_eq!(world.starts_after_welcome("pi-2"), ["1.0#1"], "though pi-1 has more room");
    assert_eq!(world.starts("pi-1"), [""; 0]);
}

#[test]
fn it_waits_for_that_and_says_so_until_a_node_tells_that_it_has_it() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.submit(script(&["Rscript"]));
    world.submit(JobSpec { interpreters: script(&["python3"]).interpreters, ..pinned("pi-1") });
    assert_eq!(world.starts("pi-1"), [""; 0]);
    let told = why(&mut world, "1.0");
    assert_eq!(told.summary, "waits for a worker that has Rscript: none that is up does");
    assert_eq!(told.nodes[0].reason, "it has no Rscript, which runs a script of the task");
    let told = why(&mut world, "2.0");
    assert_eq!(told.summary, "waits for pi-1: it has no python3, which runs a script of the task");
    // Somebody installs it there.
    world.report("pi-1", FromAgent::Facts(Box::new(facts(&["python3"]))));
    assert_eq!(world.starts("pi-1"), ["2.0#1"]);
}

#[test]
fn what_nodes_do_not_tell_of_is_refused() {
    let mut world = World::of(&[("pi-1", 1)]);
    let refused = world.ask(Request::Submit(script(&["cobol"]))).unwrap_err();
    assert!(refused.message.starts_with("no node says whether it has \"cobol\"; what they tell of is bash, "));
}

#[test]
fn an_order_that_never_arrived_goes_elsewhere_once_its_node_has_no_longer_what_runs_it() {
    let mut world = World::new();
    world.join("pi-1");
    world.link_having("pi-1", &["python3"]);
    world.submit(script(&["python3"]));
    world.unlink("pi-1");
    world.join("pi-2");
    world.link_having("pi-2", &["python3"]);
    world.link_having("pi-1", &[]);
    assert_eq!(world.starts_after_welcome("pi-2"), ["1.0#1"]);
}
