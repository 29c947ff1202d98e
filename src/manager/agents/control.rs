//! An agent's control link: its hello first, then reports up and orders down, until one side ends it.

use std::sync::Arc;
use std::time::Duration;

use link::{FrameReader, FrameWriter, Incoming, ReadError};
use protocol::agent::{FromAgent, ToAgent};
use protocol::frame::FrameError;
use protocol::name::NodeName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use super::{Agents, FIRST_FRAME};
use crate::manager::cluster::LinkId;
use crate::manager::heart::Orders;

/// Orders waiting for one agent; one that takes none of so many is cut off.
const ORDERS: usize = 4096;
/// Orders gathered for one write.
const GATHER: usize = 64 * 1024;
/// Strange words of one link that are put into the log.
const MOST_NOTES: u64 = 8;
/// An agent that does not even take the last words is left without them.
const LAST_WORDS: Duration = Duration::from_secs(2);

pub async fn receive(agents: &Agents, one: Incoming, node: NodeName, link: LinkId) {
    let (read, write) = tokio::io::split(one.stream);
    let mut reader = FrameReader::within(read, &agents.budgets.of(&node));
    let mut writer = FrameWriter::new(write);
    let hello = match timeout(FIRST_FRAME, reader.next::<FromAgent>()).await {
        Ok(Ok(Some(FromAgent::Hello(hello)))) => *hello,
        Ok(Ok(None)) => return,
        other => {
            let why = match other {
                Err(_) => "it said no hello in time".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Ok(Ok(_)) => "it said something before its hello".to_owned(),
            };
            tracing::warn!("{node} was let go: {why}");
            let bye = ToAgent::Bye { reason: format!("this manager expects a hello first: {why}"), stay_away: false };
            // A courtesy: the link ends either way.
            let _ = timeout(LAST_WORDS, writer.send(&bye)).await;
            return;
        }
    };
    let (to, orders) = mpsc::channel(ORDERS);
    let cut = Arc::new(Notify::new());
    let way = Orders { to, cut: cut.clone() };
    agents.heart.linked(link, way, node.clone(), &one.key, one.peer.ip().to_string(), hello).await;
    let (not_understood, unknown) = mpsc::channel(16);
    let reason = tokio::select! {
        reason = hear(agents, link, &node, &mut reader, not_understood) => reason,
        reason = order(orders, unknown, &cut, &mut writer) => reason,
    };
    agents.heart.unlinked(link, reason).await;
    // The other side may be gone already.
    let _ = timeout(LAST_WORDS, writer.into_inner().shutdown()).await;
}

/// Reads without end, so that one channel never stalls the connection for the others.
async fn hear<R: AsyncRead + Unpin>(
    agents: &Agents,
    link: LinkId,
    node: &NodeName,
    reader: &mut FrameReader<R>,
    not_understood: mpsc::Sender<String>,
) -> String {
    let mut strange = 0_u64;
    // One that talks nonsense without end fills no log.
    let mut note = |what: String| {
        strange += 1;
        match strange {
            1..MOST_NOTES => tracing::warn!("{what}"),
            MOST_NOTES => tracing::warn!("{what}; more of this kind from this link is not noted"),
            _ => {}
        }
    };
    loop {
        match reader.next::<FromAgent>().await {
            Ok(Some(FromAgent::FollowFailed { id, reason })) => agents.follows.failed(id, node, &reason),
            Ok(Some(FromAgent::NotUnderstood { name })) => {
                note(format!("{node} does not understand {name:?}; is its bramble older?"));
            }
            Ok(Some(report)) => agents.heart.report(link, report).await,
            Ok(None) => return "its agent closed the link".into(),
            Err(ReadError::Frame(FrameError::Unknown(unknown))) => {
                note(format!("{node}: {unknown}"));
                // An agent that sends so much of it that the answers pile up is not answered every time.
                let _ = not_understood.try_send(unknown.name);
            }
            Err(error) => return format!("the link broke: {error}"),
        }
    }
}

