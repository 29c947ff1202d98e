//! One turn of the core: the time of its input, and the effects that follow, in order.

use std::sync::Arc;

use protocol::agent::ToAgent;
use protocol::api::{Refusal, Reply};
use protocol::event::{Event, What};
use protocol::id::{AttemptId, JobId};
use protocol::name::{NodeName, PersonName};

use super::change::{Change, NoticeRow};
use super::port::{CallId, Effect, LinkId, Now, OwnRun, Told, Touched};

pub struct Turn<'a> {
    pub now: Now,
    effects: &'a mut Vec<Effect>,
    last_event: u64,
    touched: Vec<Touched>,
}

impl<'a> Turn<'a> {
    pub fn new(now: Now, last_event: u64, effects: &'a mut Vec<Effect>) -> Self {
        Self { now, effects, last_event, touched: vec![] }
    }

    pub fn persist(&mut self, change: Change) {
        self.effects.push(Effect::Persist(change));
    }

    pub fn publish(&mut self, what: What) {
        self.publish_of(None, what);
    }

    /// Something a person did.
    pub fn publish_of(&mut self, person: Option<PersonName>, what: What) {
        self.last_event += 1;
        self.effects.push(Effect::Publish(Event { no: self.last_event, at: self.now.wall, person, what }));
    }

    pub fn tell(&mut self, call: CallId, told: Told) {
        self.effects.push(Effect::Tell(call, told));
    }

    pub fn answer(&mut self, call: CallId, answer: Result<Reply, Refusal>) {
        self.tell(call, answer.map_or_else(Told::Refused, Told::Reply));
    }

    pub fn send(&mut self, link: LinkId, order: ToAgent) {
        self.effects.push(Effect::Send(link, order));
    }

    /// `None`: not any more.
    pub fn look_for(&mut self, node: &NodeName, at: Option<(String, u16)>) {
        self.effects.push(Effect::LookFor { node: node.clone(), at });
    }

    pub fn own_run(&mut self, own: OwnRun) {
        self.effects.push(Effect::OwnRun(Box::new(own)));
    }

    pub fn end_own_run(&mut self, attempt: AttemptId, reason: String) {
        self.effects.push(Effect::EndOwnRun { attempt, reason });
    }

    /// The last words to an agent, and the end of its link.
    pub fn dismiss(&mut self, link: LinkId, reason: String, stay_away: bool) {
        self.send(link, ToAgent::Bye { reason, stay_away });
        self.effects.push(Effect::Cut(link));
    }

    /// Kept, and then to be told.
    pub fn deliver(&mut self, row: Arc<NoticeRow>) {
        self.persist(Change::Notice(row.clone()));
        self.effects.push(Effect::Deliver(row));
    }

    pub fn delivered(&mut self, no: u64) {
        self.persist(Change::NoticeGone(no));
        self.effects.push(Effect::Delivered(no));
    }

    pub fn touch_job(&mut self, job: JobId) {
        if self.touched.last() != Some(&Touched::Job(job)) {
            self.touched.push(Touched::Job(job));
        }
    }

    pub fn touch_node(&mut self, node: &NodeName) {
        if !matches!(self.touched.last(), Some(Touched::Node(last)) if last == node) {
            self.touched.push(Touched::Node(node.clone()));
        }
    }

    /// Nothing else of it changed.
    pub fn touch_metrics(&mut self, node: &NodeName) {
        if !matches!(self.touched.last(), Some(Touched::Node(last) | Touched::Metrics(last)) if last == node) {
            self.touched.push(Touched::Metrics(node.clone()));
        }
    }

    /// Each thing that changed is named once, after everything else. Returns the last event's number.
    pub fn finish(mut self) -> u64 {
        self.touched.sort_unstable();
        self.touched.dedup();
        self.effects.extend(self.touched.drain(..).map(Effect::Touch));
        self.last_event
    }
}
