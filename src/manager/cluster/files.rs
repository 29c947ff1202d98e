//! Files: who may keep, see and change them, and how much anybody may keep.
//!
//! A name has one version, the newest. One that was replaced goes at once by [`Cluster::retire`], the one place where
//! versions go. What jobs were given is held by its content and not by its version ([`super::supplies`]).

use std::collections::BTreeSet;

use protocol::api::{Refusal, Reply, Right};
use protocol::event::What;
use protocol::file::{ContentHash, FileKept, FileKind, FileList, FileQuery, FileRef, FileView};
use protocol::name::{FileName, PersonName};
use protocol::unit::Bytes;

use super::Cluster;
use super::change::Change;
use super::port::Caller;
use super::shelves::File;
use super::turn::Turn;

/// One person's files at most: the quota is about bytes, and there are files without any.
const MOST_FILES: usize = 100_000;
/// People that one file is shared with at most.
const MOST_READERS: usize = 256;
/// Rows in a list where nothing was said, and about how many bytes of them fit into a frame with ease.
const USUAL: u32 = 1000;
const MOST_BYTES: usize = 2 << 20;

/// An upload whose content is on the disk.
#[derive(Debug, Clone)]
pub struct Upload {
    pub name: FileName,
    pub kind: FileKind,
    pub executable: bool,
    pub size: u64,
    pub hash: ContentHash,
    /// The content was there before.
    pub known: bool,
}

impl Cluster {
    /// How many bytes an upload of this name may have. What the name had before goes with it; should that still be held
    /// by a job, it is found out when the new content is known.
    pub(super) fn plan_put(&self, caller: &Caller, name: &FileName, size: Option<u64>) -> Result<u64, Refusal> {
        let shelf = self.files.of(&caller.person);
        let replaced = shelf.and_then(|shelf| shelf.get(name)).map(|file| file.size);
        if replaced.is_none() && shelf.is_some_and(|shelf| shelf.len() >= MOST_FILES) {
            let many =
                format!("you keep {MOST_FILES} files already, which is as many as anybody may; remove some first");
            return Err(Refusal::refused(many));
        }
        let used = self.files.used_by(&caller.person).saturating_sub(replaced.unwrap_or(0));
        let room = self.config.files_quota.saturating_sub(used);
        match size {
            Some(size) if size > room => Err(self.too_large(caller, name, size, room)),
            _ => Ok(room),
        }
    }

    fn too_large(&self, caller: &Caller, name: &FileName, size: u64, room: u64) -> Refusal {
        let (size, quota, room) = (Bytes(size), Bytes(self.config.files_quota), Bytes(room));
        let held = match self.files.held_nameless(&caller.person) {
            0 => String::new(),
            held => format!(" (your jobs still hold {} that no name has any more)", Bytes(held)),
        };
        Refusal::refused(format!(
            "{name:?} has {size}, and of the {quota} you may keep {room} are left{held}; make room first, with: bramble file rm"
        ))
    }

    pub(super) fn keep_file(&mut self, caller: &Caller, upload: Upload, turn: &mut Turn<'_>) -> Result<Reply, Refusal> {
        let Upload { name, kind, executable, size, hash, known } = upload;
        // Others may have been kept since it began.
        self.plan_put(caller, &name, None)?;
        let beside = self.files.used_beside(&caller.person, &name, &hash);
        let room = self.config.files_quota.saturating_sub(beside);
        if size > room {
            return Err(self.too_large(caller, &name, size, room));
        }
        let owner = &caller.person;
        let version = self.files.next_version();
        let shared_with = self.files.get(owner, &name).map(|before| before.shared_with.clone()).unwrap_or_default();
        let file = File { version, kind, executable, size, hash, kept_at: turn.now.wall, shared_with };
        let view = file.view(owner, &name);
        turn.persist(Change::File(file.row(owner, &name)));
        if let Some(before) = self.files.put(owner, name.clone(), file) {
            self.retire(&before, turn);
        }
        turn.publish_of(Some(owner.clone()), What::FileKept { owner: owner.clone(), name, version, size, hash });
        Ok(Reply::FileKept(FileKept { file: view, known }))
    }

    /// A version that no name leads to any more, and the content that nobody else has.
    fn retire(&self, file: &File, turn: &mut Turn<'_>) {
        turn.persist(Change::FileGone(file.version));
        self.let_go_unless_referred(file.hash, turn);
    }

    pub(super) fn let_go_unless_referred(&self, content: ContentHash, turn: &mut Turn<'_>) {
        if !self.files.refers_to(&content) {
            turn.persist(Change::ContentGone(content));
        }
    }

    pub(super) fn show_file(&self, caller: &Caller, file: &FileRef) -> Result<FileView, Refusal> {
        let (owner, found) = self.find(caller, file)?;
        Ok(found.view(&owner, &file.name))
    }

    pub(super) fn remove_file(
        &mut self,
        caller: &Caller,
        file: &FileRef,
        turn: &mut Turn<'_>,
    ) -> Result<Reply, Refusal> {
        let owner = self.may_change(caller, file)?;
        let Some(gone) = self.files.take(&owner, &file.name) else { return Err(unknown(file)) };
        self.retire(&gone, turn);
        let (name, version) = (file.name.clone(), gone.version);
        turn.publish_of(Some(caller.person.clone()), What::FileRemoved { owner: owner.clone(), name, version });
        Ok(Reply::File(gone.view(&owner, &file.name)))
    }

