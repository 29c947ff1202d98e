//! `events`: those kept, then those that come.

use std::sync::Arc;

use protocol::api::{EventQuery, More, Refusal};
use protocol::event::Event;
use tokio::sync::broadcast::error::RecvError;

use super::Door;
use super::connection::{Ended, Outlet};
use crate::manager::heart::News;

pub async fn stream(door: &Arc<Door>, query: EventQuery, out: &Outlet) -> Ended {
    match tell(door, query, out).await {
        Ok(()) => Ended::Well,
        Err(ended) => ended,
    }
}

async fn tell(door: &Arc<Door>, query: EventQuery, out: &Outlet) -> Result<(), Ended> {
    // Subscribed before the past is read, so that nothing falls between the two.
    let mut news = door.heart.news();
    let mut last = query.after.unwrap_or(0);
    let (asked, follow) = (query.clone(), query.follow);
    let past = door.read(move |reader| reader.events(&asked)).await?;
    put(out, past, &mut last).await?;
    if !follow {
        return Ok(());
    }
    loop {
        match news.recv().await {
            Ok(piece) => {
                if let News::Changed { events, .. } = &*piece {
                    put(out, events.clone(), &mut last).await?;
                }
            }
            // Fallen behind: what was missed is in the store.
            Err(RecvError::Lagged(_)) => loop {
                let after = last;
                let missed = door.read(move |reader| reader.events_after(after)).await?;
                if missed.is_empty() {
                    break;
                }
                put(out, missed, &mut last).await?;
            },
            Err(RecvError::Closed) => return Err(Refusal::unavailable("the manager is stopping").into()),
        }
    }
}

async fn put(out: &Outlet, mut events: Vec<Event>, last: &mut u64) -> Result<(), Ended> {
    events.retain(|event| event.no > *last);
    if let Some(newest) = events.last() {
        *last = newest.no;
        for some in events.chunks(1000) {
            out.more(More::Events(some.to_vec())).await?;
        }
    }
    Ok(())
}
