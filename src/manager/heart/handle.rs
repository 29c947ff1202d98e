//! How everyone else reaches the heart: each question waits for its answer, each report for room.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use link::Fingerprint;
use protocol::agent::{Finished, FromAgent, Hello, ToAgent};
use protocol::api::{Picture, Refusal, Request};
use protocol::id::{AttemptId, JobId, Target};
use protocol::name::{NodeName, PersonName, ScriptName};
use protocol::node::{Facts, MetricsPatch};
use protocol::run::{AnswerView, Whence};
use protocol::script::Over;
use protocol::time::UnixMillis;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::super::cluster::{CallId, Caller, Input, KeyPrint, LinkId, Place, Text, Told, Touched};
use super::super::reply::ReplyTo;
use super::{Keys, Message, News, Orders, Views};

/// How everyone else reaches the heart.
#[derive(Clone)]
pub struct Heart {
    pub(super) to: mpsc::Sender<Message>,
    pub(super) numbers: Arc<AtomicU64>,
    pub(super) reloads: Arc<AtomicU64>,
    pub(super) news: broadcast::Sender<Arc<News>>,
    pub(super) keys: watch::Receiver<Arc<Keys>>,
}

pub fn stopping() -> Refusal {
    Refusal::unavailable("the manager is stopping; try again when it is back")
}

/// What was to be shown turned out not to be kept.
fn not_kept() -> Refusal {
    Refusal::unavailable("the manager could not write to its disk and loads its state again; ask again")
}

impl Heart {
    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    async fn send(&self, message: Message) {
        // The heart ends only with the manager.
        if let Err(mpsc::error::SendError(message)) = self.to.send(message).await {
            message.refuse(&stopping());
        }
    }

    /// A person's request; the answer goes to `reply`.
    pub async fn request(&self, caller: Caller, request: Request, reply: ReplyTo) -> CallId {
        let call = CallId(self.number());
        self.send(Message::Input { input: Input::Request { call, caller, request }, reply: Some((call, reply)) }).await;
        call
    }

    /// A person keeps a script; the answer goes to `reply`.
    pub async fn keep_script(
        &self,
        caller: Caller,
        keep: (ScriptName, Option<Over>, Arc<Text>),
        reply: ReplyTo,
    ) -> CallId {
        let call = CallId(self.number());
        let (name, over, text) = keep;
        let input = Input::KeepScript { call, caller, name, over, text };
        self.send(Message::Input { input, reply: Some((call, reply)) }).await;
        call
    }

    pub async fn gone(&self, call: CallId) {
        self.send(Message::Input { input: Input::Gone { call }, reply: None }).await;
    }

