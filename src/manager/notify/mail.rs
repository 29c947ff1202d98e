//! A mail by the server that an admin has named. Its password is read anew for each mail: it may have been changed.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::super::config::{MailConfig, MailTls};
use super::Sent;
use super::roots::Roots;
use super::words::Words;

pub struct Mail {
    config: MailConfig,
    roots: Arc<Roots>,
}

impl Mail {
    pub fn new(config: MailConfig, roots: Arc<Roots>) -> Self {
        Self { config, roots }
    }

    /// It takes as long as the server likes.
    pub async fn send(&self, address: &str, words: &Words<'_>) -> Sent {
        let message = match self.message(address, words) {
            Ok(message) => message,
            Err(error) => return Sent::Never(format!("{error:#}")),
        };
        match self.transport().await {
            Ok(transport) => transport.send(message).await.map_or_else(|error| self.judged(&error), |_| Sent::Told),
            Err(error) => Sent::NotNow(format!("{error:#}")),
        }
    }

    pub fn too_slow(&self, patience: Duration) -> String {
        format!("{} takes longer than {patience:?}", self.config.server)
    }

    fn message(&self, address: &str, words: &Words<'_>) -> anyhow::Result<Message> {
        let to: Address = address.parse().with_context(|| format!("{address} is no mail address"))?;
        let from: Mailbox = self.config.from.parse().context("from under [mail] is no mail address")?;
        // So that no machine answers it.
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        let id = format!("<bramble.{}@{}>", words.id(), from.email.domain());
        let message = Message::builder()
            .from(from)
            .to(Mailbox::new(None, to))
            .subject(words.subject())
            .message_id(Some(id))
            .raw_header(HeaderValue::new(automatic, "auto-generated".into()))
            .header(ContentType::TEXT_PLAIN)
            .body(words.text());
        message.context("the mail cannot be written")
    }

    async fn transport(&self) -> anyhow::Result<AsyncSmtpTransport<Tokio1Executor>> {
        let (config, roots) = (self.config.clone(), self.roots.clone());
        let made = tokio::task::spawn_blocking(move || {
            let tls = match config.tls {
                MailTls::None => Tls::None,
                MailTls::Starttls => Tls::Required(tls(&config.server, &roots)?),
                MailTls::Tls => Tls::Wrapper(tls(&config.server, &roots)?),
            };
            let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.server)
                .port(config.port())
                .tls(tls)
                .hello_name(hello());
            if let Some(path) = &config.credentials {
                builder = builder.credentials(credentials(path)?);
            }
            Ok(builder.build())
        });
        made.await.unwrap_or_else(|failed| Err(failed.into()))
    }

    fn judged(&self, error: &lettre::transport::smtp::Error) -> Sent {
        let server = &self.config.server;
        let said = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        match error.status() {
            Some(code) => {
                let said = format!("{server} says {code} {said}");
                if error.is_permanent() { Sent::Never(said) } else { Sent::NotNow(said) }
            }
            None if error.is_client() => Sent::NotNow(format!("{server} cannot be used: {said}")),
            None => Sent::NotNow(format!("{server} cannot be reached: {error}")),
        }
    }
}

fn tls(server: &str, roots: &Roots) -> anyhow::Result<TlsParameters> {
    let mut builder = TlsParameters::builder(server.to_owned()).certificate_store(CertificateStore::None);
    for cert in roots.all() {
        builder = builder.add_root_certificate(Certificate::from_der(cert.to_vec())?);
    }
    Ok(builder.build()?)
}

/// Servers want to hear a whole name, with its domain, or else an address.
fn hello() -> ClientId {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let is_one = name.contains('.') && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c));
    if is_one { ClientId::Domain(name) } else { ClientId::default() }
}

/// Two lines: the user, and the password. Nobody else may read them.
pub fn credentials(path: &Path) -> anyhow::Result<Credentials> {
    use std::os::unix::fs::PermissionsExt;
    let named = || format!("the user and password for mail in {} cannot be read", path.display());
    let mode = std::fs::metadata(path).with_context(named)?.permissions().mode();
    anyhow::ensure!(
        mode & 0o077 == 0,
        "{0} has a password in it and may be read by others; close it with: chmod 600 {0}",
        path.display()
    );
    let text = std::fs::read_to_string(path).with_context(named)?;
    let lines: Vec<&str> = text.lines().collect();
    match lines[..] {
        [user, password] if !user.is_empty() && !password.is_empty() => {
            Ok(Credentials::new(user.to_owned(), password.to_owned()))
        }
        _ => anyhow::bail!("{} is not two lines, the first the user's name, the second the password", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_password_is_two_lines_that_nobody_else_may_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mail");
        let write = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            credentials(&path).map_err(|error| format!("{error:#}"))
        };
        assert_eq!(write("ana\nsword fish\n", 0o600), Ok(Credentials::new("ana".into(), "sword fish".into())));
        assert!(write("ana\nswordfish", 0o400).is_ok());
        for mode in [0o640, 0o604, 0o644] {
            let why = write("ana\nswordfish\n", mode).unwrap_err();
            assert!(why.contains("chmod 600") && !why.contains("swordfish"), "{why}");
        }
        for bad in ["", "ana\n", "ana\n\n", "ana\nx\ny\n"] {
            assert!(write(bad, 0o600).unwrap_err().contains("two lines"), "{bad:?}");
        }
        assert!(credentials(&folder.path().join("none")).is_err());
    }
}