async fn order<W: AsyncWrite + Unpin>(
    mut orders: mpsc::Receiver<ToAgent>,
    mut unknown: mpsc::Receiver<String>,
    cut: &Notify,
    writer: &mut FrameWriter<W>,
) -> String {
    loop {
        let order = tokio::select! {
            order = orders.recv() => order,
            Some(name) = unknown.recv() => Some(ToAgent::NotUnderstood { name }),
            () = cut.notified() => None,
        };
        let Some(order) = order else { return end(orders, writer).await };
        gather(Some(order), &mut orders, writer);
        tokio::select! {
            flushed = writer.flush() => if let Err(error) = flushed {
                return format!("the link broke: {error}");
            },
            // Also where the agent has long stopped reading.
            () = cut.notified() => return end(orders, writer).await,
        }
    }
}

/// As many orders as fit into one write.
fn gather<W: AsyncWrite + Unpin>(
    mut next: Option<ToAgent>,
    orders: &mut mpsc::Receiver<ToAgent>,
    writer: &mut FrameWriter<W>,
) {
    while let Some(order) = next.take() {
        if let Err(error) = writer.feed(&order) {
            tracing::error!("an order could not be written: {error}");
        }
        if writer.pending() < GATHER {
            next = orders.try_recv().ok();
        }
    }
}

/// What was ordered before is still said, why the link ends last of all; taken or not, it ends here.
async fn end<W: AsyncWrite + Unpin>(mut orders: mpsc::Receiver<ToAgent>, writer: &mut FrameWriter<W>) -> String {
    let last_words = async {
        while writer.flush().await.is_ok()
            && let Ok(order) = orders.try_recv()
        {
            gather(Some(order), &mut orders, writer);
        }
    };
    let _ = timeout(LAST_WORDS, last_words).await;
    "the manager ended the link".into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::id::TaskId;

    fn discard(index: u32) -> ToAgent {
        ToAgent::Discard { attempts: (1..=100).map(|number| TaskId::new(1, index).attempt(number)).collect() }
    }

    #[tokio::test]
    async fn an_agent_that_reads_nothing_is_cut_off_all_the_same() {
        let (near, _far) = tokio::io::duplex(64);
        let (to, orders) = mpsc::channel(8);
        let (_unknown_to, unknown) = mpsc::channel(1);
        let cut = Arc::new(Notify::new());
        let ordering = tokio::spawn({
            let cut = cut.clone();
            async move { order(orders, unknown, &cut, &mut FrameWriter::new(near)).await }
        });
        to.send(discard(1)).await.unwrap();
        // It has been taken, and is being written.
        while to.capacity() < 8 {
            tokio::task::yield_now().await;
        }
        cut.notify_one();
        let reason = timeout(LAST_WORDS * 5, ordering).await.expect("it ends").unwrap();
        assert_eq!(reason, "the manager ended the link");
    }

    #[tokio::test]
    async fn the_last_words_are_said_behind_however_many_orders() {
        let (near, far) = tokio::io::duplex(1 << 20);
        let (to, orders) = mpsc::channel(ORDERS);
        let (_unknown_to, unknown) = mpsc::channel(1);
        let (cut, mut writer) = (Notify::new(), FrameWriter::new(near));
        for index in 0..200 {
            to.try_send(discard(index)).unwrap();
        }
        to.try_send(ToAgent::Bye { reason: "revoked".into(), stay_away: true }).unwrap();
        cut.notify_one();
        let ordering = async move { order(orders, unknown, &cut, &mut writer).await };
        let heard = async {
            let mut reader = FrameReader::new(far);
            let mut last = None;
            while let Ok(Some(order)) = reader.next::<ToAgent>().await {
                last = Some(order);
            }
            last
        };
        let (_, last) = tokio::join!(ordering, heard);
        assert!(matches!(last, Some(ToAgent::Bye { .. })), "{last:?}");
    }
}
