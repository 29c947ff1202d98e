//! `--json`: a line for each answer that has ended.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use protocol::job::{Stream, TaskState};
use protocol::run::{AnswerView, OutputChunk, RunView, Whence};
use protocol::time::UnixMillis;
use serde::Serialize;

use super::body::fetch;
use super::kept::{Kept, MOST_OF_ONE, Room};
use crate::cli::context::Context;
use crate::cli::exit::Failure;
use crate::client::Client;

#[derive(Default)]
pub struct Json {
    room: Room,
    arriving: BTreeMap<u32, Kept>,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    node: &'a Whence,
    index: u32,
    state: TaskState,
    code: Option<i32>,
    reason: &'a str,
    started_at: Option<UnixMillis>,
    ended_at: Option<UnixMillis>,
    ran_ms: Option<u64>,
    stdout: String,
    #[serde(skip_serializing_if = "is_false")]
    stdout_base64: bool,
    #[serde(skip_serializing_if = "is_false")]
    stdout_truncated: bool,
    stderr: String,
    #[serde(skip_serializing_if = "is_false")]
    stderr_base64: bool,
    #[serde(skip_serializing_if = "is_false")]
    stderr_truncated: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Json {
    pub fn output(&mut self, chunk: &OutputChunk, missing: u64) {
        self.arriving.entry(chunk.index).or_default().take(chunk, missing, &mut self.room);
    }

    pub async fn ended(
        &mut self,
        answer: &AnswerView,
        run: &RunView,
        client: &Client,
        context: &Context,
    ) -> Result<(), Failure> {
        let mut kept = self.arriving.remove(&answer.index).unwrap_or_default();
        kept.end();
        let (length, missing) = (kept.length, kept.missing);
        let printed = match kept.whole.take() {
            Some(whole) => {
                self.room.give_back(&whole);
                whole
            }
            None => fetched(answer, run, client, context).await?,
        };
        let [stdout, stderr] = printed;
        let cut = |stream: usize, had: usize| missing[stream] > 0 || (had as u64) < length[stream];
        let truncated = [cut(0, stdout.len()), cut(1, stderr.len())];
        let (stdout, stdout_base64) = written(stdout, truncated[0]);
        let (stderr, stderr_base64) = written(stderr, truncated[1]);
        context.print_json(&Line {
            node: &answer.node,
            index: answer.index,
            state: answer.state,
            code: answer.code,
            reason: &answer.reason,
            started_at: answer.started_at,
            ended_at: answer.ended_at,
            ran_ms: answer.ran_ms,
            stdout,
            stdout_base64,
            stdout_truncated: truncated[0],
            stderr,
            stderr_base64,
            stderr_truncated: truncated[1],
        })
    }
}

/// What there was no room for: the beginning of it.
async fn fetched(
    answer: &AnswerView,
    run: &RunView,
    client: &Client,
    context: &Context,
) -> Result<[Vec<u8>; 2], Failure> {
    let mut printed: [Vec<u8>; 2] = Default::default();
    for stream in [Stream::Stdout, Stream::Stderr] {
        let to = &mut printed[stream as usize];
        fetch(client, run, answer.index, stream, MOST_OF_ONE as u64, context, |bytes| {
            to.extend_from_slice(bytes);
            Ok(())
        })
        .await?;
    }
    Ok(printed)
}

/// As text where it is some; a letter that was cut is left out.
fn written(mut bytes: Vec<u8>, truncated: bool) -> (String, bool) {
    if truncated
        && let Err(error) = std::str::from_utf8(&bytes)
        && error.error_len().is_none()
    {
        bytes.truncate(error.valid_up_to());
    }
    match String::from_utf8(bytes) {
        Ok(text) => (text, false),
        Err(error) => (STANDARD.encode(error.as_bytes()), true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_text_and_anything_else_is_base64() {
        assert_eq!(written("ünïcode\n".into(), false), ("ünïcode\n".into(), false));
        assert_eq!(written(vec![0xff, 0], false), ("/wA=".into(), true));
        assert_eq!(written(b"a\xc3".to_vec(), true), ("a".into(), false));
        assert_eq!(written(b"a\xc3".to_vec(), false), ("YcM=".into(), true));
    }
}
