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
    let past = read(door, query.clone()).await?;
    put(out, past, &mut last).await?;
    if !query.follow {
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
                let missed =
                    read(door, EventQuery { after: Some(last), limit: u32::MAX, ..Default::default() }).await?;
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

async fn read(door: &Arc<Door>, query: EventQuery) -> Result<Vec<Event>, Refusal> {
    let door = door.clone();
    let read = tokio::task::spawn_blocking(move || door.reader.blocking_lock().events(&query));
    match read.await {
        Ok(events) => events.map_err(|e| Refusal::unavailable(e.to_string())),
        Err(_) => Err(Refusal::unavailable("the events could not be read; see the manager's log")),
    }
}
