//! The tables of the library. Each text is there once, for as long as a script or a run refers to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use protocol::api::{Refusal, Right};
use protocol::file::ContentHash;
use protocol::name::{PersonName, ScriptName};
use protocol::script::{About, Language, ScriptRef};
use protocol::time::UnixMillis;

use super::super::Cluster;
use super::super::change::{Change, GrantRow, RunRow, ScriptRow, TextRow};
use super::super::port::Caller;
use super::super::turn::Turn;

/// What a script is, and what it says of itself.
#[derive(Debug, PartialEq, Eq)]
pub struct Text {
    pub hash: ContentHash,
    pub language: Language,
    pub about: About,
    pub text: Arc<str>,
}

#[derive(Debug, Default)]
pub struct Scripts {
    pub(super) shipped: BTreeMap<ScriptName, Arc<Text>>,
    /// The versions of each, the newest last. Never none.
    pub(super) own: BTreeMap<PersonName, BTreeMap<ScriptName, Vec<Version>>>,
    texts: BTreeMap<ContentHash, Kept>,
    pub(super) granted: BTreeMap<Granted, BTreeSet<PersonName>>,
    pub(super) last: u64,
}

#[derive(Debug)]
pub(super) struct Version {
    pub number: u64,
    pub hash: ContentHash,
    pub kept_at: UnixMillis,
}

#[derive(Debug)]
struct Kept {
    text: Arc<Text>,
    versions: u32,
    runs: u32,
}

/// One version of one script; no owner is what comes with the program.
pub(super) type Granted = (Option<PersonName>, ScriptName, ContentHash);

/// A script as somebody means it who may run it.
#[derive(Debug, Clone)]
pub struct Found {
    pub owner: Option<PersonName>,
    pub text: Arc<Text>,
    /// Whether who asks may run it as root: an admin, or an operator who was granted this version.
    pub as_root: bool,
}

impl Scripts {
    pub fn load(
        shipped: &[(ScriptName, Arc<Text>)],
        scripts: Vec<ScriptRow>,
        texts: Vec<TextRow>,
        grants: Vec<GrantRow>,
        last: u64,
    ) -> Self {
        let mut all = Self { shipped: shipped.iter().cloned().collect(), last, ..Self::default() };
        for TextRow { text } in texts {
            all.texts.insert(text.hash, Kept { text, versions: 0, runs: 0 });
        }
        for ScriptRow { version, owner, name, hash, kept_at } in scripts {
            if let Some(kept) = all.texts.get_mut(&hash) {
                kept.versions += 1;
                let versions = all.own.entry(owner).or_default().entry(name).or_default();
                versions.push(Version { number: version, hash, kept_at });
            }
            all.last = all.last.max(version);
        }
        let of_all = all.own.values_mut().flat_map(BTreeMap::values_mut);
        of_all.for_each(|versions| versions.sort_unstable_by_key(|version| version.number));
        for GrantRow { owner, name, hash, people } in grants {
            all.granted.insert((owner, name, hash), people.into_iter().collect());
        }
        all
    }

    /// A run refers to its text; said of each run that is loaded.
    pub fn load_run(&mut self, run: &RunRow) {
        if let Some(kept) = run.text.and_then(|hash| self.texts.get_mut(&hash)) {
            kept.runs += 1;
        }
    }

    pub(super) fn text(&self, hash: &ContentHash) -> Option<&Arc<Text>> {
        self.texts.get(hash).map(|kept| &kept.text)
    }

    pub(super) fn is_held_by_runs(&self, hash: &ContentHash) -> bool {
        self.texts.get(hash).is_some_and(|kept| kept.runs > 0)
    }

    /// The newest version of somebody's script.
    pub(super) fn newest(&self, owner: &PersonName, name: &ScriptName) -> Option<(&Version, &Arc<Text>)> {
        let version = self.own.get(owner)?.get(name)?.last()?;
        Some((version, self.text(&version.hash)?))
    }

    pub(super) fn is_granted(&self, key: &Granted, person: &PersonName) -> bool {
        self.granted.get(key).is_some_and(|people| people.contains(person))
    }
}

impl Cluster {
    /// What is meant by that name, for whom.
    pub(in super::super) fn find_script(&self, caller: &Caller, script: &ScriptRef) -> Result<Found, Refusal> {
        let ScriptRef { owner, name } = script;
        let person = owner.as_ref().unwrap_or(&caller.person);
        let own = self.scripts.newest(person, name).map(|(_, text)| (Some(person.clone()), text));
        let shipped = || self.scripts.shipped.get(name).map(|text| (None, text));
        let found = if owner.is_some() { own } else { own.or_else(shipped) };
        let none = || Refusal::not_found(format!("there is no script {script}; bramble script ls shows them"));
        let (owner, text) = found.ok_or_else(none)?;
        let admin = caller.right == Right::Admin;
        let granted = self.scripts.is_granted(&(owner.clone(), name.clone(), text.hash), &caller.person);
        let others = owner.as_ref().is_some_and(|owner| *owner != caller.person);
        if others && !admin && !granted {
            return Err(none());
        }
        Ok(Found { owner, text: text.clone(), as_root: admin || granted })
    }

    /// The text of this hash, which a script or a run refers to.
    pub(in super::super) fn script_text(&self, hash: &ContentHash) -> Option<Arc<str>> {
        self.scripts.text(hash).map(|text| text.text.clone())
    }

    /// A run refers to this text, from here on.
    pub(in super::super) fn hold_text(&mut self, found: &Found, turn: &mut Turn<'_>) {
        self.refer(&found.text, turn).runs += 1;
    }

    /// A run that is forgotten does not refer to it any more. Old versions were there for it alone.
    pub(in super::super) fn let_go_of_text(&mut self, hash: &ContentHash, turn: &mut Turn<'_>) {
        if let Some(kept) = self.scripts.texts.get_mut(hash) {
            kept.runs = kept.runs.saturating_sub(1);
        }
        self.drop_old_versions(turn);
        self.drop_text(hash, turn);
    }

    pub(super) fn hold_version(&mut self, text: &Arc<Text>, turn: &mut Turn<'_>) {
        self.refer(text, turn).versions += 1;
    }

    pub(super) fn let_go_of_version(&mut self, hash: &ContentHash, turn: &mut Turn<'_>) {
        if let Some(kept) = self.scripts.texts.get_mut(hash) {
            kept.versions = kept.versions.saturating_sub(1);
        }
        self.drop_text(hash, turn);
    }

    fn refer(&mut self, text: &Arc<Text>, turn: &mut Turn<'_>) -> &mut Kept {
        self.scripts.texts.entry(text.hash).or_insert_with(|| {
            turn.persist(Change::Text(TextRow { text: text.clone() }));
            Kept { text: text.clone(), versions: 0, runs: 0 }
        })
    }

    fn drop_text(&mut self, hash: &ContentHash, turn: &mut Turn<'_>) {
        if self.scripts.texts.get(hash).is_some_and(|kept| kept.versions == 0 && kept.runs == 0) {
            self.scripts.texts.remove(hash);
            turn.persist(Change::TextGone(*hash));
        }
    }
}
