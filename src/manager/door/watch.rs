//! `watch`: a picture, then what changes in it. Changes are gathered while the caller has not taken the last ones,
//! so a slow one gets fewer, never a growing queue; one that falls far behind gets a fresh picture.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use protocol::api::{Changes, More, NodeView, Refusal};
use protocol::event::Event;
use protocol::job::Counts;
use protocol::name::PersonName;
use protocol::time::UnixMillis;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::Instant;

use super::Door;
use super::connection::{Ended, Outlet};
use super::people::Seat;
use crate::manager::cluster::Touched;
use crate::manager::heart::News;

/// The first change is told at once, those close behind it together.
const TOGETHER: Duration = Duration::from_millis(50);
/// Events in one piece; of more only the newest are told, the rest are in `events`.
const MOST_EVENTS: usize = 500;

/// Bytes of nodes in one piece: beside the jobs of a picture they fit into a frame.
const MOST_BYTES: usize = 3 << 19;

pub async fn stream(door: &Arc<Door>, person: PersonName, out: &Outlet) -> Ended {
    match tell(door, person, out).await {
        Ok(()) => Ended::Well,
        Err(ended) => ended,
    }
}

#[derive(Default)]
struct Gathered {
    touched: BTreeSet<Touched>,
    events: Vec<Event>,
    fresh: bool,
}

impl Gathered {
    fn add(&mut self, news: &News) {
        match news {
            News::Reset => self.fresh = true,
            News::Changed { events, touched } => {
                self.touched.extend(touched.iter().cloned());
                self.events.extend(events.iter().cloned());
                let surplus = self.events.len().saturating_sub(MOST_EVENTS);
                self.events.drain(..surplus);
            }
        }
    }
}

/// What the caller knows that is told only when it has changed.
struct Known {
    last_event: u64,
    work: Counts,
}

async fn tell(door: &Arc<Door>, person: PersonName, out: &Outlet) -> Result<(), Ended> {
    let mut news = door.heart.news();
    let mut seat = door.people.enter(person);
    loop {
        let mut picture = door.heart.picture().await?;
        picture.people = seat.people();
        let known = Known { last_event: picture.last_event, work: picture.work };
        let (at, mut parts) = (picture.at, in_parts(std::mem::take(&mut picture.nodes)));
        picture.nodes = parts.next().unwrap_or_default();
        out.more(More::Picture(picture)).await?;
        for nodes in parts {
            out.more(More::Changes(Changes { at, nodes, ..Changes::default() })).await?;
        }
        changes(door, out, &mut news, &mut seat, known).await?;
    }
}

/// Ends well when a fresh picture is needed.
async fn changes(
    door: &Arc<Door>,
    out: &Outlet,
    news: &mut Receiver<Arc<News>>,
    seat: &mut Seat,
    mut known: Known,
) -> Result<(), Ended> {
    let stopping = || Err(Refusal::unavailable("the manager is stopping").into());
    loop {
        let mut gathered = Gathered::default();
        let mut people = None;
        tokio::select! {
            piece = news.recv() => match piece {
                Ok(piece) => gathered.add(&piece),
                Err(RecvError::Lagged(_)) => return Ok(()),
                Err(RecvError::Closed) => return stopping(),
            },
            () = seat.changed() => people = Some(seat.people()),
        }
        let told_at = Instant::now();
        loop {
            match news.try_recv() {
                Ok(piece) => gathered.add(&piece),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Lagged(_)) => return Ok(()),
                Err(TryRecvError::Closed) => return stopping(),
            }
        }
        if gathered.fresh {
            return Ok(());
        }
        // News of before the picture may still have been on its way.
        gathered.events.retain(|event| event.no > known.last_event);
        let views = door.heart.views(gathered.touched).await?;
        let mut told = Changes {
            at: UnixMillis::of(std::time::SystemTime::now()),
            metrics: views.metrics,
            work: (views.work != known.work).then_some(views.work),
            people,
            events: gathered.events,
            ..Default::default()
        };
        known.work = views.work;
        let mut nodes = vec![];
        for (name, view) in views.nodes {
            match view {
                Some(view) => nodes.push(view),
                None => told.gone_nodes.push(name),
            }
        }
        let mut parts = in_parts(nodes);
        told.nodes = parts.next().unwrap_or_default();
        let at = told.at;
        for (id, view) in views.jobs {
            match view {
                Some(view) => told.jobs.push(view),
                None => told.gone_jobs.push(id),
            }
        }
        out.more(More::Changes(told)).await?;
        for nodes in parts {
            out.more(More::Changes(Changes { at, nodes, ..Changes::default() })).await?;
        }
        tokio::time::sleep_until(told_at + TOGETHER).await;
    }
}

