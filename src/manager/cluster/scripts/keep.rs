//! How people change the library.

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::api::{Refusal, Reply, Right};
use protocol::event::What;
use protocol::file::ContentHash;
use protocol::name::{PersonName, ScriptName};
use protocol::script::{Over, ScriptRef};

use super::super::Cluster;
use super::super::change::{Change, GrantRow, ScriptRow};
use super::super::port::Caller;
use super::super::turn::Turn;
use super::shelf::{Granted, Text, Version};

/// One person's.
const MOST: usize = 500;
/// Who is named in one grant.
const MOST_PEOPLE: usize = 200;

impl Cluster {
    /// The next version of one's own script of that name.
    pub(in super::super) fn keep_script(
        &mut self,
        caller: &Caller,
        name: ScriptName,
        over: Option<Over>,
        text: &Arc<Text>,
        turn: &mut Turn<'_>,
    ) -> Result<Reply, Refusal> {
        let owner = &caller.person;
        let before = self.scripts.newest(owner, &name).map(|(version, _)| version.hash);
        match (over, before) {
            (Some(Over::Nothing), Some(_)) => {
                return Err(Refusal::refused(format!(
                    "there is a script {name} of yours already; edit that one, or choose another name"
                )));
            }
            (Some(Over::Version(meant)), now) if now != Some(meant) => {
                let now = if now.is_some() { "was changed" } else { "was removed" };
                return Err(Refusal::refused(format!(
                    "script {name} {now} since you looked at it, so yours was not kept over it"
                )));
            }
            _ => {}
        }
        if before == Some(text.hash) {
            // As it is already.
            return self.kept(caller, name);
        }
        if before.is_none() && self.scripts.own.get(owner).is_some_and(|own| own.len() >= MOST) {
            return Err(Refusal::refused(format!(
                "you have {MOST} scripts already; remove some with: bramble script rm"
            )));
        }
        self.scripts.last += 1;
        let (number, hash, kept_at) = (self.scripts.last, text.hash, turn.now.wall);
        self.hold_version(text, turn);
        let row = ScriptRow { version: number, owner: owner.clone(), name: name.clone(), hash, kept_at };
        turn.persist(Change::Script(row));
        let versions = self.scripts.own.entry(owner.clone()).or_default().entry(name.clone()).or_default();
        versions.push(Version { number, hash, kept_at });
        let what = What::ScriptKept { owner: owner.clone(), name: name.clone(), hash };
        turn.publish_of(Some(owner.clone()), what);
        self.drop_old_versions(turn);
        self.kept(caller, name)
    }

    fn kept(&self, caller: &Caller, name: ScriptName) -> Result<Reply, Refusal> {
        let script = ScriptRef { owner: Some(caller.person.clone()), name };
        let found = self.find_script(caller, &script)?;
        Ok(Reply::ScriptKept(Box::new(self.view_of_script(&script.name, &found))))
    }

    /// Versions that a newer one has replaced stay for as long as a run refers to them.
    pub(super) fn drop_old_versions(&mut self, turn: &mut Turn<'_>) {
        let mut gone = vec![];
        for (owner, scripts) in &self.scripts.own {
            for (name, versions) in scripts {
                let old = versions.iter().rev().skip(1);
                let spare = old.filter(|version| !self.scripts.is_held_by_runs(&version.hash));
                gone.extend(spare.map(|version| (owner.clone(), name.clone(), version.number, version.hash)));
            }
        }
        for (owner, name, number, hash) in gone {
            if let Some(versions) = self.scripts.own.get_mut(&owner).and_then(|own| own.get_mut(&name)) {
                versions.retain(|version| version.number != number);
            }
            turn.persist(Change::ScriptGone(number));
            self.end_grants(
                |(of, called, version)| of.as_ref() == Some(&owner) && *called == name && *version == hash,
                turn,
            );
            self.let_go_of_version(&hash, turn);
        }
    }

