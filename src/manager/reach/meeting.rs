//! How a machine is met before it is added, and how the manager's key is left there: once, by a password that is not
//! kept.

use std::time::Duration;

use link::{DialError, Fingerprint, Shell, meet};
use protocol::api::{NodeReach, Probed, Refusal, Reply, SshWay};
use protocol::name::NodeName;
use tokio::io::AsyncWriteExt;

use crate::manager::cluster::{Caller, Input, Told};
use crate::manager::door::Door;
use crate::manager::heart::unexpected;
use crate::manager::own_runs::{Ways, quote};

/// For leaving the key there.
const LEAVING: Duration = Duration::from_secs(20);
/// More than any name of a machine or of a user has.
const LONGEST_NAME: usize = 255;

pub async fn probe(ways: &Ways, reach: NodeReach) -> Result<Reply, Refusal> {
    check(&reach)?;
    let key = ways.key().map_err(Refusal::unavailable)?;
    let met = meet(&ways.dial(&reach.host, reach.port, &reach.user), &key).await.map_err(refused)?;
    Ok(Reply::NodeProbed(Probed {
        host_key: met.host_key.to_string(),
        own_key: ways.line_of(&key),
        lets_in: met.lets_in,
        takes_password: met.takes_password,
    }))
}

/// Goes there, leaves the manager's key where it is not let in with it, and has the node taken in.
pub async fn add(
    door: &Door,
    caller: Caller,
    name: NodeName,
    reach: NodeReach,
    host_key: String,
) -> Result<Reply, Refusal> {
    check(&reach)?;
    let host_key: Fingerprint =
        host_key.parse().map_err(|bad: link::BadFingerprint| Refusal::usage(bad.to_string()))?;
    let ways = &door.ways;
    let key = ways.key().map_err(Refusal::unavailable)?;
    let dial = ways.dial(&reach.host, reach.port, &reach.user);
    match Shell::enter(&dial, &host_key, &key).await {
        Ok(shell) => shell.leave().await,
        Err(DialError::Rejected { .. }) => {
            let line = ways.line_of(&key);
            let Some(password) = reach.password.as_ref() else { return Err(not_let_in(&reach, &line)) };
            let Some(password) = password.text() else {
                return Err(Refusal::usage("the password is no text; only what can be typed is taken there"));
            };
            let shell = Shell::enter_by_password(&dial, &host_key, password).await.map_err(|error| match error {
                DialError::Rejected { .. } => Refusal::refused(format!(
                    "{} does not take this password of {}; nothing was changed there",
                    reach.host, reach.user
                )),
                other => refused(other),
            })?;
            leave_key(shell, &reach, &line).await?;
            match Shell::enter(&dial, &host_key, &key).await {
                Ok(shell) => shell.leave().await,
                Err(DialError::Rejected { .. }) => {
                    return Err(Refusal::refused(format!(
                        "the manager's key is in ~{0}/.ssh/authorized_keys on {1} now, and is still not let in: does its sshd look there (AuthorizedKeysFile), and does it take keys of {0}?",
                        reach.user, reach.host
                    )));
                }
                Err(other) => return Err(refused(other)),
            }
        }
        Err(other) => return Err(refused(other)),
    }
    let NodeReach { host, port, user, .. } = reach;
    let way = SshWay { host, port, user, host_key: host_key.to_string() };
    match door.heart.ask(|call| Input::AddNode { call, caller, name, way }).await? {
        Told::Reply(reply) => Ok(reply),
        Told::Refused(refusal) => Err(refusal),
        other => Err(unexpected(&other)),
    }
}

fn not_let_in(reach: &NodeReach, line: &str) -> Refusal {
    let NodeReach { user, host, .. } = reach;
    Refusal::refused(format!(
        "{host} does not let the manager in as {user}: give the password of {user}, or add this line to ~{user}/.ssh/authorized_keys there and try again: {line}"
    ))
}

fn refused(error: DialError) -> Refusal {
    match error {
        DialError::WrongHost { address, expected, found } => Refusal::refused(format!(
            "the host key of {address} is {found} and not {expected}; nothing was told to it. Add it again only if you know why"
        )),
        other => Refusal::refused(other.to_string()),
    }
}

