//! A stranger's one frame: a token, a name, a role.

use link::{FrameReader, FrameWriter, Incoming};
use protocol::agent::{JoinReply, JoinRequest};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::{Agents, FIRST_FRAME};
use crate::manager::cluster::{Input, KeyPrint, Told};
use crate::manager::token;

pub async fn receive(agents: &Agents, one: Incoming) {
    let (read, write) = tokio::io::split(one.stream);
    let mut reader = FrameReader::within(read, &agents.budgets.strangers);
    let request = match timeout(FIRST_FRAME, reader.next::<JoinRequest>()).await {
        Ok(Ok(Some(request))) => request,
        Ok(Ok(None)) | Err(_) => return,
        Ok(Err(error)) => return tracing::warn!("a join from {} made no sense: {error}", one.peer),
    };
    let reply = decide(agents, request, one.key.as_str(), one.peer.ip().to_string()).await;
    let mut writer = FrameWriter::new(write);
    if let Err(error) = writer.send(&reply).await {
        return tracing::warn!("the answer to a join from {} was lost: {error}; it may ask again", one.peer);
    }
    // The node may have gone already; it has its answer.
    let _ = writer.into_inner().shutdown().await;
}

async fn decide(agents: &Agents, request: JoinRequest, key: &str, address: String) -> JoinReply {
    use protocol::{OLDEST_PROTOCOL, PROTOCOL, VERSION};
    if !(OLDEST_PROTOCOL..=PROTOCOL).contains(&request.protocol) {
        let where_to = if request.protocol < OLDEST_PROTOCOL { "this node" } else { "the manager" };
        let reason = format!(
            "this node speaks protocol {}, manager {VERSION} speaks {OLDEST_PROTOCOL} to {PROTOCOL}: update bramble on {where_to}",
            request.protocol
        );
        return JoinReply::Refused { reason };
    }
    let told = agents.heart.ask(|call| Input::Join {
        call,
        key: KeyPrint(key.into()),
        hash: token::hash(&request.secret),
        name: request.name,
        role: request.role,
        address: Some(address),
    });
    match told.await {
        Ok(Told::Join(reply)) => reply,
        Ok(Told::Refused(refusal)) | Err(refusal) => JoinReply::Refused { reason: refusal.message },
        Ok(other) => JoinReply::Refused { reason: crate::manager::heart::unexpected(&other).message },
    }
}