    pub(super) fn rename_file(
        &mut self,
        caller: &Caller,
        file: &FileRef,
        to: FileName,
        turn: &mut Turn<'_>,
    ) -> Result<Reply, Refusal> {
        let owner = self.may_change(caller, file)?;
        if self.files.get(&owner, &to).is_some() {
            let taken = format!("there is a file {to:?} already; remove it first, or choose another name");
            return Err(Refusal::refused(taken));
        }
        let Some(moved) = self.files.take(&owner, &file.name) else { return Err(unknown(file)) };
        let (version, view) = (moved.version, moved.view(&owner, &to));
        turn.persist(Change::File(moved.row(&owner, &to)));
        self.files.put(&owner, to.clone(), moved);
        let name = file.name.clone();
        turn.publish_of(Some(caller.person.clone()), What::FileRenamed { owner, name, to, version });
        Ok(Reply::File(view))
    }

    pub(super) fn share_file(
        &mut self,
        caller: &Caller,
        file: &FileRef,
        with: Vec<PersonName>,
        on: bool,
        turn: &mut Turn<'_>,
    ) -> Result<Reply, Refusal> {
        let owner = self.may_change(caller, file)?;
        let with: BTreeSet<PersonName> = with.into_iter().filter(|person| *person != owner).collect();
        let Some(mut shared) = self.files.get(&owner, &file.name).cloned() else { return Err(unknown(file)) };
        let news: Vec<PersonName> =
            with.into_iter().filter(|person| shared.shared_with.contains(person) != on).collect();
        // Asked again, it is as it was.
        if news.is_empty() {
            return Ok(Reply::File(shared.view(&owner, &file.name)));
        }
        for person in &news {
            if on {
                shared.shared_with.insert(person.clone())
            } else {
                shared.shared_with.remove(person)
            };
        }
        if shared.shared_with.len() > MOST_READERS {
            let many = format!("a file is shared with {MOST_READERS} people at most");
            return Err(Refusal::refused(many));
        }
        let view = shared.view(&owner, &file.name);
        turn.persist(Change::File(shared.row(&owner, &file.name)));
        self.files.take(&owner, &file.name);
        self.files.put(&owner, file.name.clone(), shared);
        let what = What::FileShared { owner, name: file.name.clone(), with: news, on };
        turn.publish_of(Some(caller.person.clone()), what);
        Ok(Reply::File(view))
    }

    /// One's own first, then what others share; an admin sees all of theirs.
    pub(super) fn list_files(&self, caller: &Caller, query: &FileQuery) -> Reply {
        let mine = self.files.of(&caller.person);
        let own = mine.into_iter().flat_map(|shelf| shelf.iter()).map(|(name, file)| (&caller.person, name, file));
        let others: Box<dyn Iterator<Item = (&PersonName, &FileName, &File)>> = if caller.right == Right::Admin {
            let shelves = self.files.owners().filter(|(owner, _)| **owner != caller.person);
            Box::new(shelves.flat_map(|(owner, shelf)| shelf.iter().map(move |(name, file)| (owner, name, file))))
        } else {
            let shown = self.files.shown_to(&caller.person);
            Box::new(shown.filter_map(|(owner, name)| Some((owner, name, self.files.get(owner, name)?))))
        };
        let wanted = own.chain(others).filter(|(owner, ..)| query.owner.as_ref().is_none_or(|only| only == *owner));
        let limit = if query.limit == 0 { USUAL } else { query.limit } as usize;
        let (mut total, mut bytes, mut files) = (0, 0, vec![]);
        for (owner, name, file) in wanted {
            // A letter may take six bytes where it is written in JSON.
            let length = 400 + 6 * name.as_str().len() + 70 * file.shared_with.len();
            if total >= query.skip && files.len() < limit && (files.is_empty() || bytes + length <= MOST_BYTES) {
                bytes += length;
                files.push(file.view(owner, name));
            } else if total >= query.skip {
                // What comes after one that did not fit belongs to the next window.
                bytes = MOST_BYTES;
            }
            total += 1;
        }
        let used = self.files.used_by(&caller.person);
        Reply::Files(FileList { total, files, used, quota: self.config.files_quota })
    }

    /// One that this person may see. Of others it is not even told whether there are any.
    pub(super) fn find(&self, caller: &Caller, file: &FileRef) -> Result<(PersonName, &File), Refusal> {
        let owner = file.owner.as_ref().unwrap_or(&caller.person);
        let found = self.files.get(owner, &file.name).filter(|found| {
            *owner == caller.person || caller.right == Right::Admin || found.shared_with.contains(&caller.person)
        });
        found.map(|found| (owner.clone(), found)).ok_or_else(|| unknown(file))
    }

    /// Whose it is, where this person may change it.
    fn may_change(&self, caller: &Caller, file: &FileRef) -> Result<PersonName, Refusal> {
        let (owner, _) = self.find(caller, file)?;
        if owner == caller.person || caller.right == Right::Admin {
            return Ok(owner);
        }
        Err(Refusal::refused(format!(
            "{:?} is shared with you; only {owner} or an admin may change it",
            file.to_string()
        )))
    }
}

fn unknown(file: &FileRef) -> Refusal {
    Refusal::not_found(format!("there is no file {:?}; see what there is with: bramble file", file.to_string()))
}
