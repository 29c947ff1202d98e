//! `watch`: a picture, then what changes in it. Changes are gathered while the caller has not taken the last ones,
//! so a slow one gets fewer, never a growing queue; one that falls far behind gets a fresh picture.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use protocol::api::{Changes, More, Refusal};
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
        out.more(More::Picture(picture)).await?;
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
        for (name, view) in views.nodes {
            match view {
                Some(view) => told.nodes.push(view),
                None => told.gone_nodes.push(name),
            }
        }
        for (id, view) in views.jobs {
            match view {
                Some(view) => told.jobs.push(view),
                None => told.gone_jobs.push(id),
            }
        }
        out.more(More::Changes(told)).await?;
        tokio::time::sleep_until(told_at + TOGETHER).await;
    }
}
