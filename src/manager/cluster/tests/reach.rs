//! Nodes that are reached by their own SSH, and whether those without a link answer.

use protocol::api::{NodeView, Reply, Request, SshWay};
use protocol::id::Target;
use protocol::job::TaskState;
use protocol::node::{NodeState, Role};

use super::world::*;
use crate::manager::cluster::{Effect, Input, Told};

fn way(host: &str) -> SshWay {
    SshWay { host: host.into(), port: 22, user: "pi".into(), host_key: "SHA256:host".into() }
}

impl World {
    fn add_way(&mut self, node: &str, way: SshWay) -> Result<NodeView, String> {
        let call = self.new_call();
        self.put(Input::AddNode { call, caller: admin(), name: name(node), way });
        match self.answers.remove(&call) {
            Some(Told::Reply(Reply::Node(view))) => Ok(*view),
            Some(Told::Refused(refusal)) => Err(refusal.message),
            other => panic!("{other:?}"),
        }
    }

    fn looks(&mut self, node: &str, answers: bool) {
        self.put(Input::Answers { node: name(node), answers });
    }

    fn node_state(&self, node: &str) -> NodeState {
        self.cluster.node_view(&name(node)).unwrap().state
    }

    fn looked_for(&self) -> Vec<(String, String, u16)> {
        let all = self.cluster.looked_for().into_iter();
        all.map(|(node, (host, port))| (node.to_string(), host, port)).collect()
    }
}

#[test]
fn a_node_without_an_agent_is_reachable_until_it_has_been_missed_twice() {
    let mut world = World::of(&[]);
    world.said();
    let view = world.add_way("pi-9", way("10.0.0.9")).unwrap();
    assert_eq!((view.state, view.role, view.ssh), (NodeState::Reachable, Role::Worker, Some(way("10.0.0.9"))));
    assert_eq!(world.said(), ["node pi-9 added, at 10.0.0.9"]);
    assert_eq!(world.looked_for(), [("pi-9".into(), "10.0.0.9".into(), 22)]);
    world.looks("pi-9", true);
    world.looks("pi-9", false);
    world.looks("pi-9", true);
    world.looks("pi-9", false);
    assert_eq!((world.node_state("pi-9"), world.said()), (NodeState::Reachable, vec![]));
    world.looks("pi-9", false);
    world.looks("pi-9", false);
    assert_eq!((world.node_state("pi-9"), world.said()), (NodeState::Down, vec!["pi-9 does not answer".to_owned()]));
    world.looks("pi-9", true);
    assert_eq!(world.said(), ["pi-9 answers, without an agent"]);
    world.add_way("pi-9", way("10.0.0.9")).unwrap();
    assert_eq!(world.said(), Vec::<String>::new(), "asked again, it is as it was");
}

#[test]
fn after_a_restart_it_is_looked_for_again_and_nothing_is_said_twice() {
    let mut world = World::of(&[]);
    world.add_way("pi-9", way("10.0.0.9")).unwrap();
    world.restart();
    world.said();
    assert_eq!(world.node_state("pi-9"), NodeState::Down);
    assert_eq!(world.looked_for().len(), 1);
    world.looks("pi-9", true);
    assert_eq!((world.node_state("pi-9"), world.said()), (NodeState::Reachable, vec![]));
    assert_eq!(world.cluster.node_view(&name("pi-9")).unwrap().ssh, Some(way("10.0.0.9")));
}

#[test]
fn a_worker_without_its_agent_is_looked_for_where_it_was() {
    let mut world = World::of(&[("pi-1", 1)]);
    assert_eq!(world.looked_for(), []);
    world.looks("pi-1", false);
    assert_eq!(world.node_state("pi-1"), NodeState::Up, "its agent knows better");
    world.unlink("pi-1");
    world.said();
    assert_eq!(world.looked_for(), [("pi-1".into(), "10.0.0.9".into(), 22)]);
    assert_eq!(world.node_state("pi-1"), NodeState::Down);
    world.looks("pi-1", true);
    assert_eq!(
        (world.node_state("pi-1"), world.said()),
        (NodeState::Reachable, vec!["pi-1 answers, without an agent".into()])
    );
    world.looks("pi-1", false);
    world.looks("pi-1", false);
    assert_eq!((world.node_state("pi-1"), world.said()), (NodeState::Down, vec!["pi-1 does not answer".into()]));
    world.link("pi-1", 1, vec![]);
    assert_eq!(world.looked_for(), []);
    let effects = world.handle(Input::Answers { node: name("pi-1"), answers: true });
    assert!(effects.is_empty(), "it came too late: {effects:?}");
}

