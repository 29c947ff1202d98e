//! The task that owns the core.

mod past;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use link::Fingerprint;
use protocol::agent::ToAgent;
use protocol::api::Refusal;
use protocol::event::{Event, What};
use protocol::time::UnixMillis;
use tokio::sync::{broadcast, mpsc, watch};

use super::super::cluster::{
    CallId, Change, Cluster, ClusterConfig, Effect, Image, Input, LinkId, Mono, Now, Told, Touched,
};
use super::super::history::Histories;
use super::super::notify::Errand;
use super::super::reply::ReplyTo;
use super::super::store::writer::{Batch, Release, Writer};
use super::super::{own_runs, reach};
use super::handle::{Heart, stopping};
use super::{Keys, Message, News, Orders, Views};

/// Inputs waiting at most; who brings more waits.
const INPUTS: usize = 1024;
/// Inputs handled before what follows from them goes to the store.
const MOST_AT_ONCE: usize = 256;
/// Pieces of news a subscriber may be behind before it gets a fresh picture instead.
const NEWS: usize = 256;
/// What nobody waits for is committed with what somebody does wait for, or after so long by itself: each commit is a
/// write to the disk that others then wait for.
const COMPANY: Duration = Duration::from_millis(10);
/// Changes that wait for company at most.
const MOST_HELD: usize = 1024;
/// Jobs in a picture.
const PICTURE_JOBS: usize = 200;

/// To those who do what the core asks for beside the links. All of them are bounded by what the core keeps.
#[derive(Clone)]
pub struct Ways {
    pub errands: mpsc::UnboundedSender<Errand>,
    pub own_runs: mpsc::UnboundedSender<own_runs::Errand>,
    pub looks: mpsc::UnboundedSender<reach::Errand>,
}

/// The state only the heart's own task touches.
pub struct Owner {
    config: ClusterConfig,
    cluster: Cluster,
    writer: Writer,
    alarm: mpsc::Receiver<String>,
    ways: Ways,
    from: mpsc::Receiver<Message>,
    replies: HashMap<CallId, ReplyTo>,
    links: BTreeMap<LinkId, Orders>,
    /// Of links and calls.
    numbers: Arc<AtomicU64>,
    /// Links opened before the state was loaded again are cut, also those that say hello only after it: the core that
    /// knew which of them are overtaken is gone.
    oldest_link: LinkId,
    reloads: Arc<AtomicU64>,
    news: broadcast::Sender<Arc<News>>,
    keys: watch::Sender<Arc<Keys>>,
    started: Instant,
    histories: Histories,
    /// When to look at all nodes again, for their histories.
    sampled_next: Mono,
    effects: Vec<Effect>,
    /// What changed since the last batch was passed on.
    touched: BTreeSet<Touched>,
    /// What waits for company, and until when.
    held: Batch,
    held_until: Option<Instant>,
}

impl Owner {
    /// Takes the histories as they are at this moment.
    pub fn new(
        config: ClusterConfig,
        image: Image,
        histories: Histories,
        writer: Writer,
        alarm: mpsc::Receiver<String>,
        ways: Ways,
    ) -> (Self, Heart) {
        let (to, from) = mpsc::channel(INPUTS);
        let (news, _) = broadcast::channel(NEWS);
        let (keys, known) = watch::channel(Arc::new(keys_of(&image)));
        let reloads = Arc::new(AtomicU64::new(0));
        let numbers = Arc::new(AtomicU64::new(1));
        let heart = Heart { to, numbers: numbers.clone(), reloads: reloads.clone(), news: news.clone(), keys: known };
        let started = Instant::now();
        let cluster = Cluster::new(config.clone(), image, now(started));
        let owner = Self {
            config,
            cluster,
            writer,
            alarm,
            ways,
            from,
            replies: HashMap::new(),
            links: BTreeMap::new(),
            numbers,
            oldest_link: LinkId(0),
            reloads,
            news,
            keys,
            started,
            histories,
            sampled_next: Mono::default(),
            effects: vec![],
            touched: BTreeSet::new(),
            held: Batch::default(),
            held_until: None,
        };
        owner.tell_all_owed();
        (owner, heart)
    }

