//! What is only on a task's page: reading its log.

use protocol::job::Stream;

use super::{Acted, Action, Layer};
use crate::console::state::State;
use crate::console::state::page::Page;
use crate::console::state::task::TaskPage;

const HERE: &[Layer] = &[Layer::Task];

pub const ACTIONS: &[Action] = &[
    Action::new("follow", HERE, "Keep the newest line in view, or rest where one reads", |state, _| {
        on(state, |page| page.log.toggle_follow())
    })
    .hint(|_| "follow"),
    Action::new("wrap", HERE, "Wrap long lines, or cut them", wrap).hint(|_| "wrap"),
    Action::new("next-match", HERE, "Next place where the searched words are", |state, _| found(state, true)),
    Action::new("previous-match", HERE, "Place before where the searched words are", |state, _| found(state, false)),
    Action::new("stream", HERE, "Show both outputs, stdout alone, stderr alone", |state, _| {
        on(state, |page| {
            page.stream = match page.stream {
                None => Some(Stream::Stdout),
                Some(Stream::Stdout) => Some(Stream::Stderr),
                Some(Stream::Stderr) => None,
            };
        })
    }),
    Action::new("attempt", HERE, "Show the log of the attempt before; after the first, of the latest", |state, _| {
        on(state, TaskPage::older_attempt)
    }),
];

fn on(state: &mut State, change: impl FnOnce(&mut TaskPage)) -> Acted {
    if let Page::Task(page) = state.pages.current_mut() {
        change(page);
    }
    Ok(vec![])
}

fn wrap(state: &mut State, _: &[String]) -> Acted {
    state.settings.wrap = !state.settings.wrap;
    Ok(state.keep())
}

fn found(state: &mut State, forward: bool) -> Acted {
    let Page::Task(page) = state.pages.current_mut() else { return Ok(vec![]) };
    if page.log.searched().is_empty() {
        return Err("nothing is searched for; / takes the words".into());
    }
    if page.log.go_to_match(forward) { Ok(vec![]) } else { Err(format!("{} is not in the log", page.log.searched())) }
}
