//! Equal answers as one: those that printed the same and ended the same way, with how many they are and their names folded.
//!
//! Failed ones come first, then what most answered. Of the rest it is shown how they differ from that, where it is little.

use std::collections::{BTreeMap, HashMap};

use clap::builder::styling::AnsiColor;
use protocol::job::TaskState;
use protocol::run::{AnswerView, OutputChunk, RunView};

use super::body::{say_missing, tell_fetched, text, write};
use super::diff::diff;
use super::fate::{common, names};
use super::kept::{Kept, Room};
use crate::cli::context::Context;
use crate::cli::exit::Failure;
use crate::cli::look::{Look, task_color, task_glyph};
use crate::cli::text::{clean, count};
use crate::client::Client;

#[derive(Default)]
pub struct Groups {
    room: Room,
    arriving: BTreeMap<u32, Kept>,
    known: HashMap<Key, usize>,
    groups: Vec<Group>,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    state: TaskState,
    code: Option<i32>,
    why: String,
    printed: [blake3::Hash; 2],
}

struct Group {
    answers: Vec<AnswerView>,
    kept: Kept,
}

impl Groups {
    pub fn output(&mut self, chunk: &OutputChunk, missing: u64) {
        self.arriving.entry(chunk.index).or_default().take(chunk, missing, &mut self.room);
    }