    /// Runs until [`Heart::stop`].
    pub async fn run(mut self) {
        let mut said = None;
        let mut first = Batch::default();
        self.handle(Input::Started, &mut first);
        self.commit(first).await;
        loop {
            // Not one of the branches below: where there is always an input, it would wait for ever.
            self.sample().await;
            let wakeup = self.cluster.next_wakeup().map_or(self.sampled_next, |at| at.min(self.sampled_next));
            let wakeup = self.started + Duration::from_millis(wakeup.0);
            tokio::select! {
                biased;
                why = self.alarm.recv() => match why {
                    Some(why) => self.recover(why).await,
                    // It never ends by itself. Nothing could be kept any more: a new start finds what was.
                    None => return tracing::error!("the store's thread has failed"),
                },
                message = self.from.recv() => {
                    let mut batch = self.take_held();
                    let mut next = message;
                    let mut handled = 0;
                    while let Some(message) = next.take() {
                        if let Message::Stop(tell) = message {
                            said = Some(tell);
                            break;
                        }
                        self.take(message, &mut batch);
                        handled += 1;
                        if handled < MOST_AT_ONCE {
                            next = self.from.try_recv().ok();
                        }
                    }
                    self.pass_on(batch).await;
                    if let Some(tell) = said.take() {
                        let held = self.take_held();
                        self.commit(held).await;
                        self.close().await;
                        // Whoever asked may have stopped waiting.
                        let _ = tell.send(());
                        return;
                    }
                }
                () = tokio::time::sleep_until(wakeup.into()) => {
                    let mut batch = self.take_held();
                    self.handle(Input::Woken, &mut batch);
                    self.pass_on(batch).await;
                }
                () = sleep_until(self.held_until) => {
                    let held = self.take_held();
                    self.commit(held).await;
                }
            }
        }
    }

    /// What was taken in is committed and told; who waits for more learns from the end of the connection that there
    /// is none for now.
    async fn close(mut self) {
        self.write_down_all().await;
        self.writer.close().await;
        self.from.close();
        while let Some(message) = self.from.recv().await {
            message.refuse(&stopping());
        }
        self.replies.drain().for_each(|(_, reply)| reply.leave());
    }

    fn take(&mut self, message: Message, batch: &mut Batch) {
        match message {
            Message::Input { input, reply } => {
                if let Input::Request { request, .. } = &input
                    && let Some(told) = self.past(request)
                {
                    batch.releases.extend(reply.map(|(_, reply)| -> Release { Box::new(move || reply.tell(told)) }));
                    return;
                }
                if let Input::Gone { call } = input {
                    self.replies.remove(&call);
                }
                self.replies.extend(reply);
                if let Input::Unlinked { link, .. } = input {
                    self.links.remove(&link);
                }
                self.handle(input, batch);
            }
            Message::Linked { link, orders, .. } if link < self.oldest_link => orders.cut.notify_one(),
            Message::Linked { link, orders, input } => {
                self.links.insert(link, orders);
                self.handle(input, batch);
            }
            Message::Order { link, order } => {
                if let Some(orders) = self.links.get(&link) {
                    send_order(orders, order);
                }
            }
            Message::Picture(tell) => {
                let mut picture = self.cluster.picture(PICTURE_JOBS);
                picture.at = self.now().wall;
                // Like any answer, once what it shows is kept. A subscriber that has gone away needs none.
                batch.releases.push(Box::new(move || drop(tell.send(Ok(picture)))));
            }
            Message::Views(touched, tell) => {
                let mut views = Views { work: self.cluster.work(), ..Views::default() };
                for one in &touched {
                    match one {
                        Touched::Node(name) => views.nodes.push((name.clone(), self.cluster.node_view(name))),
                        // Its whole view says it too.
                        Touched::Metrics(name) if touched.contains(&Touched::Node(name.clone())) => {}
                        Touched::Metrics(name) => match self.cluster.node_metrics(name) {
                            Some(metrics) => views.metrics.push(metrics),
                            None => views.nodes.push((name.clone(), self.cluster.node_view(name))),
                        },
                        Touched::Job(id) => views.jobs.push((*id, self.cluster.job_view(*id))),
                    }
                }
                batch.releases.push(Box::new(move || drop(tell.send(Ok(views)))));
            }
            Message::Stop(_) => {}
        }
    }

