//! From a task printing a line to a follower having it. Milliseconds.

use anyhow::bail;
use protocol::api::{LogQuery, More, Reply, Request};
use protocol::id::{Target, TaskId};
use protocol::job::{JobSpec, Stream};

use crate::rig::{Ground, Manager};
use crate::stamp;

const INTERVAL_MS: u64 = 10;
/// Lines during which following begins: they were printed before anybody looked.
const EARLY: usize = 20;

pub fn measure(manager: &Manager, ground: &Ground, lines: u32) -> anyhow::Result<Vec<f64>> {
    let spec = JobSpec::of([
        ground.own_program()?,
        "stamp".into(),
        (lines + EARLY as u32).to_string(),
        INTERVAL_MS.to_string(),
    ]);
    let mut door = manager.door()?;
    let Reply::Submitted { job, .. } = door.call(Request::Submit(spec))? else { bail!("a job was submitted") };
    let target = Target::Task(TaskId { job, index: 0 });
    let mut pieces = door.stream(Request::Logs(LogQuery { target, follow: true, stream: Some(Stream::Stdout) }))?;
    let mut seen = vec![];
    let mut cut = vec![];
    while let Some(piece) = pieces.next()? {
        let now = stamp::now();
        match piece {
            More::Log(chunk) => {
                cut.extend_from_slice(&chunk.bytes.0);
                seen.extend(whole_lines(&mut cut).into_iter().map(|printed| now.saturating_sub(printed) as f64 / 1e6));
            }
            More::LogNote { text } => bail!("following was disturbed: {text}"),
            _ => {}
        }
    }
    if seen.len() != lines as usize + EARLY {
        bail!("{} lines were printed and {} followed", lines as usize + EARLY, seen.len());
    }
    Ok(seen.split_off(EARLY))
}

/// Takes the whole lines off the front, each a number.
pub fn whole_lines(text: &mut Vec<u8>) -> Vec<u64> {
    let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let whole: Vec<u8> = text.drain(..end).collect();
    String::from_utf8_lossy(&whole).lines().filter_map(|line| line.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cut_in_two_is_read_when_it_is_whole() {
        let mut text = b"12\n34\n5".to_vec();
        assert_eq!(whole_lines(&mut text), [12, 34]);
        text.extend(b"6\n");
        assert_eq!(whole_lines(&mut text), [56]);
        assert!(text.is_empty());
    }
}
