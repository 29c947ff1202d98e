//! What one connection may ask for, and what it is answered.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, ChannelWriteHalf, Pty};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tracing::debug;

use super::places::Place;
use super::{Admission, Door, Incoming};
use crate::inbox::LoseOnDrop;
use crate::key::Fingerprint;
use crate::stream::Stream;

pub(super) struct Visitor {
    door: Arc<Door>,
    peer: SocketAddr,
    inboxes: LoseOnDrop,
    /// Told once, when the log-in has succeeded.
    admitted: Option<oneshot::Sender<Admission>>,
    who: Option<Who>,
    slots: Arc<Semaphore>,
    /// Opened, and no subsystem asked for yet.
    waiting: HashMap<ChannelId, Waiting>,
}

struct Who {
    user: String,
    key: Fingerprint,
    admission: Admission,
    /// Of the known; strangers have theirs in [`super::visit`].
    _place: Option<Place<Fingerprint>>,
    has_opened: bool,
}

struct Waiting {
    /// Its other half is dropped, or russh would stand still once nobody had read 32 requests from it.
    half: ChannelWriteHalf<Msg>,
    slot: OwnedSemaphorePermit,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("it sent data on a channel without a subsystem")]
    Misbehaved,
    #[error("its key is not admitted any more")]
    Revoked,
    #[error("its key has too many connections already")]
    TooMany,
    #[error(transparent)]
    Ssh(#[from] russh::Error),
}

impl Visitor {
    pub(super) fn new(
        door: Arc<Door>,
        peer: SocketAddr,
        inboxes: LoseOnDrop,
        admitted: oneshot::Sender<Admission>,
    ) -> Visitor {
        Visitor {
            slots: Arc::new(Semaphore::new(door.config.guard.channels)),
            door,
            peer,
            inboxes,
            admitted: Some(admitted),
            who: None,
            waiting: HashMap::new(),
        }
    }

    fn admission(&self, user: &str, key: &Fingerprint) -> Admission {
        let admission = self.door.admit.admit(user, key, self.peer);
        if admission == Admission::Refuse {
            debug!(peer = %self.peer, user, %key, "not admitted");
        }
        admission
    }

    /// Whether another channel may be opened now, and its place if so.
    fn slot(&mut self) -> Result<OwnedSemaphorePermit, ChannelOpenFailure> {
        let Some(who) = &mut self.who else { return Err(ChannelOpenFailure::AdministrativelyProhibited) };
        if who.admission == Admission::Stranger && who.has_opened {
            return Err(ChannelOpenFailure::AdministrativelyProhibited);
        }
        let slot = self.slots.clone().try_acquire_owned().map_err(|_| ChannelOpenFailure::ResourceShortage)?;
        who.has_opened = true;
        Ok(slot)
    }

    /// A channel that asks for what there is not gets no second chance.
    fn refuse(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Ended> {
        session.channel_failure(channel)?;
        if self.waiting.remove(&channel).is_some() {
            session.close(channel)?;
        }
        Ok(())
    }

    /// Does not wait: the session would stand still meanwhile. At most as many wait as there are slots.
    fn hand_out(&self, incoming: Incoming) {
        // Nobody takes it any more only when the server is ending, and this connection with it.
        if let Err(TrySendError::Full(incoming)) = self.door.to.try_send(incoming) {
            let (to, session_end) = (self.door.to.clone(), self.inboxes.session_end().clone());
            tokio::spawn(async move {
                tokio::select! {
                    _ = to.send(incoming) => {}
                    () = session_end.cancelled() => {}
                }
            });
        }
    }
}

impl Handler for Visitor {
    type Error = Ended;

    /// Before a signature is made, so that nobody is asked for the passphrase of a key that is not admitted.
    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Ended> {
        let admission = self.admission(user, &Fingerprint::of(offer.public_key));
        Ok(if admission == Admission::Refuse { Auth::reject() } else { Auth::Accept })
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Ended> {
        let key = Fingerprint::of(key.public_key);
        let admission = self.admission(user, &key);
        let place = match admission {
            Admission::Refuse => return Ok(Auth::reject()),
            Admission::Stranger => None,
            // Not rejected, which would tell a node that it was revoked.
            Admission::Known => Some(self.door.known.take(key.clone()).ok_or(Ended::TooMany)?),
        };
        self.who = Some(Who { user: user.to_owned(), key, admission, _place: place, has_opened: false });
        Ok(Auth::Accept)
    }

    async fn auth_succeeded(&mut self, _: &mut Session) -> Result<(), Ended> {
        if let (Some(who), Some(admitted)) = (&self.who, self.admitted.take()) {
            debug!(peer = %self.peer, user = who.user, key = %who.key, "logged in");
            let _ = admitted.send(who.admission);
        }
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Ended> {
        match self.slot() {
            Ok(slot) => {
                self.waiting.insert(channel.id(), Waiting { half: channel.split().1, slot });
                reply.accept().await;
            }
            Err(why) => reply.reject(why).await,
        }
        Ok(())
    }

    async fn subsystem_request(&mut self, channel: ChannelId, name: &str, session: &mut Session) -> Result<(), Ended> {
        let offered = self.door.config.subsystems.iter().any(|offered| offered == name);
        let Some(who) = self.who.as_ref().filter(|_| offered) else { return self.refuse(channel, session) };
        if self.admission(&who.user, &who.key) == Admission::Refuse {
            return Err(Ended::Revoked);
        }
        let Some(Waiting { half, slot }) = self.waiting.remove(&channel) else {
            return self.refuse(channel, session);
        };
        session.channel_success(channel)?;
        let stream = Stream::of_server(half, session.handle(), slot, self.inboxes.clone());
        let (user, key) = (who.user.clone(), who.key.clone());
        self.hand_out(Incoming { user, key, peer: self.peer, subsystem: name.to_owned(), stream });
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], _: &mut Session) -> Result<(), Ended> {
        if self.waiting.contains_key(&channel) {
            return Err(Ended::Misbehaved);
        }
        self.inboxes.deliver(channel, data);
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Ended> {
        self.inboxes.eof(channel);
        if self.waiting.remove(&channel).is_some() {
            session.close(channel)?;
        }
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _: &mut Session) -> Result<(), Ended> {
        self.inboxes.close(channel);
        self.waiting.remove(&channel);
        Ok(())
    }

    /// OpenSSH sends its LANG before the subsystem: refused, but no reason to end the channel.
    async fn env_request(&mut self, channel: ChannelId, _: &str, _: &str, session: &mut Session) -> Result<(), Ended> {
        Ok(session.channel_failure(channel)?)
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Ended> {
        self.refuse(channel, session)
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _: bool,
        _: &str,
        _: &str,
        _: u32,
        session: &mut Session,
    ) -> Result<(), Ended> {
        self.refuse(channel, session)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Ended> {
        self.refuse(channel, session)
    }

    async fn exec_request(&mut self, channel: ChannelId, _: &[u8], session: &mut Session) -> Result<(), Ended> {
        self.refuse(channel, session)
    }
}
