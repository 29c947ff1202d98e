//! A folder is unpacked while it comes.

use std::io;
use std::path::PathBuf;

use blake3::Hasher;
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::fetch::Fetch;
use super::progress::Progress;
use crate::cli::exit::{Failure, Kind};

/// Into a folder that is there and empty, somewhere in `beside`, which is given back when all of it has come and is what
/// was kept. Else it is gone, also when we are.
pub async fn unpack(
    fetch: &Fetch<'_>,
    into: PathBuf,
    beside: TempDir,
    most: u64,
    progress: &mut Progress,
) -> Result<TempDir, Failure> {
    let (to, pieces) = mpsc::channel::<Vec<u8>>(4);
    // The folder goes with the one who writes into it, whatever becomes of us.
    let unpacking = tokio::task::spawn_blocking(move || {
        let unpacked = packing::unpack(Pieces { pieces, piece: vec![], at: 0 }, &into, most);
        (unpacked, beside)
    });
    let mut ended_early = false;
    let came = fetch
        .run(0, Hasher::new(), progress, async |bytes| {
            let taken = to.send(bytes.to_vec()).await;
            taken.map_err(|_| {
                ended_early = true;
                Failure::new(Kind::Fault, "the one who unpacks has ended, and says why")
            })
        })
        .await;
    drop(to);
    progress.clear();
    let (unpacked, beside) = unpacking.await.map_err(|error| Failure::new(Kind::Fault, error))?;
    match (came, unpacked) {
        // What did not come to its end cannot be unpacked either.
        (Err(failure), _) if !ended_early => Err(failure),
        (_, Err(error)) => Err(Failure::new(Kind::Refused, error)),
        (Err(failure), Ok(_)) => Err(failure),
        (Ok(hash), Ok(_)) if hash != fetch.wanted.hash() => Err(fetch.wanted.damaged()),
        (Ok(_), Ok(_)) => Ok(beside),
    }
}

/// What the connection brings, for who reads.
struct Pieces {
    pieces: mpsc::Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
}

impl io::Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            let Some(piece) = self.pieces.blocking_recv() else { return Ok(0) };
            (self.piece, self.at) = (piece, 0);
        }
        let some = buffer.len().min(self.piece.len() - self.at);
        buffer[..some].copy_from_slice(&self.piece[self.at..self.at + some]);
        self.at += some;
        Ok(some)
    }
}
