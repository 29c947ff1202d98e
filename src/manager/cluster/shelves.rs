//! The table of files: who keeps what under which name, who else may see it, and what all of it takes. The bytes are
//! elsewhere; here a content is only a hash, and who refers to it: versions, and jobs that were given it or left it.
//!
//! What somebody takes of their quota is the size of all they keep under a name, and of each content that is held by jobs
//! of theirs and that nobody keeps under any name, once.

use std::collections::{BTreeMap, BTreeSet};

use protocol::file::{ContentHash, FileKind, FileView};
use protocol::name::{FileName, PersonName};
use protocol::time::UnixMillis;

use super::change::FileRow;

#[derive(Debug, Default)]
pub struct Shelves {
    shelves: BTreeMap<PersonName, Shelf>,
    shown_to: BTreeMap<PersonName, BTreeSet<(PersonName, FileName)>>,
    contents: BTreeMap<ContentHash, Content>,
    /// Bytes held by jobs of each, that no name has any more.
    nameless: BTreeMap<PersonName, u64>,
    last_version: u64,
}

/// Who refers to it; one that nobody refers to is not here.
#[derive(Debug)]
struct Content {
    size: u64,
    versions: u32,
    /// How often jobs of each person were given it, or left it.
    jobs: BTreeMap<PersonName, u32>,
}

/// What one person keeps.
#[derive(Debug, Default)]
pub struct Shelf {
    files: BTreeMap<FileName, File>,
    used: u64,
}

#[derive(Debug, Clone)]
pub struct File {
    pub version: u64,
    pub kind: FileKind,
    pub executable: bool,
    pub size: u64,
    pub hash: ContentHash,
    pub kept_at: UnixMillis,
    pub shared_with: BTreeSet<PersonName>,
}

impl File {
    pub fn row(&self, owner: &PersonName, name: &FileName) -> FileRow {
        FileRow {
            version: self.version,
            owner: owner.clone(),
            name: name.clone(),
            kind: self.kind,
            executable: self.executable,
            size: self.size,
            hash: self.hash,
            kept_at: self.kept_at,
            shared_with: self.shared_with.iter().cloned().collect(),
        }
    }

    pub fn view(&self, owner: &PersonName, name: &FileName) -> FileView {
        FileView {
            owner: owner.clone(),
            name: name.clone(),
            kind: self.kind,
            executable: self.executable,
            size: self.size,
            hash: self.hash,
            version: self.version,
            kept_at: self.kept_at,
            shared_with: self.shared_with.iter().cloned().collect(),
        }
    }
}

impl Shelf {
    /// In bytes; the same content under two names counts twice.
    pub fn used(&self) -> u64 {
        self.used
    }

    pub fn len(&self) -> usize {
        self.files.len()
    }

    pub fn get(&self, name: &FileName) -> Option<&File> {
        self.files.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&FileName, &File)> {
        self.files.iter()
    }
}

impl Shelves {
    pub fn load(rows: Vec<FileRow>, last_version: u64) -> Self {
        let mut all = Self { last_version, ..Self::default() };
        for row in rows {
            all.last_version = all.last_version.max(row.version);
            let FileRow { version, owner, name, kind, executable, size, hash, kept_at, shared_with } = row;
            let shared_with = shared_with.into_iter().collect();
            let file = File { version, kind, executable, size, hash, kept_at, shared_with };
            all.put(&owner, name, file);
        }
        all
    }

    pub fn of(&self, owner: &PersonName) -> Option<&Shelf> {
        self.shelves.get(owner)
    }

    pub fn get(&self, owner: &PersonName, name: &FileName) -> Option<&File> {
        self.shelves.get(owner)?.get(name)
    }

    pub fn owners(&self) -> impl Iterator<Item = (&PersonName, &Shelf)> {
        self.shelves.iter()
    }

    /// What others let this person see.
    pub fn shown_to(&self, person: &PersonName) -> impl Iterator<Item = &(PersonName, FileName)> {
        self.shown_to.get(person).into_iter().flatten()
    }

    pub fn next_version(&mut self) -> u64 {
        self.last_version += 1;
        self.last_version
    }

    /// In the place of what had that name, which is returned.
    pub fn put(&mut self, owner: &PersonName, name: FileName, file: File) -> Option<File> {
        self.name_content(file.hash, file.size);
        for person in &file.shared_with {
            self.shown_to.entry(person.clone()).or_default().insert((owner.clone(), name.clone()));
        }
        let shelf = self.shelves.entry(owner.clone()).or_default();
        shelf.used = shelf.used.saturating_add(file.size);
        let before = shelf.files.insert(name.clone(), file);
        if let Some(before) = &before {
            shelf.used = shelf.used.saturating_sub(before.size);
            self.unname_content(before.hash);
        }
        before
    }

