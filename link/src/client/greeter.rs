//! What the dialling side answers to russh: it checks who is there, and offers nothing.

use std::sync::{Arc, OnceLock};

use russh::client::{ChannelOpenHandle, Handler, Msg, Session};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, ChannelId};

use crate::inbox::LoseOnDrop;
use crate::key::Fingerprint;

/// Who may answer.
#[derive(Debug, Clone)]
pub(crate) enum Expected {
    This(Fingerprint),
    /// Whoever it is, it is written down.
    Anybody(Arc<OnceLock<Fingerprint>>),
}

pub(crate) struct Greeter {
    pub(super) expected: Expected,
    pub(super) inboxes: LoseOnDrop,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Unwelcome {
    #[error("the host's key is {0}")]
    WrongHost(Fingerprint),
    #[error(transparent)]
    Ssh(#[from] russh::Error),
}

impl Handler for Greeter {
    type Error = Unwelcome;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Unwelcome> {
        let found = Fingerprint::of(&shown.public_key());
        // A certificate is never asked for, and would prove another key than the one we know.
        let welcome = shown.certificate().is_none()
            && match &self.expected {
                Expected::This(expected) => found == *expected,
                // Again in the same connection, it has to be the same.
                Expected::Anybody(met) => *met.get_or_init(|| found.clone()) == found,
            };
        if welcome { Ok(true) } else { Err(Unwelcome::WrongHost(found)) }
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], _: &mut Session) -> Result<(), Unwelcome> {
        self.inboxes.deliver(channel, data);
        Ok(())
    }

    async fn channel_eof(&mut self, channel: ChannelId, _: &mut Session) -> Result<(), Unwelcome> {
        self.inboxes.eof(channel);
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _: &mut Session) -> Result<(), Unwelcome> {
        self.inboxes.close(channel);
        Ok(())
    }

    // russh accepts every channel the other side opens unless told otherwise; dropping the reply refuses it.

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Unwelcome> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Unwelcome> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Unwelcome> {
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Unwelcome> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Unwelcome> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Unwelcome> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Unwelcome> {
        Ok(())
    }
}
