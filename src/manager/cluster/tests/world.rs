//! Everything around the core. Ids are written as people write them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::agent::{Finished, FromAgent, Held, Hello, JoinReply, Order, Output, ToAgent};
use protocol::api::{Refusal, Reply, Request};
use protocol::event::{Event, What};
use protocol::id::{JobId, Target};
use protocol::job::{JobSpec, Outcome, TaskState};
use protocol::node::Role;
use protocol::time::UnixMillis;

use super::kept::Kept;
pub use super::words::*;
use crate::manager::cluster::{
    CallId, Caller, Cluster, ClusterConfig, Effect, Input, KeyPrint, LinkId, Mono, NoticeRow, Now, Place, Told, Touched,
};

pub struct World {
    pub cluster: Cluster,
    pub config: ClusterConfig,
    pub now: Now,
    pub kept: Kept,
    pub events: Vec<Event>,
    pub touched: BTreeSet<Touched>,
    /// What is to be told to others, by its number.
    pub to_deliver: BTreeMap<u64, Arc<NoticeRow>>,
    pub answers: BTreeMap<CallId, Told>,
    /// What was sent over each link and not looked at yet.
    pub sent: BTreeMap<LinkId, Vec<ToAgent>>,
    pub cut: BTreeSet<LinkId>,
    pub links: BTreeMap<String, LinkId>,
    pub boots: BTreeMap<String, String>,
    last_number: u64,
}

impl World {
    pub fn new() -> Self {
        // A short one: then few tasks are enough to fill it.
        Self::with(ClusterConfig { backlog: Some(4), ..ClusterConfig::default() })
    }

    pub fn with(config: ClusterConfig) -> Self {
        let now = Now { mono: Mono(1000), wall: UnixMillis(DAWN) };
        let kept = Kept::default();
        Self {
            cluster: Cluster::new(config.clone(), kept.image(), now),
            config,
            now,
            kept,
            events: vec![],
            touched: BTreeSet::new(),
            to_deliver: BTreeMap::new(),
            answers: BTreeMap::new(),
            sent: BTreeMap::new(),
            cut: BTreeSet::new(),
            links: BTreeMap::new(),
            boots: BTreeMap::new(),
            last_number: 0,
        }
    }

    /// With these workers up; a slot for each CPU.
    pub fn of(nodes: &[(&str, u32)]) -> Self {
        let mut world = Self::new();
        for (node, slots) in nodes {
            world.add(node, *slots);
        }
        world
    }

    pub fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub fn new_call(&mut self) -> CallId {
        CallId(self.number())
    }

    /// Hands one input to the core and takes in what follows, all of it committed at once.
    pub fn put(&mut self, input: Input) {
        let effects = self.handle(input);
        let told = self.commit(effects);
        self.release(told);
    }

    pub fn handle(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = vec![];
        self.cluster.handle(input, self.now, &mut effects);
        effects
    }

    /// Keeps what is to be kept. Returns what may leave now.
    pub fn commit(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        let mut rest = vec![];
        for effect in effects {
            match effect {
                Effect::Persist(change) => self.kept.keep(change),
                Effect::Publish(event) => {
                    self.kept.event(&event);
                    self.events.push(event);
                }
                other => rest.push(other),
            }
        }
        rest
    }

