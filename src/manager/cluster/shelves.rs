//! The table of files: who keeps what under which name, who else may see it, and what all of it takes. The bytes are
//! elsewhere; here a content is only a hash, and how many versions have it.

use std::collections::{BTreeMap, BTreeSet};

use protocol::file::{ContentHash, FileKind, FileView};
use protocol::name::{FileName, PersonName};
use protocol::time::UnixMillis;

use super::change::FileRow;

#[derive(Debug, Default)]
pub struct Shelves {
    shelves: BTreeMap<PersonName, Shelf>,
    shown_to: BTreeMap<PersonName, BTreeSet<(PersonName, FileName)>>,
    contents: BTreeMap<ContentHash, u32>,
    last_version: u64,
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
            let FileRow { version, owner, name, kind, size, hash, kept_at, shared_with } = row;
            let file = File { version, kind, size, hash, kept_at, shared_with: shared_with.into_iter().collect() };
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
        *self.contents.entry(file.hash).or_default() += 1;
        for person in &file.shared_with {
            self.shown_to.entry(person.clone()).or_default().insert((owner.clone(), name.clone()));
        }
        let shelf = self.shelves.entry(owner.clone()).or_default();
        shelf.used = shelf.used.saturating_add(file.size);
        let before = shelf.files.insert(name.clone(), file);
        if let Some(before) = &before {
            shelf.used = shelf.used.saturating_sub(before.size);
            self.let_go(before.hash);
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
        self.let_go(file.hash);
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

    fn let_go(&mut self, content: ContentHash) {
        if let Some(count) = self.contents.get_mut(&content) {
            *count -= 1;
            if *count == 0 {
                self.contents.remove(&content);
            }
        }
    }
}
