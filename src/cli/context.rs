//! What every verb is given: the way to the manager, and where to say what came of it.

use std::fmt::Display;
use std::io::{self, Write};

use clap::builder::styling::AnsiColor;
use protocol::api::Reply;
use serde::Serialize;

use super::Everywhere;
use super::comeback::Comeback;
use super::exit::{Failure, Kind};
use super::look::Look;
use super::text::{clean, clean_json};
use crate::client::{AddressError, Client, ManagerAddress};

const MANAGER: &str = "BRAMBLE_MANAGER";

#[derive(Debug)]
pub struct Context {
    manager: Option<String>,
    pub json: bool,
    /// Of stdout.
    pub look: Look,
    errors: Look,
    pub comeback: Comeback,
}

impl Context {
    pub fn new(everywhere: &Everywhere) -> Self {
        Self {
            manager: everywhere.manager.clone(),
            json: everywhere.json,
            look: Look::of(everywhere.color, &io::stdout()),
            errors: Look::of(everywhere.color, &io::stderr()),
            comeback: Comeback::from_env(),
        }
    }

    /// Of stderr.
    pub fn errors(&self) -> Look {
        self.errors
    }

    pub async fn client(&self) -> Result<Client, Failure> {
        Ok(Client::connect(&self.address()?).await?)
    }

    pub fn address(&self) -> Result<ManagerAddress, Failure> {
        match named_manager(self.manager.as_deref())? {
            Some(address) => Ok(address),
            None => Ok(ManagerAddress::local()?),
        }
    }

    /// Text for people, or for `cut` and `awk`.
    pub fn print(&self, text: impl Display) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        write!(out, "{text}").and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
    }

    /// One JSON value on a line of its own.
    pub fn print_json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let json = serde_json::to_string(value).map_err(|error| Failure::new(Kind::Fault, error))?;
        self.print(format_args!("{}\n", clean_json(&json)))
    }

    /// A sentence beside the output. Where stderr is gone nobody can be told.
    pub fn note(&self, sentence: impl Display) {
        let _ = writeln!(io::stderr(), "bramble: {}", clean(&sentence.to_string()));
    }

    /// Only for a person who watches: hints, and what a script would have to filter out.
    pub fn hint(&self, sentence: impl Display) {
        if self.hears_hints() {
            let _ = writeln!(io::stderr(), "{}", clean(&sentence.to_string()));
        }
    }

    /// Whether there is somebody for whom it is worth asking more.
    pub fn hears_hints(&self) -> bool {
        self.look.terminal && !self.json
    }

    pub fn report(&self, failure: &Failure) {
        if failure.unread {
            return;
        }
        if self.json {
            let _ = writeln!(io::stderr(), "{}", clean_json(&serde_json::json!({ "error": failure }).to_string()));
        } else {
            let name = self.errors.paint(AnsiColor::Red, "bramble:");
            let _ = writeln!(io::stderr(), "{name} {}", clean(&failure.message));
        }
    }
}

/// The one named on the command line, else in the environment.
pub fn named_manager(named: Option<&str>) -> Result<Option<ManagerAddress>, Failure> {
    if let Some(address) = named {
        return address.parse().map(Some).map_err(Failure::usage);
    }
    let Some(address) = std::env::var_os(MANAGER).filter(|address| !address.is_empty()) else { return Ok(None) };
    let wrong = |error: AddressError| Failure::usage(format_args!("{MANAGER} is wrong: {error}"));
    address.to_string_lossy().parse().map(Some).map_err(wrong)
}

/// Asks, and takes the one kind of reply that fits.
macro_rules! ask {
    ($client:expr, $request:expr, $reply:pat => $value:expr) => {
        match $client.call($request).await {
            Ok($reply) => Ok($value),
            Ok(other) => Err($crate::cli::context::unfit(&other)),
            Err(error) => Err($crate::cli::exit::Failure::from(error)),
        }
    };
}
pub(crate) use ask;

pub fn unfit(reply: &Reply) -> Failure {
    let reply = serde_json::to_value(reply).unwrap_or_default();
    let tag = reply.as_object().and_then(|map| map.keys().next()).map_or("end", String::as_str);
    let version = protocol::VERSION;
    let sentence = format!("the manager gave an answer that does not fit ({tag}); is it of this version, {version}?");
    Failure::new(Kind::Unavailable, sentence)
}