    /// Asks one thing and waits for the answer.
    pub async fn ask(&self, input: impl FnOnce(CallId) -> Input) -> Result<Told, Refusal> {
        let call = CallId(self.number());
        let (tell, told) = oneshot::channel();
        self.send(Message::Input { input: input(call), reply: Some((call, ReplyTo::one(tell))) }).await;
        told.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Where is what this printed? With `unlike`, once that has changed. A caller that drops this is forgotten.
    pub async fn find_output(&self, caller: &Caller, target: Target, unlike: Option<Place>) -> Result<Place, Refusal> {
        let call = CallId(self.number());
        let (tell, told) = oneshot::channel();
        let input = Input::FindOutput { call, caller: caller.clone(), target, unlike };
        self.send(Message::Input { input, reply: Some((call, ReplyTo::one(tell))) }).await;
        let forget = ForgetOnDrop { heart: self, call: Some(call) };
        let told = told.await.unwrap_or_else(|_| Err(stopping()))?;
        forget.done();
        match told {
            Told::Place(place) => Ok(place),
            Told::Refused(refusal) => Err(refusal),
            other => Err(unexpected(&other)),
        }
    }

    /// What has changed of a run since that revision: the new one, the answers, and whether nothing will change any more.
    pub async fn watch_run(
        &self,
        caller: &Caller,
        run: JobId,
        after: u64,
    ) -> Result<(u64, Vec<AnswerView>, bool), Refusal> {
        let call = CallId(self.number());
        let (tell, told) = oneshot::channel();
        let input = Input::WatchRun { call, caller: caller.clone(), run, after };
        self.send(Message::Input { input, reply: Some((call, ReplyTo::one(tell))) }).await;
        let forget = ForgetOnDrop { heart: self, call: Some(call) };
        let told = told.await.unwrap_or_else(|_| Err(stopping()))?;
        forget.done();
        match told {
            Told::Answers { revision, answers, over } => Ok((revision, answers, over)),
            Told::Refused(refusal) => Err(refusal),
            other => Err(unexpected(&other)),
        }
    }

    /// The node an attempt ran on, whatever became of it since.
    pub async fn node_of(&self, attempt: AttemptId) -> Result<Whence, Refusal> {
        match self.ask(|call| Input::NodeOf { call, attempt }).await? {
            Told::Node(node) => Ok(node),
            Told::Refused(refusal) => Err(refusal),
            other => Err(unexpected(&other)),
        }
    }

    pub fn new_link(&self) -> LinkId {
        LinkId(self.number())
    }

    pub async fn linked(
        &self,
        link: LinkId,
        orders: Orders,
        node: NodeName,
        key: &Fingerprint,
        address: String,
        hello: Hello,
    ) {
        let key = KeyPrint(key.as_str().into());
        let input = Input::Linked { link, node, key, address: Some(address), hello: Box::new(hello) };
        self.send(Message::Linked { link, orders, input }).await;
    }

    pub async fn report(&self, link: LinkId, report: FromAgent) {
        self.send(Message::Input { input: Input::Report { link, report }, reply: None }).await;
    }

    pub async fn unlinked(&self, link: LinkId, reason: String) {
        self.send(Message::Input { input: Input::Unlinked { link, reason }, reply: None }).await;
    }

    pub async fn lied(&self, node: NodeName, what: String, reason: String) {
        self.send(Message::Input { input: Input::Lied { node, what, reason }, reply: None }).await;
    }

    pub async fn seen(&self, person: PersonName) {
        self.send(Message::Input { input: Input::Seen { person }, reply: None }).await;
    }

    /// A notice was told, or never will be.
    pub async fn delivered(&self, no: u64, outcome: Result<(), String>) {
        self.send(Message::Input { input: Input::Delivered { no, outcome }, reply: None }).await;
    }

    /// A run of the manager's own has begun.
    pub async fn own_run_started(&self, attempt: AttemptId, at: UnixMillis) {
        self.send(Message::Input { input: Input::OwnRunStarted { attempt, at }, reply: None }).await;
    }

    pub async fn own_run_ended(&self, finished: Finished) {
        self.send(Message::Input { input: Input::OwnRunEnded(finished), reply: None }).await;
    }

    /// A node without a link was looked for.
    pub async fn answers(&self, node: NodeName, answers: bool) {
        self.send(Message::Input { input: Input::Answers { node, answers }, reply: None }).await;
    }

    pub async fn order(&self, link: LinkId, order: ToAgent) {
        self.send(Message::Order { link, order }).await;
    }

    pub async fn own(&self, name: NodeName, facts: Option<Box<Facts>>, metrics: MetricsPatch) {
        self.send(Message::Input { input: Input::Own { name, facts, metrics }, reply: None }).await;
    }

    pub async fn picture(&self) -> Result<Picture, Refusal> {
        let (tell, told) = oneshot::channel();
        self.send(Message::Picture(tell)).await;
        told.await.unwrap_or_else(|_| Err(not_kept()))
    }

    pub async fn views(&self, touched: BTreeSet<Touched>) -> Result<Views, Refusal> {
        let (tell, told) = oneshot::channel();
        self.send(Message::Views(touched, tell)).await;
        told.await.unwrap_or_else(|_| Err(not_kept()))
    }

    /// How often the state was loaded again: what is not kept has to be said anew after each time.
    pub fn reloads(&self) -> u64 {
        self.reloads.load(Ordering::Relaxed)
    }

    pub fn news(&self) -> broadcast::Receiver<Arc<News>> {
        self.news.subscribe()
    }

    pub fn keys(&self) -> watch::Receiver<Arc<Keys>> {
        self.keys.clone()
    }

    /// It has ended, or is about to.
    pub fn is_closed(&self) -> bool {
        self.to.is_closed()
    }

    /// Everything taken in so far is committed, then the heart ends.
    pub async fn stop(&self) {
        let (tell, told) = oneshot::channel();
        self.send(Message::Stop(tell)).await;
        let _ = told.await;
    }
}

pub fn unexpected(told: &Told) -> Refusal {
    Refusal::unavailable(format!("the manager answered something else than was asked: {told:?}"))
}

/// Tells the core that nobody waits any more, should the asking future be dropped.
struct ForgetOnDrop<'a> {
    heart: &'a Heart,
    call: Option<CallId>,
}

impl ForgetOnDrop<'_> {
    fn done(mut self) {
        self.call = None;
    }
}

impl Drop for ForgetOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call {
            let heart = self.heart.clone();
            tokio::spawn(async move { heart.gone(call).await });
        }
    }
}
