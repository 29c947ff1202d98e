//! The bytes of a file or a result, whatever becomes of the connection meanwhile.

use blake3::Hasher;
use protocol::api::Request;
use protocol::file::{ContentHash, FileGet, FileRef, FileView};
use protocol::result::{ResultGet, ResultView};

use super::progress::Progress;
use super::tries::Tries;
use crate::cli::context::Context;
use crate::cli::exit::{Failure, Kind};
use crate::client::{ClientError, Download, ManagerAddress};

const PIECE: usize = 256 * 1024;

/// As it was when it was asked for.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    File(&'a FileRef, &'a FileView),
    Result(&'a ResultView),
}

impl Wanted<'_> {
    pub fn hash(&self) -> ContentHash {
        match self {
            Wanted::File(_, view) => view.hash,
            Wanted::Result(view) => view.hash,
        }
    }

    fn request(&self, from: u64) -> Request {
        let hash = Some(self.hash());
        match self {
            Wanted::File(file, _) => Request::FileGet(FileGet { file: (*file).clone(), from, hash }),
            Wanted::Result(view) => Request::ResultGet(ResultGet { attempt: view.attempt, from, hash }),
        }
    }

    fn named(&self) -> String {
        match self {
            Wanted::File(_, view) => format!("{:?}", view.name.as_str()),
            Wanted::Result(view) => format!("the result of {}", view.attempt),
        }
    }

    fn replaced(&self) -> Failure {
        Failure::new(Kind::Refused, format_args!("{} was replaced while it came; get it again", self.named()))
    }

    pub fn damaged(&self) -> Failure {
        let told = format!("what came of {} is not what was kept (BLAKE3 {}); get it again", self.named(), self.hash());
        Failure::new(Kind::Refused, told)
    }
}

pub struct Fetch<'a> {
    pub wanted: Wanted<'a>,
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
        address: &ManagerAddress,
        at: &mut u64,
        buffer: &mut [u8],
        tries: &mut Tries<'_>,
        mut take: impl AsyncFnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<Result<(), ClientError>, Failure> {
        let (mut download, coming) = match Download::begin(address, self.wanted.request(*at)).await {
            Ok(begun) => begun,
            Err(error) => return Ok(Err(error)),
        };
        tries.went_on();
        if coming.hash != self.wanted.hash() || coming.offset != *at {
            return Err(self.wanted.replaced());
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