    pub(in super::super) fn remove_script(
        &mut self,
        caller: &Caller,
        script: &ScriptRef,
        turn: &mut Turn<'_>,
    ) -> Result<Reply, Refusal> {
        let found = self.find_script(caller, script)?;
        let Some(owner) = found.owner else {
            let ships = format!(
                "script {script} comes with the program and stays; one of your own with that name goes before it"
            );
            return Err(Refusal::refused(ships));
        };
        if owner != caller.person && caller.right != Right::Admin {
            return Err(Refusal::refused(format!(
                "script {script} is {owner}'s, and only {owner} or an admin may remove it"
            )));
        }
        let name = &script.name;
        let versions = self.scripts.own.get_mut(&owner).and_then(|own| own.remove(name)).unwrap_or_default();
        if self.scripts.own.get(&owner).is_some_and(|own| own.is_empty()) {
            self.scripts.own.remove(&owner);
        }
        for version in versions {
            turn.persist(Change::ScriptGone(version.number));
            self.let_go_of_version(&version.hash, turn);
        }
        self.end_grants(|(of, called, _)| of.as_ref() == Some(&owner) && called == name, turn);
        turn.publish_of(Some(caller.person.clone()), What::ScriptRemoved { owner, name: name.clone() });
        Ok(Reply::End)
    }

    fn end_grants(&mut self, is_meant: impl Fn(&Granted) -> bool, turn: &mut Turn<'_>) {
        let gone: Vec<Granted> = self.scripts.granted.keys().filter(|key| is_meant(key)).cloned().collect();
        for key in gone {
            self.scripts.granted.remove(&key);
            let (owner, name, hash) = key;
            turn.persist(Change::Granted(GrantRow { owner, name, hash, people: vec![] }));
        }
    }

    fn set_grant(&mut self, key: Granted, people: BTreeSet<PersonName>, turn: &mut Turn<'_>) {
        let (owner, name, hash) = key.clone();
        turn.persist(Change::Granted(GrantRow { owner, name, hash, people: people.iter().cloned().collect() }));
        if people.is_empty() {
            self.scripts.granted.remove(&key);
        } else {
            self.scripts.granted.insert(key, people);
        }
    }

    /// Operators may run this version as root, or not any more. A newer one has to be granted again.
    pub(in super::super) fn grant_script(
        &mut self,
        caller: &Caller,
        script: &ScriptRef,
        hash: ContentHash,
        to: &[PersonName],
        on: bool,
        turn: &mut Turn<'_>,
    ) -> Result<Reply, Refusal> {
        if to.is_empty() || to.len() > MOST_PEOPLE {
            return Err(Refusal::usage(format!("name whom it is for, at least one and at most {MOST_PEOPLE}")));
        }
        let found = self.find_script(caller, script)?;
        if on && found.text.hash != hash {
            return Err(Refusal::refused(format!(
                "script {script} has changed since you looked at it; look again before you let others run it as root"
            )));
        }
        let (owner, name) = (found.owner, script.name.clone());
        if on {
            let key = (owner.clone(), name.clone(), hash);
            let mut people = self.scripts.granted.get(&key).cloned().unwrap_or_default();
            people.extend(to.iter().cloned());
            self.set_grant(key, people, turn);
        } else {
            // Of older versions too, which may come back as they were.
            let of_it = self.scripts.granted.iter().filter(|((of, called, _), _)| *of == owner && *called == name);
            let of_it: Vec<_> = of_it.map(|(key, people)| (key.clone(), people.clone())).collect();
            for (key, mut people) in of_it {
                people.retain(|person| !to.contains(person));
                self.set_grant(key, people, turn);
            }
        }
        let script = ScriptRef { owner, name };
        let what = What::ScriptGranted { script: script.clone(), hash, to: to.to_vec(), on };
        turn.publish_of(Some(caller.person.clone()), what);
        let found = self.find_script(caller, &script)?;
        Ok(Reply::ScriptKept(Box::new(self.view_of_script(&script.name, &found))))
    }
}
