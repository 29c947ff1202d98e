//! Joining: one token, one frame, one answer; and the manager is known by its host key before anything is said.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use link::{Dial, DialError, Fingerprint, FrameReader, FrameWriter, Key};
use protocol::PROTOCOL;
use protocol::address::with_port;
use protocol::agent::{JOIN, JOIN_USER, JoinReply, JoinRequest, WORKER_USER};
use protocol::name::NodeName;
use protocol::node::Role;
use protocol::token::JoinToken;

use super::GiveUp;
use super::home::Home;
use crate::cli::Work;

const ANSWER: Duration = Duration::from_secs(30);

/// How this agent comes to a manager.
#[derive(Debug)]
pub enum Way {
    /// It has joined. A token at hand serves only where that manager no longer knows this node's key.
    Known {
        home: Home,
        token: Option<JoinToken>,
    },
    Join {
        address: String,
        token: JoinToken,
        name: NodeName,
    },
}

/// Everything that can be refused without asking anyone is refused here. `held`: tasks this node still has.
pub fn way(work: &Work, home: Option<Home>, held: usize) -> Result<Way, GiveUp> {
    let address =
        work.manager.as_deref().map(with_port).transpose().map_err(|error| GiveUp(format!("--manager {error}")))?;
    let token = match work.join.as_deref().map(read_token) {
        // A unit may go on naming a token that was used and removed long ago.
        Some(Err(error)) if home.is_some() => {
            tracing::warn!("{error}; this node has joined already and goes on without it");
            None
        }
        token => token.transpose()?,
    };
    match (home, token) {
        (Some(mut home), token) if token.as_ref().is_none_or(|token| token.host_key == home.host_key.as_str()) => {
            home.address = address.unwrap_or(home.address);
            Ok(Way::Known { home, token })
        }
        (Some(home), Some(_)) if held > 0 => Err(GiveUp(format!(
            "this node has {held} tasks of the manager at {}: it can join another one when that has their results",
            home.address
        ))),
        (_, Some(token)) => {
            let Some(address) = address else {
                return Err(GiveUp("--join needs to know where the manager is: add --manager HOST:PORT".into()));
            };
            let name = work.name.clone().map_or_else(host_name, Ok)?;
            Ok(Way::Join { address, token, name })
        }
        (_, None) => Err(GiveUp(
            "this node has not joined a manager: start it once with --manager HOST:PORT --join TOKEN, \
             where the token is what `bramble join-token` prints on the manager"
                .into(),
        )),
    }
}

/// The word itself or `@FILE` (stdin was read by the keeper). A token for another role is refused before anyone is dialled.
fn read_token(word: &str) -> Result<JoinToken, GiveUp> {
    let text = match word.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(Path::new(file))
            .map_err(|error| GiveUp(format!("cannot read the token from {file}: {error}")))?,
        None => word.to_owned(),
    };
    let token: JoinToken = text.parse().map_err(|error| GiveUp(format!("{error}")))?;
    if token.role != Role::Worker {
        return Err(GiveUp(format!(
            "this token is for a {}, and this is a worker; get one for a worker with: bramble join-token",
            token.role
        )));
    }
    Ok(token)
}

fn host_name() -> Result<NodeName, GiveUp> {
    let uname = rustix::system::uname();
    let name = uname.nodename().to_string_lossy();
    let short = name.split('.').next().unwrap_or_default();
    short.parse().map_err(|error| GiveUp(format!("this machine's host name cannot name a node ({error}): use --name")))
}

/// What every connection of this agent begins with.
pub fn dial_as(user: &str, address: &str, host_key: &Fingerprint, key: &Arc<Key>) -> Dial {
    Dial {
        address: address.to_owned(),
        user: user.to_owned(),
        key: key.clone(),
        host_key: host_key.clone(),
        keepalive: Duration::from_secs(5),
        keepalive_max: 3,
        timeout: Duration::from_secs(10),
    }
}

pub fn dial_of(home: &Home, key: &Arc<Key>) -> Dial {
    dial_as(WORKER_USER, &home.address, &home.host_key, key)
}

/// Why joining failed this time.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Trying again with the same token cannot help.
    #[error("{0}")]
    Final(String),
    #[error("{0}")]
    Later(String),
}