    pub fn ended(&mut self, answer: &AnswerView) {
        let mut kept = self.arriving.remove(&answer.index).unwrap_or_default();
        let key = Key { state: answer.state, code: answer.code, why: common(answer), printed: kept.end() };
        match self.known.get(&key) {
            Some(&at) => {
                kept.whole.iter().for_each(|kept| self.room.give_back(kept));
                self.groups[at].answers.push(answer.clone());
            }
            None => {
                self.known.insert(key, self.groups.len());
                self.groups.push(Group { answers: vec![answer.clone()], kept });
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    pub async fn tell(mut self, client: &Client, run: &RunView, context: &Context) -> Result<(), Failure> {
        self.groups.sort_by_key(Group::rank);
        let base = self.base();
        for (at, group) in self.groups.iter().enumerate() {
            if at > 0 {
                write(b"\n")?;
            }
            write(group.heading(context.look).as_bytes())?;
            for missing in group.kept.missing {
                say_missing(missing, None, context);
            }
            let compared = base.filter(|base| *base < at).map(|base| &self.groups[base]);
            match (&group.kept.whole, compared.and_then(|base| group.unlike(base, context.look))) {
                (_, Some(difference)) => write(difference.as_bytes())?,
                (Some(whole), None) => write(&text(whole, context.look.terminal))?,
                (None, None) => tell_fetched(client, run, &group.answers[0], group.kept.length, context).await?,
            }
        }
        Ok(())
    }

    /// What the others are compared with: what most of those answered with whom it went well, or else most of all.
    fn base(&self) -> Option<usize> {
        let well = self.groups.iter().position(|group| group.state() == TaskState::Succeeded);
        well.or((!self.groups.is_empty()).then_some(0))
    }
}

impl Group {
    fn state(&self) -> TaskState {
        self.answers[0].state
    }

    fn rank(&self) -> (bool, std::cmp::Reverse<usize>, u32) {
        let first = self.answers.iter().map(|answer| answer.index).min().unwrap_or_default();
        (self.state() == TaskState::Succeeded, std::cmp::Reverse(self.answers.len()), first)
    }

    /// `✗ pi-[3,7]  2 nodes, exit code 3`; in a pipe `pi-[3,7]  2 nodes, exit code 3`.
    fn heading(&self, look: Look) -> String {
        let state = self.state();
        let names = look.bold(&names(&self.answers));
        let glyph = match look.terminal {
            true => format!("{} ", look.paint(task_color(state), &task_glyph(state).to_string())),
            false => String::new(),
        };
        let many = match self.answers.len() {
            1 => String::new(),
            n => format!("{}, ", count(n as u64, "node")),
        };
        let fate = clean(&common(&self.answers[0])).into_owned();
        let fate = if state == TaskState::Succeeded { fate } else { look.paint(AnsiColor::Red, &fate) };
        let silent = if self.kept.printed() { "" } else { ", printed nothing" };
        format!("{glyph}{names}  {many}{fate}{silent}\n")
    }

    fn unlike(&self, base: &Group, look: Look) -> Option<String> {
        let text = |group: &Group| {
            group.kept.whole.as_ref().and_then(|whole| String::from_utf8(text(whole, look.terminal)).ok())
        };
        let difference = diff(&text(base)?, &text(self)?, look)?;
        Some(format!("unlike {}:\n{difference}", names(&base.answers)))
    }
}

#[cfg(test)]
mod tests {
    use protocol::job::Stream;

    use super::*;
    use crate::cli::exec::kept::MOST_OF_ONE;
    use crate::cli::exec::tests::answer;

    const PIPE: Look = Look { terminal: false, color: false };

    fn group(answers: &[(&str, TaskState, &str)]) -> Groups {
        let mut groups = Groups::default();
        for (index, (node, state, printed)) in (0..).zip(answers) {
            let bytes = printed.as_bytes().to_vec().into();
            groups.output(&OutputChunk { index, stream: Stream::Stdout, offset: 0, bytes }, 0);
            groups.ended(&answer(index, node, *state));
        }
        groups.groups.sort_by_key(Group::rank);
        groups
    }

    fn headings(groups: &Groups) -> Vec<String> {
        groups.groups.iter().map(|group| group.heading(PIPE).trim_end().to_owned()).collect()
    }

    #[test]
    fn equal_answers_are_one_and_failed_ones_come_first() {
        use TaskState::{Failed, Succeeded};
        let groups = group(&[
            ("pi-1", Succeeded, "6.6\n"),
            ("pi-2", Succeeded, "6.1\n"),
            ("pi-3", Failed, "oh\n"),
            ("pi-4", Succeeded, "6.6\n"),
            ("pi-5", Failed, "oh\n"),
            ("pi-6", Failed, "6.6\n"),
        ]);
        let told = headings(&groups);
        assert_eq!(
            told,
            ["pi-[3,5]  2 nodes, exit code 3", "pi-6  exit code 3", "pi-[1,4]  2 nodes, succeeded", "pi-2  succeeded"]
        );
        assert_eq!(groups.base(), Some(2));
    }

    #[test]
    fn nodes_that_are_down_are_one_group_although_each_has_its_own_sentence() {
        let mut groups = Groups::default();
        for (index, node) in [(0, "pi-1"), (1, "pi-2")] {
            let down = AnswerView { reason: format!("{node} is down"), ..answer(index, node, TaskState::Failed) };
            groups.ended(&down);
        }
        assert_eq!(headings(&groups), ["pi-[1,2]  2 nodes, is down, printed nothing"]);
    }

    #[test]
    fn one_that_differs_little_is_told_by_that() {
        let long = "a\nb\nc\nd\n";
        let groups = group(&[
            ("pi-1", TaskState::Succeeded, long),
            ("pi-2", TaskState::Succeeded, long),
            ("pi-3", TaskState::Succeeded, "a\nb\nX\nd\n"),
        ]);
        let difference = groups.groups[1].unlike(&groups.groups[0], PIPE);
        assert_eq!(difference.as_deref(), Some("unlike pi-[1,2]:\n- c\n+ X\n"));
    }

    #[test]
    fn sixty_four_times_a_megabyte_stays_within_bounds() {
        let mut groups = Groups::default();
        for index in 0..64 {
            let piece = vec![b'0' + index as u8; MOST_OF_ONE / 4];
            for n in 0..4 {
                let chunk = OutputChunk { index, stream: Stream::Stdout, offset: n, bytes: piece.clone().into() };
                groups.output(&chunk, 0);
            }
        }
        (0..64).for_each(|index| groups.ended(&answer(index, &format!("pi-{index}"), TaskState::Succeeded)));
        let kept: usize = groups.groups.iter().filter_map(|g| g.kept.whole.as_ref()).flatten().map(Vec::len).sum();
        assert_eq!(groups.groups.len(), 64);
        assert!(kept > 0 && kept <= super::super::kept::MOST_KEPT, "{kept}");
    }
}