/// As many at once as fit into a frame beside the rest; what nodes say of themselves may be long.
fn in_parts(nodes: Vec<NodeView>) -> impl Iterator<Item = Vec<NodeView>> {
    let mut left = nodes.into_iter().peekable();
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let part: Vec<NodeView> = std::iter::from_fn(|| {
            let next = length(left.peek()?);
            let fits = bytes == 0 || bytes + next <= MOST_BYTES;
            bytes += next;
            if fits { left.next() } else { None }
        })
        .collect();
        (!part.is_empty()).then_some(part)
    })
}

/// In a frame.
fn length(view: &NodeView) -> usize {
    let mut counter = Counter(0);
    // It counts whatever it is given.
    let _ = serde_json::to_writer(&mut counter, view);
    counter.0
}

struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use link::{Budget, FrameReader, FrameWriter};
    use protocol::api::{Answer, Body, Call, Picture, Request, Right};
    use protocol::job::JobSpec;
    use protocol::node::Metrics;
    use protocol::unit::Percent;
    use tokio::io::{DuplexStream, ReadHalf, WriteHalf, duplex, split};

    use super::*;
    use crate::manager::cluster::Caller;
    use crate::manager::door::connection::serve;
    use crate::manager::tests::{Manager, admin};

    /// Longer than anything here takes; reached only by what would never happen.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// Someone with a watch open, and what their screen shows.
    struct Watcher {
        read: FrameReader<ReadHalf<DuplexStream>>,
        write: FrameWriter<WriteHalf<DuplexStream>>,
        picture: Picture,
        last: Changes,
    }

    impl Watcher {
        async fn open(door: &Arc<Door>, person: &str) -> Self {
            let (near, far) = duplex(1 << 16);
            let (read, write) = split(far);
            let caller = Caller { person: person.parse().unwrap(), right: Right::Viewer };
            let door = door.clone();
            tokio::spawn(async move { serve(&door, caller, &Budget::new(1 << 20), read, write).await });
            let (read, write) = split(near);
            let (mut read, mut write) = (FrameReader::new(read), FrameWriter::new(write));
            write.send(&Call { id: 1, request: Request::Watch }).await.unwrap();
            let Body::More(More::Picture(picture)) = next(&mut read).await else { panic!("no picture") };
            Self { read, write, picture, last: Changes::default() }
        }

        async fn until(&mut self, what: &str, there: impl Fn(&Picture) -> bool) {
            let coming = async {
                while !there(&self.picture) {
                    let Body::More(More::Changes(changes)) = next(&mut self.read).await else { panic!("no changes") };
                    self.picture.apply(changes.clone());
                    self.last = changes;
                }
            };
            tokio::time::timeout(PATIENCE, coming).await.unwrap_or_else(|_| panic!("waited in vain: {what}"));
        }

        fn people(&self) -> Vec<&str> {
            people(&self.picture)
        }
    }

    fn people(picture: &Picture) -> Vec<&str> {
        picture.people.iter().map(|person| person.as_str()).collect()
    }

    async fn next(read: &mut FrameReader<ReadHalf<DuplexStream>>) -> Body {
        read.next::<Answer>().await.unwrap().unwrap().body
    }

    #[tokio::test]
    async fn people_come_and_go_with_their_watches() {
        let manager = Manager::start();
        let door = manager.door();
        let mut ana = Watcher::open(&door, "ana").await;
        assert_eq!(ana.people(), ["ana"]);
        let bo = Watcher::open(&door, "bo").await;
        assert_eq!(bo.people(), ["ana", "bo"]);
        ana.until("bo", |picture| people(picture) == ["ana", "bo"]).await;
        let mut other = Watcher::open(&door, "ana").await;
        assert_eq!(other.people(), ["ana", "bo"]);
        drop(bo);
        ana.until("bo has gone", |picture| people(picture) == ["ana"]).await;
        drop(ana);
        let cy = Watcher::open(&door, "cy").await;
        other.until("cy", |picture| people(picture) == ["ana", "cy"]).await;
        drop((cy, door));
    }

    #[tokio::test]
    async fn one_connection_may_watch_twice_and_its_end_ends_both() {
        let manager = Manager::start();
        let door = manager.door();
        let mut ana = Watcher::open(&door, "ana").await;
        let mut bo = Watcher::open(&door, "bo").await;
        bo.write.send(&Call { id: 2, request: Request::Watch }).await.unwrap();
        ana.until("bo", |picture| people(picture) == ["ana", "bo"]).await;
        drop(bo);
        ana.until("bo has gone", |picture| people(picture) == ["ana"]).await;
    }

    #[tokio::test]
    async fn all_work_is_counted_and_told_only_when_it_changed() {
        let manager = Manager::start();
        let door = manager.door();
        let mut ana = Watcher::open(&door, "ana").await;
        assert_eq!(ana.picture.work, Counts::default());
        let mut spec = JobSpec::of(["true"]);
        spec.array = Some(protocol::job::Array { first: 0, last: 99_999 });
        let told = door.heart.ask(|call| crate::manager::cluster::Input::Request {
            call,
            caller: admin(),
            request: Request::Submit(spec),
        });
        told.await.unwrap();
        ana.until("the work", |picture| picture.work == Counts { queued: 100_000, ..Counts::default() }).await;
        door.heart.own("shelf".parse().unwrap(), None, Default::default()).await;
        ana.until("the manager's own card", |picture| picture.nodes.len() == 1).await;
        assert_eq!((ana.last.work, &ana.last.people), (None, &None));
    }

    #[tokio::test]
    async fn nodes_that_do_not_fit_into_a_frame_come_in_several() {
        let manager = Manager::start();
        let door = manager.door();
        door.heart.own("shelf".parse().unwrap(), None, Default::default()).await;
        let one = door.heart.picture().await.unwrap().nodes.remove(0);
        let nodes: Vec<NodeView> = (0..5000)
            .map(|n| {
                let mut node = NodeView { name: format!("pi-{n:04}").parse().unwrap(), ..one.clone() };
                node.facts.addresses = vec!["\u{1}".repeat(100); 5];
                node
            })
            .collect();
        let parts: Vec<Vec<NodeView>> = in_parts(nodes.clone()).collect();
        assert!(parts.len() > 5, "{} parts", parts.len());
        for part in &parts {
            let bytes = serde_json::to_vec(part).unwrap().len();
            assert!(bytes < protocol::frame::LONGEST / 2, "{bytes} bytes");
        }
        assert_eq!(parts.concat(), nodes);
    }

    #[tokio::test]
    async fn news_of_metrics_comes_without_the_facts() {
        let manager = Manager::start();
        let door = manager.door();
        let own = |cpu: f32| {
            let now = Metrics { cpu: Percent::new(cpu), ..Default::default() };
            door.heart.own("shelf".parse().unwrap(), None, now.since(&Metrics::default()))
        };
        own(10.0).await;
        let mut ana = Watcher::open(&door, "ana").await;
        let cpu = |picture: &Picture| picture.nodes[0].metrics.as_ref().and_then(|metrics| metrics.cpu);
        assert_eq!(cpu(&ana.picture), Percent::new(10.0));
        own(20.0).await;
        ana.until("the news", |picture| cpu(picture) == Percent::new(20.0)).await;
        assert_eq!((ana.last.nodes.len(), ana.last.metrics.len()), (0, 1));
    }
}