/// Asks once. The same key may ask again with the same token, should the answer have been lost.
pub async fn ask(address: &str, token: &JoinToken, name: &NodeName, key: &Arc<Key>) -> Result<Home, JoinError> {
    let host_key = token.host_key.parse::<Fingerprint>().map_err(|error| JoinError::Final(error.to_string()))?;
    let dial = dial_as(JOIN_USER, address, &host_key, key);
    let connection = link::dial(&dial).await.map_err(|error| refused_or_later(address, error))?;
    let stream = connection.open(JOIN).await.map_err(|error| refused_or_later(address, error))?;
    let lost = |error: &dyn std::fmt::Display| {
        JoinError::Later(format!("the manager at {address} did not answer the request to join: {error}"))
    };
    let (read, write) = tokio::io::split(stream);
    let request =
        JoinRequest { protocol: PROTOCOL, secret: token.secret.clone(), name: name.clone(), role: Role::Worker };
    let mut write = FrameWriter::new(write);
    write.send(&request).await.map_err(|error| lost(&error))?;
    let mut read = FrameReader::new(read);
    let answer = tokio::time::timeout(ANSWER, read.next::<JoinReply>());
    match answer.await.map_err(|error| lost(&error))? {
        Ok(Some(JoinReply::Joined { name })) => {
            Ok(Home { address: address.to_owned(), host_key, name, output_limit: None, lease_ms: None })
        }
        Ok(Some(JoinReply::Refused { reason })) => {
            Err(JoinError::Final(format!("the manager at {address} refused this node: {reason}")))
        }
        Ok(None) => Err(lost(&"it closed the connection")),
        Err(link::ReadError::Frame(error)) => Err(JoinError::Final(format!(
            "the manager at {address} answered what this build ({}) does not understand: {error}; \
             install the same version on both",
            protocol::VERSION
        ))),
        Err(error) => Err(lost(&error)),
    }
}

fn refused_or_later(address: &str, error: DialError) -> JoinError {
    match error {
        DialError::WrongHost { expected, found, .. } => JoinError::Final(format!(
            "{address} is not the manager that made this token: its host key is {found}, the token says {expected}; \
             nothing was told to it. Check --manager, or get a new token with: bramble join-token"
        )),
        DialError::Rejected { .. } => JoinError::Final(format!(
            "the manager at {address} does not let this node's key join; \
             a person there can say why: bramble node"
        )),
        later => JoinError::Later(later.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use link::Key;

    fn token(role: Role, manager: &Key) -> String {
        let print = manager.fingerprint();
        JoinToken::new(role, "abcdefghijklmnopqrst2345".into(), print.as_str()).unwrap().to_string()
    }

    fn work(manager: Option<&str>, join: Option<String>) -> Work {
        Work { manager: manager.map(str::to_owned), join, name: Some("pi-1".parse().unwrap()), ..Work::default() }
    }

    fn home(manager: &Key) -> Home {
        let host_key = manager.fingerprint();
        Home { address: "old:2222".into(), host_key, name: "pi-1".parse().unwrap(), output_limit: None, lease_ms: None }
    }

    #[test]
    fn what_cannot_work_is_refused_with_what_to_do_before_anyone_is_dialled() {
        let key = Key::generate();
        let refused = |work: Work| way(&work, None, 0).unwrap_err().to_string();
        assert!(refused(work(None, None)).contains("bramble join-token"));
        assert!(refused(work(None, Some(token(Role::Worker, &key)))).contains("--manager HOST:PORT"));
        let cooler = refused(work(Some("m"), Some(token(Role::Cooler, &key))));
        assert!(cooler.contains("this token is for a cooler, and this is a worker"), "{cooler}");
        assert!(refused(work(Some("m"), Some("rubbish".into()))).contains("not a join token"));
        assert!(refused(work(Some("m"), Some("@/nowhere/token".into()))).contains("/nowhere/token"));
    }

    #[test]
    fn a_token_is_read_from_a_file_with_whatever_white_space_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, format!("  {}\n\n", token(Role::Worker, &Key::generate()))).unwrap();
        assert!(read_token(&format!("@{}", file.display())).is_ok());
    }

    #[test]
    fn who_has_joined_goes_on_and_may_follow_a_manager_that_moved() {
        let key = Key::generate();
        let again = way(&work(Some("new:1"), Some(token(Role::Worker, &key))), Some(home(&key)), 3).unwrap();
        assert!(matches!(again, Way::Known { home, token: Some(_) } if home.address == "new:1"));
        let stale = way(&work(None, Some("@/nowhere/token".into())), Some(home(&key)), 3).unwrap();
        assert!(matches!(stale, Way::Known { token: None, .. }));
        let simply = way(&work(None, None), Some(home(&key)), 3).unwrap();
        assert!(matches!(simply, Way::Known { home, token: None } if home.address == "old:2222"));
    }

    #[test]
    fn a_node_with_tasks_of_one_manager_does_not_join_another() {
        let (old, new) = (Key::generate(), Key::generate());
        let work = work(Some("new:1"), Some(token(Role::Worker, &new)));
        assert!(way(&work, Some(home(&old)), 1).unwrap_err().to_string().contains("1 tasks of the manager at old"));
        assert!(matches!(way(&work, Some(home(&old)), 0), Ok(Way::Join { .. })));
    }
}