    pub fn release(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Tell(call, told) => {
                    let before = self.answers.insert(call, told);
                    assert!(before.is_none(), "{call:?} was answered twice");
                }
                Effect::Send(link, order) => self.sent.entry(link).or_default().push(order),
                Effect::Cut(link) => drop(self.cut.insert(link)),
                Effect::Touch(touched) => drop(self.touched.insert(touched)),
                Effect::Deliver(row) => drop(self.to_deliver.insert(row.no, row)),
                Effect::OwnRun(_) | Effect::EndOwnRun { .. } | Effect::LookFor { .. } => {}
                Effect::Delivered(no) => drop(self.to_deliver.remove(&no)),
                Effect::Persist(_) | Effect::Publish(_) => panic!("not committed: {effect:?}"),
            }
        }
    }

    /// Time passes; what is due happens when it is due.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now.mono.plus(ms);
        let mut rounds = 0;
        while let Some(at) = self.cluster.next_wakeup().filter(|at| *at <= end) {
            self.advance_to(at);
            self.put(Input::Woken);
            rounds += 1;
            assert!(rounds < 100_000, "the core wakes itself without end");
        }
        self.advance_to(end);
    }

    pub fn advance_to(&mut self, at: Mono) {
        let ms = at.0.saturating_sub(self.now.mono.0);
        self.now.mono = self.now.mono.plus(ms);
        self.now.wall.0 += ms;
    }

    /// The manager is killed and started again; all links are gone.
    pub fn restart(&mut self) {
        self.cluster = Cluster::new(self.config.clone(), self.kept.image(), self.now);
        self.links.clear();
        self.sent.clear();
        self.to_deliver = self.cluster.owed().into_iter().map(|row| (row.no, row)).collect();
    }

    // People.

    pub fn ask_later(&mut self, caller: &Caller, request: Request) -> CallId {
        let call = self.new_call();
        self.put(Input::Request { call, caller: caller.clone(), request });
        call
    }

    pub fn told(&mut self, call: CallId) -> Option<Result<Reply, Refusal>> {
        self.answers.remove(&call).map(|told| match told {
            Told::Reply(reply) => Ok(reply),
            Told::Refused(refusal) => Err(refusal),
            other => panic!("not an answer to a request: {other:?}"),
        })
    }

    pub fn ask_as(&mut self, caller: &Caller, request: Request) -> Result<Reply, Refusal> {
        let call = self.ask_later(caller, request);
        self.told(call).expect("an answer at once")
    }

    pub fn ask(&mut self, request: Request) -> Result<Reply, Refusal> {
        self.ask_as(&admin(), request)
    }

    pub fn refused(&mut self, request: Request) -> String {
        self.ask(request).expect_err("a refusal").message
    }

    pub fn submit(&mut self, spec: JobSpec) -> JobId {
        self.submit_as("ana", spec)
    }

    pub fn submit_as(&mut self, person: &str, spec: JobSpec) -> JobId {
        match self.ask_as(&operator(person), Request::Submit(spec)) {
            Ok(Reply::Submitted { job, .. }) => job,
            other => panic!("not submitted: {other:?}"),
        }
    }

    pub fn stop(&mut self, what: &str) -> Result<u32, Refusal> {
        let request = Request::Stop { targets: vec![target(what)], reason: None };
        self.ask(request).map(|reply| match reply {
            Reply::Done { tasks } => tasks,
            other => panic!("{other:?}"),
        })
    }

    /// Stops jobs 1 to `last`.
    pub fn stop_all(&mut self, last: u32) {
        let targets = (1..=last).map(|id| Target::Job(JobId(id))).collect();
        self.ask(Request::Stop { targets, reason: None }).unwrap();
    }

    pub fn retry(&mut self, what: &str) -> Result<u32, Refusal> {
        self.ask(Request::Retry { targets: vec![target(what)] }).map(|reply| match reply {
            Reply::Done { tasks } => tasks,
            other => panic!("{other:?}"),
        })
    }

    pub fn find(&mut self, what: &str, unlike: Option<Place>) -> CallId {
        let call = self.new_call();
        self.put(Input::FindOutput { call, caller: admin(), target: target(what), unlike });
        call
    }

    pub fn place(&mut self, call: CallId) -> Option<Place> {
        self.answers.remove(&call).map(|told| match told {
            Told::Place(place) => place,
            other => panic!("no place: {other:?}"),
        })
    }

    // Nodes.

    pub fn make_token(&mut self, secret: &str, role: Role) {
        let call = self.new_call();
        self.put(Input::MakeToken { call, caller: admin(), hash: hash(secret), role, ttl_ms: 3_600_000 });
        assert!(matches!(self.answers.remove(&call), Some(Told::Token { .. })));
    }

    pub fn join_with(&mut self, secret: &str, key: KeyPrint, node: &str, role: Role) -> Result<(), String> {
        let call = self.new_call();
        let address = Some("10.0.0.9".to_owned());
        self.put(Input::Join { call, key, hash: hash(secret), name: name(node), role, address });
        match self.answers.remove(&call) {
            Some(Told::Join(JoinReply::Joined { name: joined })) => {
                assert_eq!(joined, name(node));
                Ok(())
            }
            Some(Told::Join(JoinReply::Refused { reason })) => Err(reason),
            other => panic!("no answer to a join: {other:?}"),
        }
    }

    pub fn join(&mut self, node: &str) {
        let secret = format!("token-for-{node}-{}", self.number());
        self.make_token(&secret, Role::Worker);
        self.join_with(&secret, key(node), node, Role::Worker).unwrap();
    }

    pub fn hello(&self, node: &str, slots: u32, held: Vec<Held>) -> Hello {
        Hello {
            takes_runs: false,
            protocol: protocol::PROTOCOL,
            version: "0.1.0".into(),
            node: name(node),
            boot_id: self.boots.get(node).cloned().unwrap_or_else(|| "boot-1".into()),
            cpus: slots,
            slots,
            shared_uid: false,
            takes_files: true,
            gives_results: true,
            takes_secrets: true,
            facts: Default::default(),
            held,
        }
    }

    pub fn link_with(&mut self, node: &str, key: KeyPrint, hello: Hello) -> LinkId {
        let link = LinkId(self.number());
        let hello = Box::new(hello);
        self.put(Input::Linked { link, node: name(node), key, address: Some("10.0.0.9".into()), hello });
        if !self.cut.contains(&link) {
            self.links.insert(node.into(), link);
        }
        link
    }

    pub fn link(&mut self, node: &str, slots: u32, held: Vec<Held>) -> LinkId {
        let hello = self.hello(node, slots, held);
        self.link_with(node, key(node), hello)
    }

    /// Joins and links; its welcome has been read.
    pub fn add(&mut self, node: &str, slots: u32) {
        self.join(node);
        let link = self.link(node, slots, vec![]);
        let first = self.sent.get_mut(&link).map(|sent| sent.remove(0));
        assert!(matches!(first, Some(ToAgent::Welcome(_))), "{first:?}");
    }

    pub fn unlink(&mut self, node: &str) {
        let link = self.links.remove(node).expect("a link");
        self.sent.remove(&link);
        self.put(Input::Unlinked { link, reason: "the link broke".into() });
    }

    /// What was sent to a node and not looked at yet.
    pub fn orders(&mut self, node: &str) -> Vec<ToAgent> {
        let link = self.links.get(node).copied();
        link.and_then(|link| self.sent.remove(&link)).unwrap_or_default()
    }

    /// The attempts among them that are to be started, in order; nothing else may have been sent.
    pub fn starts(&mut self, node: &str) -> Vec<String> {
        self.start_orders(node).iter().map(|order| order.attempt.to_string()).collect()
    }

    /// The same, behind the welcome of a new link.
    pub fn starts_after_welcome(&mut self, node: &str) -> Vec<String> {
        let link = self.links[node];
        let first = self.sent.get_mut(&link).map(|sent| sent.remove(0));
        assert!(matches!(first, Some(ToAgent::Welcome(_))), "{first:?}");
        self.starts(node)
    }

    pub fn start_orders(&mut self, node: &str) -> Vec<Order> {
        let orders = self.orders(node);
        orders
            .into_iter()
            .map(|order| match order {
                ToAgent::Start(order) => order,
                other => panic!("not a start: {other:?}"),
            })
            .collect()
    }

    pub fn gets_only_acks(&mut self, node: &str) -> bool {
        self.orders(node).iter().all(|order| matches!(order, ToAgent::Ack { .. }))
    }

    pub fn report(&mut self, node: &str, report: FromAgent) {
        let link = *self.links.get(node).expect("a link");
        self.put(Input::Report { link, report });
    }

    pub fn started(&mut self, node: &str, id: &str) {
        let at = self.now.wall;
        self.report(node, FromAgent::Started { attempt: attempt(id), at });
    }

    pub fn end(&self, id: &str, outcome: Outcome) -> Finished {
        Finished {
            attempt: attempt(id),
            outcome,
            started_at: Some(self.now.wall),
            ended_at: self.now.wall,
            ran_ms: Some(7),
            out_of_memory: false,
            result_lost: None,
            stdout: printed(&format!("said by {id}\n")),
            stderr: Output::default(),
        }
    }

    pub fn finished(&mut self, node: &str, id: &str, outcome: Outcome) {
        let report = self.end(id, outcome);
        self.report(node, FromAgent::Finished(report));
    }

    pub fn succeeds(&mut self, node: &str, id: &str) {
        self.finished(node, id, Outcome::Exited(0));
    }

    pub fn recalled(&mut self, node: &str, id: &str) {
        self.report(node, FromAgent::Recalled { attempt: attempt(id) });
    }

    // What came of it.

    pub fn state(&mut self, id: &str) -> TaskState {
        self.task(id).state
    }

    pub fn task(&mut self, id: &str) -> protocol::api::TaskView {
        match self.ask(Request::Task { id: task(id) }) {
            Ok(Reply::Task { task, .. }) => task,
            other => panic!("no task {id}: {other:?}"),
        }
    }

    pub fn attempts(&mut self, id: &str) -> Vec<protocol::api::AttemptView> {
        match self.ask(Request::Task { id: task(id) }) {
            Ok(Reply::Task { attempts, .. }) => attempts,
            other => panic!("no task {id}: {other:?}"),
        }
    }

    pub fn said(&mut self) -> Vec<String> {
        self.events.drain(..).map(|event| event.what.sentence()).collect()
    }

    pub fn happened(&mut self) -> Vec<What> {
        self.events.drain(..).map(|event| event.what).collect()
    }

    pub fn acked(orders: &[ToAgent]) -> Vec<String> {
        let acks = orders.iter().filter_map(|order| match order {
            ToAgent::Ack { attempts } => Some(attempts),
            _ => None,
        });
        acks.flatten().map(ToString::to_string).collect()
    }

    pub fn discarded(orders: &[ToAgent]) -> Vec<String> {
        let discards = orders.iter().filter_map(|order| match order {
            ToAgent::Discard { attempts } => Some(attempts),
            _ => None,
        });
        discards.flatten().map(ToString::to_string).collect()
    }

    pub fn recalls(orders: &[ToAgent]) -> Vec<String> {
        let recalls = orders.iter().filter_map(|order| match order {
            ToAgent::Recall { attempt } => Some(attempt.to_string()),
            _ => None,
        });
        recalls.collect()
    }

    pub fn stops(orders: &[ToAgent]) -> Vec<(String, String)> {
        let stops = orders.iter().filter_map(|order| match order {
            ToAgent::Stop { attempt, reason } => Some((attempt.to_string(), reason.clone())),
            _ => None,
        });
        stops.collect()
    }
}