#[test]
fn looking_begins_and_ends_with_the_link() {
    let mut world = World::of(&[("pi-1", 1)]);
    let link = world.links["pi-1"];
    let looks = |effects: &[Effect]| -> Vec<bool> {
        let looks = effects.iter().filter_map(|effect| match effect {
            Effect::LookFor { at, .. } => Some(at.is_some()),
            _ => None,
        });
        looks.collect()
    };
    let effects = world.handle(Input::Unlinked { link, reason: "closed".into() });
    assert_eq!(looks(&effects), [true]);
    let told = world.commit(effects);
    world.release(told);
    let call = world.new_call();
    let request = Request::RemoveNode { node: name("pi-1") };
    let effects = world.handle(Input::Request { call, caller: admin(), request });
    assert_eq!(looks(&effects), [false]);
}

#[test]
fn no_task_goes_to_a_node_without_an_agent() {
    let mut world = World::of(&[]);
    world.add_way("pi-9", way("10.0.0.9")).unwrap();
    let job = world.submit(pinned("pi-9"));
    let task = format!("{job}.0");
    assert_eq!(world.task(&task).state, TaskState::Queued);
    let why = super::why::why(&mut world, &task).summary;
    assert!(why.contains("it has no agent, and so runs no tasks"), "{why}");
    world.ask(Request::Stop { targets: vec![Target::Job(job)], reason: None }).unwrap();
}

#[test]
fn what_is_for_agents_is_refused_with_a_sentence() {
    let mut world = World::of(&[]);
    world.add_way("pi-9", way("10.0.0.9")).unwrap();
    let node = || name("pi-9");
    let why = world.refused(Request::Drain { node: node(), on: true });
    assert_eq!(why, "pi-9 has no agent and runs no tasks: there is nothing to drain");
    let why = world.refused(Request::Reboot { node: node() });
    assert!(why.contains("bramble exec --on pi-9 -- reboot"), "{why}");
    let why = world.refused(Request::RevokeNode { node: node() });
    assert!(why.contains("bramble node rm pi-9"), "{why}");
    world.ask(Request::RemoveNode { node: node() }).unwrap();
    assert!(world.kept.nodes.is_empty());
    assert_eq!((world.cluster.node_view(&node()), world.looked_for()), (None, vec![]));
    world.looks("pi-9", true);
}

#[test]
fn with_a_token_it_becomes_a_worker_and_keeps_its_other_way() {
    let mut world = World::of(&[]);
    world.add_way("pi-9", way("10.0.0.9")).unwrap();
    world.add("pi-9", 2);
    let view = world.cluster.node_view(&name("pi-9")).unwrap();
    assert_eq!((view.state, view.slots, view.ssh), (NodeState::Up, 2, Some(way("10.0.0.9"))));
    let job = world.submit(pinned("pi-9"));
    assert_eq!(world.task(&format!("{job}.0")).state, TaskState::Starting);
    world.succeeds("pi-9", &format!("{job}.0#1"));
    world.make_token("another", Role::Worker);
    let why = world.join_with("another", key("pi-7"), "pi-9", Role::Worker).unwrap_err();
    assert!(why.contains("the name pi-9 is taken by another machine"), "{why}");
    world.restart();
    assert_eq!(world.cluster.node_view(&name("pi-9")).unwrap().ssh, Some(way("10.0.0.9")));
    world.link("pi-9", 2, vec![]);
    assert_eq!(world.node_state("pi-9"), NodeState::Up);
}

#[test]
fn a_cooler_and_a_revoked_node_get_no_other_way() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.make_token("cool", Role::Cooler);
    world.join_with("cool", key("cold"), "cold", Role::Cooler).unwrap();
    assert!(world.add_way("cold", way("10.0.0.7")).unwrap_err().contains("cold is a cooler"));
    world.ask(Request::RevokeNode { node: name("pi-1") }).unwrap();
    assert!(world.add_way("pi-1", way("10.0.0.7")).unwrap_err().contains("was revoked"));
    assert_eq!(world.looked_for(), [], "who is revoked is not looked for either");
}

#[test]
fn a_changed_host_key_that_was_approved_is_another_way() {
    let mut world = World::of(&[("pi-1", 1)]);
    world.add_way("pi-1", way("10.0.0.9")).unwrap();
    world.said();
    let other = SshWay { host_key: "SHA256:other".into(), ..way("10.0.0.9") };
    assert_eq!(world.add_way("pi-1", other.clone()).unwrap().ssh, Some(other.clone()));
    assert_eq!(world.kept.nodes[&name("pi-1")].ssh, Some(other));
    assert_eq!(world.node_state("pi-1"), NodeState::Up);
}
