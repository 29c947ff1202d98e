//! What a task printed, as two files.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use protocol::api::{LogQuery, More, Refusal, RefusalKind, Request};
use protocol::id::Target;
use protocol::job::Stream;

use crate::cli::context::Context;
use crate::cli::exit::Failure;
use crate::cli::transfer::rename::unwritable;
use crate::cli::transfer::tries::Tries;
use crate::client::{Client, ClientError};

/// Byte by byte, into `stdout` and `stderr` of this folder. What the manager says about it besides is given back: that the
/// oldest part is not there any more, most of all.
pub async fn write(target: Target, folder: &Path, client: &Client, context: &Context) -> Result<Vec<String>, Failure> {
    let mut tries = Tries::new(context);
    loop {
        match once(target, folder, client, &mut tries).await? {
            Ok(notes) => return Ok(notes),
            // From the beginning: it is little, and nothing of it changes any more.
            Err(error) => tries.after(error).await?,
        }
    }
}

/// `Ok(Err)`: it may be tried again.
async fn once(
    target: Target,
    folder: &Path,
    client: &Client,
    tries: &mut Tries<'_>,
) -> Result<Result<Vec<String>, ClientError>, Failure> {
    let mut files = [Printed::new(folder, "stdout")?, Printed::new(folder, "stderr")?];
    let mut notes = vec![];
    let query = LogQuery { target, follow: false, stream: None };
    let mut flow = match client.stream(Request::Logs(query)).await {
        Ok(flow) => flow,
        Err(error) => return Ok(Err(error)),
    };
    loop {
        match flow.next().await {
            Ok(Some(More::Log(chunk))) => {
                tries.went_on();
                files[usize::from(chunk.stream == Stream::Stderr)].write(&chunk.bytes.0)?;
            }
            Ok(Some(More::LogNote { text })) => notes.push(text),
            // Of other streams; not asked for here.
            Ok(Some(_)) => {}
            Ok(None) => return Ok(Ok(notes)),
            // The rest is worth having without it.
            Err(ClientError::Refused(Refusal { kind: RefusalKind::NotFound, message })) => {
                notes.push(message);
                return Ok(Ok(notes));
            }
            Err(error) => return Ok(Err(error)),
        }
    }
}

struct Printed {
    file: File,
    path: std::path::PathBuf,
}

impl Printed {
    fn new(folder: &Path, name: &str) -> Result<Self, Failure> {
        let path = folder.join(name);
        let file = File::create(&path).map_err(|error| unwritable(&path, &error))?;
        Ok(Self { file, path })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|error| unwritable(&self.path, &error))
    }
}
