//! Files of people: put, put again, renamed and removed. There are few names and few contents, so that a content is often
//! let go while it comes again.

use protocol::api::{Reply, Request};
use protocol::file::{ContentHash, FileKept, FileKind, FilePut, FileRef};
use protocol::name::FileName;
use test_support::Dice;

use crate::manager::{Person, Trouble};

const NAMES: usize = 4;
const CONTENTS: usize = 6;
const LONGEST: usize = 40_000;

pub fn name(dice: &mut Dice) -> FileName {
    format!("file {}", dice.below(NAMES)).parse().unwrap()
}

pub fn own(name: FileName) -> FileRef {
    FileRef { owner: None, name }
}

/// One of those there are.
fn content(dice: &mut Dice) -> Vec<u8> {
    let no = dice.below(CONTENTS);
    let mut bytes = vec![0; LONGEST / (no + 1)];
    blake3::Hasher::new().update(&[no as u8]).finalize_xof().fill(&mut bytes);
    bytes
}

pub fn hash(bytes: &[u8]) -> ContentHash {
    ContentHash(*blake3::hash(bytes).as_bytes())
}

pub fn put(person: &Person, dice: &mut Dice) -> Result<FileKept, Trouble> {
    let (name, bytes) = (name(dice), content(dice));
    let mut person = person.another();
    let tag = dice.chance(50).then(|| "tag".to_owned());
    let size = Some(bytes.len() as u64);
    person.ask(Request::FilePut(FilePut { name, kind: FileKind::File, executable: false, size, tag }))?;
    person.say(Request::FileSend { from: 0 })?;
    for chunk in bytes.chunks(10_000) {
        person.write(&(chunk.len() as u32).to_be_bytes())?;
        person.write(chunk)?;
        if dice.below(50) == 0 {
            return Err(Trouble::Lost(std::io::ErrorKind::Interrupted.into()));
        }
    }
    person.write(&0_u32.to_be_bytes())?;
    match person.ask(Request::FileKeep { hash: hash(&bytes) })? {
        Reply::FileKept(kept) => Ok(kept),
        other => panic!("{other:?} does not say that a file was kept"),
    }
}
