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
/// An agent that does not even take the last words is left without them.
const LAST_WORDS: Duration = Duration::from_secs(2);

pub async fn receive(agents: &Agents, one: Incoming, node: NodeName) {
    let (read, write) = tokio::io::split(one.stream);
    let mut reader = FrameReader::new(read);
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
    let link = agents.heart.new_link();
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
    loop {
        match reader.next::<FromAgent>().await {
            Ok(Some(FromAgent::FollowFailed { id, reason })) => agents.follows.failed(id, node, &reason),
            Ok(Some(FromAgent::NotUnderstood { name })) => {
                tracing::warn!("{node} does not understand {name:?}; is its bramble older?");
            }
            Ok(Some(report)) => agents.heart.report(link, report).await,
            Ok(None) => return "its agent closed the link".into(),
            Err(ReadError::Frame(FrameError::Unknown(unknown))) => {
                tracing::warn!("{node}: {unknown}");
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
        let ends = order.is_none();
        let mut next = order.or_else(|| orders.try_recv().ok());
        while let Some(order) = next.take() {
            if let Err(error) = writer.feed(&order) {
                tracing::error!("an order could not be written: {error}");
            }
            if writer.pending() < GATHER {
                next = orders.try_recv().ok();
            }
        }
        if ends {
            // Said or not, the link ends here.
            let _ = timeout(LAST_WORDS, writer.flush()).await;
            return "the manager ended the link".into();
        }
        if let Err(error) = writer.flush().await {
            return format!("the link broke: {error}");
        }
    }
}