    fn now(&self) -> Now {
        now(self.started)
    }

    /// What was kept before is told from here on.
    fn tell_all_owed(&self) {
        // Without anybody who carries them they stay.
        let _ = self.ways.errands.send(Errand::All(self.cluster.owed()));
        // Without anybody who looks they are down.
        let _ = self.ways.looks.send(reach::Errand::All(self.cluster.looked_for()));
    }

    fn handle(&mut self, input: Input, batch: &mut Batch) {
        let now = self.now();
        let mut effects = std::mem::take(&mut self.effects);
        self.cluster.handle(input, now, &mut effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Persist(change) => {
                    if let Change::NodeGone(name) = &change {
                        self.histories.forget(name);
                    }
                    self.follow_keys(&change);
                    batch.keep(change);
                }
                Effect::Publish(event) => {
                    log(&event);
                    batch.events.push(event);
                }
                Effect::Tell(call, told) => {
                    if let Some(reply) = self.replies.remove(&call) {
                        batch.releases.push(Box::new(move || reply.tell(told)));
                    }
                }
                Effect::Send(link, order) => {
                    if let Some(orders) = self.links.get(&link).cloned() {
                        batch.releases.push(Box::new(move || send_order(&orders, order)));
                    }
                }
                Effect::Cut(link) => {
                    if let Some(orders) = self.links.remove(&link) {
                        batch.releases.push(Box::new(move || orders.cut.notify_one()));
                    }
                }
                Effect::Touch(one) => {
                    self.touched.insert(one);
                }
                Effect::OwnRun(run) => batch.releases.push(self.own_run(own_runs::Errand::Run(run))),
                Effect::EndOwnRun { attempt, reason } => {
                    batch.releases.push(self.own_run(own_runs::Errand::End { attempt, reason }));
                }
                Effect::LookFor { node, at } => {
                    let looks = self.ways.looks.clone();
                    // Without anybody who looks it is down.
                    batch.releases.push(Box::new(move || drop(looks.send(reach::Errand::One(node, at)))));
                }
                Effect::Deliver(row) => batch.releases.push(self.errand(Errand::Deliver(row))),
                Effect::Delivered(no) => batch.releases.push(self.errand(Errand::Delivered(no))),
            }
        }
        self.effects = effects;
    }

    fn errand(&self, errand: Errand) -> Release {
        let errands = self.ways.errands.clone();
        // Without anybody who carries it, it stays owed.
        Box::new(move || drop(errands.send(errand)))
    }

    fn own_run(&self, errand: own_runs::Errand) -> Release {
        let own_runs = self.ways.own_runs.clone();
        // Without anybody who runs it, the manager ends.
        Box::new(move || drop(own_runs.send(errand)))
    }

    fn take_held(&mut self) -> Batch {
        std::mem::take(&mut self.held)
    }

    /// To the store, now or soon.
    async fn pass_on(&mut self, batch: Batch) {
        let now = Instant::now();
        let may_wait = batch.releases.is_empty()
            && !(batch.changes.is_empty() && batch.events.is_empty())
            && batch.changes.len() + batch.events.len() < MOST_HELD
            && self.held_until.is_none_or(|until| now < until);
        if may_wait {
            self.held = batch;
            self.held_until.get_or_insert(now + COMPANY);
        } else {
            self.commit(batch).await;
        }
    }

    async fn commit(&mut self, mut batch: Batch) {
        self.held_until = None;
        let touched = std::mem::take(&mut self.touched);
        if !(touched.is_empty() && batch.events.is_empty()) {
            let to = self.news.clone();
            batch.announce = Some(Box::new(move |events| {
                // Looked at only now: who subscribes before the commit does not find the events in the store yet.
                if to.receiver_count() > 0 {
                    // Without a subscriber left there is nobody to tell.
                    let _ = to.send(Arc::new(News::Changed { events, touched }));
                }
            }));
        }
        if !batch.is_empty() {
            self.writer.commit(batch).await;
        }
    }

    fn follow_keys(&self, change: &Change) {
        match change {
            Change::Node(row) => {
                let Some(key) = &row.key else { return };
                let key = Fingerprint::from(key.0.to_string());
                let welcome = !row.revoked;
                if (self.keys.borrow().get(&key) == Some(&row.name)) != welcome {
                    self.keys.send_modify(|keys| {
                        let keys = Arc::make_mut(keys);
                        keys.retain(|_, name| *name != row.name);
                        if welcome {
                            keys.insert(key, row.name.clone());
                        }
                    });
                }
            }
            Change::NodeGone(gone) => {
                self.keys.send_modify(|keys| Arc::make_mut(keys).retain(|_, name| name != gone));
            }
            _ => {}
        }
    }

    /// A commit failed: memory is ahead of the disk. Nobody is told anything until both agree again.
    async fn recover(&mut self, why: String) {
        let refusal =
            Refusal::unavailable(format!("the manager cannot write to its disk ({why}); it goes on when it can"));
        for (_, orders) in std::mem::take(&mut self.links) {
            orders.cut.notify_one();
        }
        self.replies.drain().for_each(|(_, reply)| reply.tell(Told::Refused(refusal.clone())));
        (self.held, self.held_until) = (Batch::default(), None);
        self.touched.clear();
        let mut pause = Duration::from_millis(100);
        let image = loop {
            match self.writer.reload().await {
                Ok(image) => break image,
                Err(error) => tracing::error!("the state cannot be loaded again: {error}; next try in {pause:?}"),
            }
            let until = tokio::time::Instant::now() + pause;
            pause = (pause * 2).min(Duration::from_secs(30));
            // Who asks meanwhile is told why there is no answer.
            while let Ok(Some(message)) = tokio::time::timeout_at(until, self.from.recv()).await {
                message.refuse(&refusal);
            }
        };
        self.keys.send_replace(Arc::new(keys_of(&image)));
        self.oldest_link = LinkId(self.numbers.fetch_add(1, Ordering::Relaxed));
        self.cluster = Cluster::new(self.config.clone(), image, self.now());
        self.reloads.fetch_add(1, Ordering::Relaxed);
        self.tell_all_owed();
        // Without a subscriber there is no picture to forget.
        let _ = self.news.send(Arc::new(News::Reset));
        tracing::info!("the state was loaded again from the disk");
    }
}

fn now(started: Instant) -> Now {
    let mono = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Now { mono: Mono(mono), wall: UnixMillis::of(SystemTime::now()) }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// An agent that does not take its orders is cut off; it says what it has when it comes back.
fn send_order(orders: &Orders, order: ToAgent) {
    if orders.to.try_send(order).is_err() {
        orders.cut.notify_one();
    }
}

fn keys_of(image: &Image) -> Keys {
    let welcome = image.nodes.iter().filter(|node| !node.revoked);
    let keys = welcome.filter_map(|node| Some((node.key.as_ref()?, &node.name)));
    keys.map(|(key, name)| (Fingerprint::from(key.0.to_string()), name.clone())).collect()
}

/// The journal shows what concerns machines; what tasks do is in the events.
fn log(event: &Event) {
    match &event.what {
        What::TaskStarted { .. }
        | What::TaskEnded { .. }
        | What::JobSubmitted { .. }
        | What::JobForgotten { .. }
        | What::JobRemoved { .. } => {
            tracing::debug!("{}", event.what.sentence());
        }
        what => tracing::info!("{}", what.sentence()),
    }
}
