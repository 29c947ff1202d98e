//! Folders as one stream of bytes, a tar archive: [`pack`] makes it, [`unpack`] makes a folder of it again.
//!
//! A folder may come from anybody. So nothing in it may reach out of it, on either way: there are files, folders, and
//! links that stay inside, and nothing else. Equal folders make equal streams: what is in them is sorted, and of owners
//! and times only the times of change are kept, to the second.

mod pack;
#[cfg(test)]
mod tests;
mod unpack;
mod walk;

use std::path::PathBuf;

pub use pack::{Leavings, Measured, PackError, measure, pack};
pub use unpack::{UnpackError, unpack};

/// What may be in a folder where nothing else was said.
pub const MOST_ENTRIES: u64 = 1_000_000;

/// Names and links that are longer than a header holds come before it; nobody needs longer ones than this.
const LONGEST_NAME: u64 = 64 * 1024;

/// Whether a link stays inside, which lies so many folders deep. Going up comes first in it: then nothing it passes
/// through can be another link that makes more of it than it seems.
fn stays_inside(target: &[u8], depth: usize) -> bool {
    if target.is_empty() || target[0] == b'/' {
        return false;
    }
    let (mut ups, mut went_down) = (0, false);
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." if went_down => return false,
            b".." => ups += 1,
            _ => went_down = true,
        }
    }
    ups <= depth
}

fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::OsStr::from_bytes(bytes).into()
}
