//! What holds in the help.

use super::{Acted, Action, Layer};
use crate::console::state::{Move, Overlay, State};

const HERE: &[Layer] = &[Layer::Help];

pub const ACTIONS: &[Action] = &[
    Action::new("accept", HERE, "Run the action that is lit", accept).hint(|_| "run it"),
    Action::new("cancel", HERE, "Close the help", cancel).hint(|_| "close"),
    Action::new("next", HERE, "Next action", |state, _| step(state, Move::Down)),
    Action::new("previous", HERE, "Action before", |state, _| step(state, Move::Up)),
    Action::new("page-down", HERE, "One screen down", |state, _| step(state, Move::PageDown)),
    Action::new("page-up", HERE, "One screen up", |state, _| step(state, Move::PageUp)),
];

fn step(state: &mut State, by: Move) -> Acted {
    state.step_help(by);
    Ok(vec![])
}

fn cancel(state: &mut State, _: &[String]) -> Acted {
    state.overlay = None;
    Ok(vec![])
}

fn accept(state: &mut State, _: &[String]) -> Acted {
    let Some(Overlay::Help(help)) = state.overlay.take() else { return Ok(vec![]) };
    let entries = state.help_entries(help.input.value());
    let Some(entry) = entries.get(help.scroll.cursor) else { return Ok(vec![]) };
    if !state.layers().contains(&entry.layer) {
        return Err(format!("{} is for elsewhere: {}", entry.action.name, entry.layer.title()));
    }
    if !state.can(entry.action) {
        return Err(format!("{} has nothing to act on here", entry.action.name));
    }
    Ok(state.act(entry.action, &[]))
}