    pub fn take(&mut self, owner: &PersonName, name: &FileName) -> Option<File> {
        let shelf = self.shelves.get_mut(owner)?;
        let file = shelf.files.remove(name)?;
        shelf.used = shelf.used.saturating_sub(file.size);
        if shelf.files.is_empty() {
            self.shelves.remove(owner);
        }
        self.unname_content(file.hash);
        let key = (owner.clone(), name.clone());
        for person in &file.shared_with {
            if let Some(shown) = self.shown_to.get_mut(person) {
                shown.remove(&key);
                if shown.is_empty() {
                    self.shown_to.remove(person);
                }
            }
        }
        Some(file)
    }

    pub fn refers_to(&self, content: &ContentHash) -> bool {
        self.contents.contains_key(content)
    }

    /// Of their quota.
    pub fn used_by(&self, person: &PersonName) -> u64 {
        let named = self.of(person).map_or(0, Shelf::used);
        named.saturating_add(self.held_nameless(person))
    }

    /// Of everybody's: under names, and held by jobs alone.
    #[cfg(test)]
    pub fn used(&self) -> (Vec<(&PersonName, u64)>, &BTreeMap<PersonName, u64>) {
        (self.owners().map(|(owner, shelf)| (owner, shelf.used())).collect(), &self.nameless)
    }

    /// The part of it that only jobs hold.
    pub fn held_nameless(&self, person: &PersonName) -> u64 {
        self.nameless.get(person).copied().unwrap_or(0)
    }

    /// What somebody takes beside a file of this name, once it has this content.
    pub fn used_beside(&self, owner: &PersonName, name: &FileName, content: &ContentHash) -> u64 {
        let held = |content: &ContentHash, versions: u32| {
            let found = self.contents.get(content).filter(|found| found.versions == versions);
            found.filter(|found| found.jobs.contains_key(owner)).map_or(0, |found| found.size)
        };
        let mut used = self.used_by(owner);
        if let Some(before) = self.get(owner, name) {
            used = used.saturating_sub(before.size);
            if before.hash != *content {
                used = used.saturating_add(held(&before.hash, 1));
            }
        }
        used.saturating_sub(held(content, 0))
    }

    /// A job of this person is given it, or left it.
    pub fn hold(&mut self, person: &PersonName, content: ContentHash, size: u64) {
        let found = self.contents.entry(content).or_insert_with(|| Content::of(size));
        let jobs = found.jobs.entry(person.clone()).or_default();
        *jobs += 1;
        if *jobs == 1 && found.versions == 0 {
            add(&mut self.nameless, person, found.size);
        }
    }

    /// Such a job is forgotten, or what it left.
    pub fn release(&mut self, person: &PersonName, content: &ContentHash) {
        let Some(found) = self.contents.get_mut(content) else { return };
        let Some(jobs) = found.jobs.get_mut(person) else { return };
        *jobs -= 1;
        if *jobs == 0 {
            found.jobs.remove(person);
            if found.versions == 0 {
                subtract(&mut self.nameless, person, found.size);
            }
        }
        self.forget_unless_referred(content);
    }

    fn name_content(&mut self, content: ContentHash, size: u64) {
        let found = self.contents.entry(content).or_insert_with(|| Content::of(size));
        found.versions += 1;
        if found.versions == 1 {
            found.jobs.keys().for_each(|person| subtract(&mut self.nameless, person, found.size));
        }
    }

    fn unname_content(&mut self, content: ContentHash) {
        let Some(found) = self.contents.get_mut(&content) else { return };
        found.versions -= 1;
        if found.versions == 0 {
            found.jobs.keys().for_each(|person| add(&mut self.nameless, person, found.size));
        }
        self.forget_unless_referred(&content);
    }

    fn forget_unless_referred(&mut self, content: &ContentHash) {
        if self.contents.get(content).is_some_and(|found| found.versions == 0 && found.jobs.is_empty()) {
            self.contents.remove(content);
        }
    }
}

impl Content {
    fn of(size: u64) -> Self {
        Self { size, versions: 0, jobs: BTreeMap::new() }
    }
}

fn add(to: &mut BTreeMap<PersonName, u64>, person: &PersonName, bytes: u64) {
    let sum = to.entry(person.clone()).or_default();
    *sum = sum.saturating_add(bytes);
}

fn subtract(from: &mut BTreeMap<PersonName, u64>, person: &PersonName, bytes: u64) {
    if let Some(sum) = from.get_mut(person) {
        *sum = sum.saturating_sub(bytes);
        if *sum == 0 {
            from.remove(person);
        }
    }
}
