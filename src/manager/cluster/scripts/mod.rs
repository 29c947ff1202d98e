//! The library: scripts that come with the program and people's own, their versions, and who may run which as root.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::api::{Refusal, Reply};
use protocol::file::ContentHash;
use protocol::name::PersonName;
use protocol::script::{About, Language, ScriptKeep, ScriptRef};

use super::Cluster;
use super::change::{GrantRow, ScriptRow, TextRow};
use super::port::Caller;
use super::turn::Turn;

#[derive(Debug, Default)]
pub struct Scripts {}

/// A script as a run is given it.
#[derive(Debug, Clone)]
#[allow(dead_code, reason = "its users come with runs")]
pub struct Found {
    pub language: Language,
    pub about: About,
    pub text: Arc<str>,
    pub hash: ContentHash,
    /// Whether who asks may run it as root: an admin, or an operator who was granted this version.
    pub as_root: bool,
}

/// All parameters of a script, those that were not given too.
pub fn params(found: &Found, given: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Refusal> {
    let _ = found;
    Ok(given)
}

impl Scripts {
    pub fn load(_scripts: Vec<ScriptRow>, _texts: Vec<TextRow>, _grants: Vec<GrantRow>, _last: u64) -> Self {
        Self::default()
    }
}

impl Cluster {
    /// What is meant by that name, for whom.
    pub(super) fn find_script(&self, _caller: &Caller, script: &ScriptRef) -> Result<Found, Refusal> {
        Err(Refusal::not_found(format!("there is no script {script}")))
    }

    /// The text of this hash, which a script or a run refers to.
    pub(super) fn script_text(&self, _hash: &ContentHash) -> Option<Arc<str>> {
        None
    }

    /// A run refers to this text, from here on.
    pub(super) fn hold_text(&mut self, _found: &Found, _turn: &mut Turn<'_>) {}

    /// A run that is forgotten does not refer to it any more.
    pub(super) fn let_go_of_text(&mut self, _hash: &ContentHash, _turn: &mut Turn<'_>) {}

    pub(super) fn list_scripts(&self, _caller: &Caller) -> Reply {
        Reply::Scripts(vec![])
    }

    pub(super) fn show_script(&self, caller: &Caller, script: &ScriptRef) -> Result<Reply, Refusal> {
        self.find_script(caller, script).map(|_| Reply::Scripts(vec![]))
    }

    pub(super) fn keep_script(&mut self, _: &Caller, _: ScriptKeep, _: &mut Turn<'_>) -> Result<Reply, Refusal> {
        Err(Refusal::refused("this manager keeps no scripts yet"))
    }

    pub(super) fn remove_script(
        &mut self,
        caller: &Caller,
        script: &ScriptRef,
        _: &mut Turn<'_>,
    ) -> Result<Reply, Refusal> {
        self.find_script(caller, script).map(|_| Reply::End)
    }

    pub(super) fn grant_script(
        &mut self,
        caller: &Caller,
        script: &ScriptRef,
        _: ContentHash,
        _: &[PersonName],
        _: bool,
        _: &mut Turn<'_>,
    ) -> Result<Reply, Refusal> {
        self.find_script(caller, script).map(|_| Reply::End)
    }
}