fn check(reach: &NodeReach) -> Result<(), Refusal> {
    let fits = |text: &str| {
        !text.is_empty()
            && text.len() <= LONGEST_NAME
            && !text.starts_with('-')
            && !text.chars().any(|c| c.is_control() || c.is_whitespace())
    };
    if !fits(&reach.host) {
        return Err(Refusal::usage(format!("{:?} is neither the name nor the address of a machine", reach.host)));
    }
    if !fits(&reach.user) {
        return Err(Refusal::usage(format!("{:?} is not the name of a user", reach.user)));
    }
    if reach.port == 0 {
        return Err(Refusal::usage("there is no port 0; SSH is mostly at 22"));
    }
    Ok(())
}

/// Through `sh`, which every system has; as often as it is done, the line is there once.
async fn leave_key(shell: Shell, reach: &NodeReach, line: &str) -> Result<(), Refusal> {
    let said = tokio::time::timeout(LEAVING, ask(&shell, &leaving(line))).await;
    shell.leave().await;
    match said {
        Ok(Ok(Some(0))) => Ok(()),
        Ok(Ok(_)) => Err(Refusal::refused(format!(
            "the manager's key could not be left in ~{0}/.ssh/authorized_keys on {1}; add this line there: {line}",
            reach.user, reach.host
        ))),
        Ok(Err(why)) => Err(Refusal::refused(why)),
        Err(_) => Err(Refusal::refused(format!("{} took longer than {LEAVING:?} to take the key", reach.host))),
    }
}

fn leaving(line: &str) -> String {
    let line = quote(line);
    format!(
        "set -e\numask 077\ncd\nmkdir -p .ssh\nf=.ssh/authorized_keys\n\
         if [ ! -e \"$f\" ]; then : >\"$f\"; fi\n\
         if ! grep -qxF -- {line} \"$f\"; then\n\
         if [ -s \"$f\" ] && [ -n \"$(tail -c 1 \"$f\")\" ]; then echo >>\"$f\"; fi\n\
         printf '%s\\n' {line} >>\"$f\"\nfi\n\
         chmod go-w .ssh \"$f\"\n"
    )
}

async fn ask(shell: &Shell, script: &str) -> Result<Option<u32>, String> {
    let (mut stdin, mut out) = shell.start("sh -s").await.map_err(|error| error.to_string())?;
    // A log-in that has ended without reading it says so by its code.
    if stdin.to.write_all(script.as_bytes()).await.is_ok() {
        let _ = stdin.to.shutdown().await;
    }
    let mut code = None;
    while let Some(heard) = out.next().await.map_err(|error| error.to_string())? {
        if let link::Heard::Exited(exited) = heard {
            code = Some(exited);
        }
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    #[test]
    fn the_key_is_left_once_however_often_it_is_done() {
        let home = tempfile::tempdir().unwrap();
        let line = "restrict ssh-ed25519 AAAAC3Nza bramble@shelf";
        let run = || {
            let done = Command::new("sh").args(["-c", &leaving(line)]).env("HOME", home.path()).status().unwrap();
            assert!(done.success());
        };
        let file = home.path().join(".ssh/authorized_keys");
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        run();
        run();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{line}\n"));
        assert_eq!((mode(&file), mode(&home.path().join(".ssh"))), (0o600, 0o700));
        std::fs::write(&file, "ssh-ed25519 other").unwrap();
        run();
        run();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("ssh-ed25519 other\n{line}\n"));
    }

    #[test]
    fn a_place_that_is_none_is_refused() {
        let reach =
            |host: &str, user: &str, port| NodeReach { host: host.into(), port, user: user.into(), password: None };
        assert!(check(&reach("pi-9.local", "pi", 22)).is_ok());
        for bad in
            [reach("", "pi", 22), reach("-oProxyCommand=x", "pi", 22), reach("pi", "a b", 22), reach("pi", "pi", 0)]
        {
            assert!(check(&bad).is_err(), "{bad:?}");
        }
    }
}
