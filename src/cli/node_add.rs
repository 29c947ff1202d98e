//! `node add`: a node without an agent, reached by its own SSH. It is looked at first, and added when a person has seen its
//! host key.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::str::FromStr;

use clap::Args;
use link::Fingerprint;
use protocol::api::{NodeReach, Probed, Reply, Request};
use protocol::name::NodeName;
use protocol::secret::Hidden;

use super::context::{Context, ask};
use super::exit::{Exit, Failure, Kind};
use crate::client::Client;

/// Add one that has no agent, by its own SSH
///
/// The manager logs in there with a key of its own, looks whether it answers, and runs commands and scripts there. Where that key
/// is not let in yet, the password of the user is asked for, used once to leave the key in ~/.ssh/authorized_keys, and not
/// kept. A node that has an agent gets another way by this, for when the agent is not there. Done again, the way is another,
/// or the host key is: that is how a changed one is approved.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bramble node add pi-9 pi@10.0.0.9              shows the host key, and asks
  bramble node add pi-9 root@pi-9.local:2200
  bramble node add pi-9 pi@10.0.0.9 --host-key SHA256:Hq…    without asking: that one and no other
  pass show pi-9 | bramble node add pi-9 pi@10.0.0.9 --yes --password-stdin

On the node itself, this shows which host key is the right one:
  ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub

Commands run there as the user named, who is root or may use sudo without a password. Without a user it is root.

Exit codes: 0 added, 2 not understood, 3 refused or not reached, 4 manager not reachable")]
pub struct AddArgs {
    /// What it is to be called
    name: NodeName,
    /// Where it is
    #[arg(value_name = "[USER@]HOST[:PORT]")]
    place: Place,
    /// Its host key is to be this one
    #[arg(long, value_name = "SHA256:…")]
    host_key: Option<Fingerprint>,
    /// Approve whatever host key it has
    #[arg(long, short, conflicts_with = "host_key")]
    yes: bool,
    /// Read the password from stdin, should one be needed
    #[arg(long)]
    password_stdin: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    user: String,
    host: String,
    port: u16,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (user, rest) = text.rsplit_once('@').unwrap_or(("root", text));
        let wrong =
            || format!("{text:?} is no place; write it as in pi@10.0.0.9, pi-9.local:2200 or root@[fd00::9]:22");
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
                (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or_else(wrong)?) })
            }
            // Several colons are an address without a port.
            None => match rest.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                _ => (rest, None),
            },
        };
        let port = port.map_or(Ok(22), |port| port.parse().map_err(|_| wrong()))?;
        if user.is_empty() || host.is_empty() || port == 0 {
            return Err(wrong());
        }
        Ok(Place { user: user.to_owned(), host: host.to_owned(), port })
    }
}

impl Place {
    fn reach(&self, password: Option<Hidden>) -> NodeReach {
        NodeReach { host: self.host.clone(), port: self.port, user: self.user.clone(), password }
    }
}

pub async fn add(args: AddArgs, context: &Context) -> Result<Exit, Failure> {
    let AddArgs { name, place, host_key, yes, password_stdin } = args;
    let asks = io::stdin().is_terminal() && io::stderr().is_terminal();
    if !asks && host_key.is_none() && !yes {
        return Err(Failure::usage(
            "nothing was added: there is no terminal to ask on whether the host key is right; name it with --host-key, or take whatever it is with --yes",
        ));
    }
    let client = context.client().await?;
    let found = ask!(client, Request::NodeProbe(place.reach(None)), Reply::NodeProbed(found) => found)?;
    approve(&name, &place, &found, host_key.as_ref(), yes)?;
    let password = match found.lets_in {
        true => None,
        false => Some(password(&place, &found, password_stdin, asks)?),
    };
    let request = Request::NodeAdd { name, reach: place.reach(password), host_key: found.host_key };
    tell(&client, request, context).await
}

async fn tell(client: &Client, request: Request, context: &Context) -> Result<Exit, Failure> {
    let node = ask!(client, request, Reply::Node(node) => node)?;
    if context.json {
        context.print_json(&node)?;
    } else {
        context.print(format_args!("{}: added, {}\n", node.name, node.state))?;
    }
    Ok(Exit::OK)
}

fn approve(
    name: &NodeName,
    place: &Place,
    found: &Probed,
    expected: Option<&Fingerprint>,
    yes: bool,
) -> Result<(), Failure> {
    let Place { host, .. } = place;
    match expected {
        Some(expected) if expected.as_str() == found.host_key => return Ok(()),
        Some(expected) => {
            return Err(Failure::new(
                Kind::Refused,
                format_args!("nothing was added: the host key of {host} is {}, not {expected}", found.host_key),
            ));
        }
        None if yes => return Ok(()),
        None => {}
    }
    let question = format!("The host key of {host} is {}.\nIs that {name}? [y/N] ", found.host_key);
    let mut answer = String::new();
    let asked = write!(io::stderr(), "{question}").and_then(|()| io::stdin().lock().read_line(&mut answer));
    if asked.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Failure::new(Kind::Refused, "nothing was added"))
}

/// More than any password.
const LONGEST: u64 = 4096;

fn password(place: &Place, found: &Probed, from_stdin: bool, asks: bool) -> Result<Hidden, Failure> {
    let Place { user, host, .. } = place;
    let paste = format!("add this line to ~{user}/.ssh/authorized_keys there and try again: {}", found.own_key);
    if !found.takes_password {
        let told =
            format_args!("nothing was added: {host} does not let the manager in, and takes no passwords; {paste}");
        return Err(Failure::new(Kind::Refused, told));
    }
    let typed = if from_stdin {
        let mut text = String::new();
        io::stdin()
            .take(LONGEST)
            .read_to_string(&mut text)
            .map_err(|error| Failure::usage(format_args!("the password cannot be read from stdin: {error}")))?;
        text.trim_end_matches(['\r', '\n']).to_owned()
    } else if asks {
        rpassword::prompt_password(format!("password of {user} at {host}, used once (is not shown): "))
            .map_err(|error| Failure::usage(format_args!("nothing was added, as nothing was typed ({error})")))?
    } else {
        return Err(Failure::new(
            Kind::Refused,
            format_args!(
                "nothing was added: {host} does not let the manager in yet; give the password with --password-stdin, or {paste}"
            ),
        ));
    };
    Ok(Hidden::of(typed.into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_as_for_ssh() {
        let place = |user: &str, host: &str, port| Ok(Place { user: user.into(), host: host.into(), port });
        for (text, expected) in [
            ("10.0.0.9", place("root", "10.0.0.9", 22)),
            ("pi@pi-9.local", place("pi", "pi-9.local", 22)),
            ("pi@pi-9.local:2200", place("pi", "pi-9.local", 2200)),
            ("fd00::9", place("root", "fd00::9", 22)),
            ("pi@[fd00::9]:2200", place("pi", "fd00::9", 2200)),
            ("pi@[fd00::9]", place("pi", "fd00::9", 22)),
            ("a@b@host", place("a@b", "host", 22)),
        ] {
            assert_eq!(text.parse::<Place>(), expected, "{text}");
        }
        for bad in ["", "pi@", "@host", "host:0", "host:ssh", "host:70000", "[fd00::9", "[fd00::9]2200"] {
            assert!(bad.parse::<Place>().is_err(), "{bad}");
        }
    }
}
