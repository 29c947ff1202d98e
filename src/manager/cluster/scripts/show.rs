//! What people see of the library.

use protocol::api::{Refusal, Reply, Right};
use protocol::name::ScriptName;
use protocol::script::{ScriptRef, ScriptView};

use super::super::Cluster;
use super::super::port::Caller;
use super::shelf::Found;

impl Cluster {
    /// One's own, what one was granted, and what comes with the program; of an admin everybody's.
    pub(in super::super) fn list_scripts(&self, caller: &Caller) -> Reply {
        let shipped = self.scripts.shipped.iter().map(|(name, text)| {
            let as_root = caller.right == Right::Admin;
            self.view_of_script(name, &Found { owner: None, text: text.clone(), as_root })
        });
        let own = self.scripts.own.iter().flat_map(|(owner, scripts)| scripts.keys().map(move |name| (owner, name)));
        let own = own.filter_map(|(owner, name)| {
            let script = ScriptRef { owner: Some(owner.clone()), name: name.clone() };
            Some(self.view_of_script(name, &self.find_script(caller, &script).ok()?))
        });
        Reply::Scripts(own.chain(shipped).collect())
    }

    pub(in super::super) fn show_script(&self, caller: &Caller, script: &ScriptRef) -> Result<Reply, Refusal> {
        let found = self.find_script(caller, script)?;
        let view = Box::new(self.view_of_script(&script.name, &found));
        Ok(Reply::Script { script: view, text: found.text.text.to_string() })
    }

    pub(super) fn view_of_script(&self, name: &ScriptName, found: &Found) -> ScriptView {
        let Found { owner, text, .. } = found;
        let versions = owner.as_ref().and_then(|owner| self.scripts.own.get(owner)?.get(name));
        let granted = self.scripts.granted.get(&(owner.clone(), name.clone(), text.hash));
        ScriptView {
            owner: owner.clone(),
            name: name.clone(),
            language: text.language,
            about: text.about.clone(),
            size: text.text.len() as u64,
            hash: text.hash,
            kept_at: versions.and_then(|versions| versions.last()).map(|newest| newest.kept_at),
            versions: versions.map_or(1, |versions| u32::try_from(versions.len()).unwrap_or(u32::MAX)),
            granted: granted.into_iter().flatten().cloned().collect(),
        }
    }
}
