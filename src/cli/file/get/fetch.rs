//! The bytes of a file, whatever becomes of the connection meanwhile.

use blake3::Hasher;
use protocol::file::{ContentHash, FileGet, FileRef, FileView};

use crate::cli::context::Context;
use crate::cli::exit::{Failure, Kind};
use crate::cli::file::progress::Progress;
use crate::cli::file::tries::Tries;
use crate::client::{ClientError, Download};

const PIECE: usize = 256 * 1024;

pub struct Fetch<'a> {
    pub file: &'a FileRef,
    /// As it was when it was asked for.
    pub view: &'a FileView,
    pub context: &'a Context,
}

impl Fetch<'_> {
    /// From a place on, what is before it being hashed already. Returns the hash of the whole.
    pub async fn run(
        &self,
        from: u64,
        mut hasher: Hasher,
        progress: &mut Progress,
        mut take: impl AsyncFnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<ContentHash, Failure> {
        let address = self.context.address()?;
        let mut tries = Tries::new(self.context);
        let mut at = from;
        let mut buffer = vec![0; PIECE];
        progress.begin_at(at);
        while let Err(error) = self
            .once(&address, &mut at, &mut buffer, &mut tries, async |bytes| {
                hasher.update(bytes);
                progress.add(bytes.len());
                take(bytes).await
            })
            .await?
        {
            progress.clear();
            tries.after(error).await?;
            progress.begin_at(at);
        }
        Ok(hash_of(&hasher))
    }

    /// One connection, to its end or the end of all. `Ok(Err)`: it may be tried again.
    async fn once(
        &self,
        address: &crate::client::ManagerAddress,
        at: &mut u64,
        buffer: &mut [u8],
        tries: &mut Tries<'_>,
        mut take: impl AsyncFnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<Result<(), ClientError>, Failure> {
        let get = FileGet { file: self.file.clone(), from: *at, hash: Some(self.view.hash) };
        let (mut download, coming) = match Download::begin(address, get).await {
            Ok(begun) => begun,
            Err(error) => return Ok(Err(error)),
        };
        tries.went_on();
        if coming.file.hash != self.view.hash || coming.offset != *at {
            let told = format!("{:?} was replaced while it came; get it again", self.view.name.as_str());
            return Err(Failure::new(Kind::Refused, told));
        }
        loop {
            match download.fill(buffer).await {
                Ok(0) => return Ok(Ok(())),
                Ok(filled) => {
                    take(&buffer[..filled]).await?;
                    *at += filled as u64;
                }
                Err(error) => return Ok(Err(error)),
            }
        }
    }
}

pub fn hash_of(hasher: &Hasher) -> ContentHash {
    ContentHash(*hasher.finalize().as_bytes())
}
