//! What one answer printed, shown: from memory where it was kept, else fetched again from the manager.

use std::io::{self, Write};

use protocol::job::Stream;
use protocol::run::{AnswerView, RunView};
use protocol::unit::Bytes;

use super::follow::{Follow, Told};
use super::harmless::Harmless;
use super::program::Program;
use crate::cli::context::Context;
use crate::cli::exit::Failure;
use crate::client::Client;

/// The most that is shown on a terminal of what is too long to be kept here.
const MOST_SHOWN: u64 = 1 << 20;
/// Between stdout and stderr.
const BETWEEN: &str = "-- stderr --\n";

/// Both outputs, as they are shown; each ends with a newline.
pub fn text(whole: &[Vec<u8>; 2], terminal: bool) -> Vec<u8> {
    let mut text = vec![];
    for (stream, bytes) in whole.iter().enumerate().filter(|(_, bytes)| !bytes.is_empty()) {
        if stream == Stream::Stderr as usize {
            text.extend_from_slice(BETWEEN.as_bytes());
        }
        if terminal {
            text.extend(Harmless::of(bytes))
        } else {
            text.extend_from_slice(bytes)
        }
        if text.last() != Some(&b'\n') {
            text.push(b'\n');
        }
    }
    text
}

/// The same of what is not here.
pub async fn tell_fetched(
    client: &Client,
    run: &RunView,
    answer: &AnswerView,
    length: [u64; 2],
    context: &Context,
) -> Result<(), Failure> {
    let terminal = context.look.terminal;
    for stream in [Stream::Stdout, Stream::Stderr] {
        if length[stream as usize] == 0 {
            continue;
        }
        if stream == Stream::Stderr {
            write(BETWEEN.as_bytes())?;
        }
        let most = if terminal { MOST_SHOWN } else { u64::MAX };
        let (mut harmless, mut last) = (Harmless::default(), b'\n');
        let mut told = |bytes: &[u8]| {
            last = bytes.last().copied().unwrap_or(last);
            write(bytes)
        };
        let fetched = fetch(client, run, answer.index, stream, most, context, |bytes| {
            if !terminal {
                return told(bytes);
            }
            let mut shown = vec![];
            harmless.take(bytes, &mut shown);
            told(&shown)
        });
        let got = fetched.await?;
        let mut rest = vec![];
        harmless.end(&mut rest);
        told(&rest)?;
        if last != b'\n' {
            write(b"\n")?;
        }
        if got < length[stream as usize] {
            let more = Bytes(length[stream as usize] - got);
            context.note(format_args!(
                "… and {more} more; see it all with: bramble script result {} {}",
                run.id, answer.node
            ));
        }
    }
    Ok(())
}

/// One output of an answer that has ended, up to `most` bytes; how many came.
pub async fn fetch(
    client: &Client,
    run: &RunView,
    index: u32,
    stream: Stream,
    most: u64,
    context: &Context,
    mut to: impl FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let mut follow = Follow::of_one(client, run, index, Some(stream), context);
    let mut got = 0;
    while got < most {
        match follow.next().await? {
            Told::Output { chunk, .. } => {
                let room = usize::try_from(most - got).unwrap_or(usize::MAX);
                let some = &chunk.bytes.0[..chunk.bytes.0.len().min(room)];
                to(some)?;
                got += some.len() as u64;
            }
            Told::Answers(answers) if answers.iter().any(|answer| answer.index == index && answer.state.ended()) => {
                break;
            }
            Told::End => break,
            Told::Answers(_) | Told::Away | Told::Back => {}
        }
    }
    Ok(got)
}

/// Both outputs of one answer that has ended, each where it belongs.
pub async fn tell_program(client: &Client, run: &RunView, index: u32, context: &Context) -> Result<(), Failure> {
    let mut follow = Follow::of_one(client, run, index, None, context);
    let mut program = Program::new(context);
    loop {
        match follow.next().await? {
            Told::Output { chunk, missing } => {
                say_missing(missing, None, context);
                program.output(&chunk)?;
            }
            Told::End => return program.end(),
            Told::Answers(_) | Told::Away | Told::Back => {}
        }
    }
}

pub fn say_missing(missing: u64, node: Option<&str>, context: &Context) {
    if missing > 0 {
        let of = node.map_or_else(String::new, |node| format!(" that {node} printed"));
        context.note(format_args!("the oldest {}{of} are not here any more: the limit was reached", Bytes(missing)));
    }
}

pub fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_outputs_are_told_apart_and_end_with_a_newline() {
        let shown = |out: &str, err: &str| String::from_utf8(text(&[out.into(), err.into()], true)).unwrap();
        assert_eq!(shown("hi", ""), "hi\n");
        assert_eq!(shown("", "oh\n"), "-- stderr --\noh\n");
        assert_eq!(shown("hi\n", "\x1b[2J"), "hi\n-- stderr --\n\\u{1b}[2J\n");
        assert_eq!(shown("", ""), "");
        assert_eq!(text(&[b"\x1b[2J".to_vec(), vec![]], false), b"\x1b[2J\n");
    }
}
