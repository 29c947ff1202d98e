//! What became of a run: in words, in a table, as an exit code.

use protocol::job::{NotStarted, Outcome, TaskState};
use protocol::run::{AnswerView, RunView};

use super::fold;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::look::{Look, task_color};
use crate::cli::table::{Cell, Grid};
use crate::cli::text::{reason, took};

/// What became of one answer: `exit code 3`, `lost: its node was gone too long`, `running`.
pub fn fate(answer: &AnswerView) -> String {
    match answer.state {
        TaskState::Failed if !answer.reason.is_empty() => reason(&answer.reason),
        state if answer.reason.is_empty() => state.to_string(),
        state => format!("{state}: {}", reason(&answer.reason)),
    }
}

/// The same with the node's name, once: `pi-3: exit code 3`, `pi-3 is down`.
pub fn sentence(answer: &AnswerView) -> String {
    let (node, fate) = (answer.node.to_string(), fate(answer));
    match without_name(&node, &fate) {
        Some(_) => fate,
        None => format!("{node}: {fate}"),
    }
}

/// What is said of several in the same words.
pub fn common(answer: &AnswerView) -> String {
    let fate = fate(answer);
    without_name(&answer.node.to_string(), &fate).map_or(fate.clone(), str::to_owned)
}

fn without_name<'a>(node: &str, fate: &'a str) -> Option<&'a str> {
    fate.strip_prefix(node)?.strip_prefix(' ')
}

pub fn not_reached(answer: &AnswerView) -> bool {
    matches!(answer.outcome, Some(Outcome::NotStarted { kind: NotStarted::NotReached, .. }))
}

/// Those that cannot be asked, named before anything else comes.
pub fn say_not_reached(run: &RunView, context: &Context) {
    let mut by_reason: Vec<(String, Vec<&AnswerView>)> = vec![];
    for answer in run.answers.iter().filter(|answer| not_reached(answer)) {
        let why = common(answer);
        match by_reason.iter_mut().find(|(known, _)| *known == why) {
            Some((_, answers)) => answers.push(answer),
            None => by_reason.push((why, vec![answer])),
        }
    }
    for (why, answers) in by_reason {
        match answers[..] {
            [one] => context.note(sentence(one)),
            _ => context.note(format_args!("{}: {why}", names(answers))),
        }
    }
}

pub fn names<'a>(answers: impl IntoIterator<Item = &'a AnswerView>) -> String {
    let names: Vec<String> = answers.into_iter().map(|answer| answer.node.to_string()).collect();
    fold(names.iter().map(String::as_str))
}

/// Of one node the program's own; of several 0, or 1 where none succeeded, or 6.
pub fn exit(answers: &[AnswerView], alone: bool) -> Exit {
    if alone && let [answer] = answers {
        return Exit(answer.code.map_or(1, |code| u8::try_from(code).unwrap_or(125)));
    }
    let well = answers.iter().filter(|answer| answer.state == TaskState::Succeeded).count();
    match well {
        n if n == answers.len() => Exit::OK,
        0 => Exit::TASK_FAILED,
        _ => Exit::SOME_FAILED,
    }
}

/// `5 succeeded, 2 failed: pi-[3,7]`.
pub fn summary(answers: &[AnswerView]) -> String {
    let in_state = |state| answers.iter().filter(move |answer| answer.state == state);
    let told = TaskState::ALL.into_iter().filter(|state| in_state(*state).next().is_some()).map(|state| {
        let n = in_state(state).count();
        match state {
            TaskState::Succeeded => format!("{n} {state}"),
            _ => format!("{n} {state} ({})", names(in_state(state))),
        }
    });
    told.collect::<Vec<_>>().join(", ")
}

pub fn grid(answers: &[AnswerView], look: Look) -> String {
    let mut grid = Grid::new(&["ANSWER", "NODE", "STATE", "CODE", "TOOK", "REASON"]).spare(&["ANSWER", "TOOK"]);
    for answer in answers {
        let state = if answer.away { "away".to_owned() } else { look.task(answer.state) };
        grid.row(vec![
            Cell::number(answer.index),
            answer.node.to_string().into(),
            Cell::colored(state, task_color(answer.state)),
            Cell::number(answer.code.map(|code| code.to_string()).unwrap_or_default()),
            Cell::number(answer.ran_ms.map(took).unwrap_or_default()),
            reason(&answer.reason).into(),
        ]);
    }
    grid.render(look)
}
