//! What holds while a line is typed.

use super::{Acted, Action, Layer};
use crate::console::state::page::Page;
use crate::console::state::prompt::Kind;
use crate::console::state::{Overlay, State};
use crate::text;

const HERE: &[Layer] = &[Layer::Prompt];

pub const ACTIONS: &[Action] = &[
    Action::new("accept", HERE, "Take the line as it is", accept),
    Action::new("cancel", HERE, "Leave it as it was before", cancel),
    Action::new("complete", HERE, "Take the offer under the cursor into the line", complete),
    Action::new("next", HERE, "Next offer", |state, _| step(state, true)),
    Action::new("previous", HERE, "Offer before", |state, _| step(state, false)),
];

fn step(state: &mut State, forward: bool) -> Acted {
    if let Some(Overlay::Prompt(prompt)) = &mut state.overlay {
        prompt.step(forward);
    }
    Ok(vec![])
}

fn complete(state: &mut State, _: &[String]) -> Acted {
    if let Some(Overlay::Prompt(prompt)) = &mut state.overlay
        && let Some(offer) = prompt.offers.get(prompt.choice)
    {
        prompt.input = format!("{} ", offer.line).into();
    }
    Ok(state.prompt_changed())
}

fn cancel(state: &mut State, _: &[String]) -> Acted {
    let Some(Overlay::Prompt(prompt)) = state.overlay.take() else { return Ok(vec![]) };
    match prompt.kind {
        Kind::Palette | Kind::Connect => {}
        Kind::Filter { before } => state.set_filter(before.text()),
        Kind::Search { before } => {
            if let Page::Task(page) = state.pages.current_mut() {
                page.log.search(&before);
            }
        }
    }
    Ok(vec![])
}

fn accept(state: &mut State, _: &[String]) -> Acted {
    let Some(Overlay::Prompt(prompt)) = state.overlay.take() else { return Ok(vec![]) };
    if let Some(action) = prompt.runs() {
        let Some(words) = text::shell_words(prompt.input.value()) else {
            // What was typed stays, to be mended.
            state.overlay = Some(Overlay::Prompt(prompt));
            return Err("a quote is not closed".into());
        };
        return by_name(state, action, &words[1..]);
    }
    match prompt.kind {
        Kind::Palette => {}
        Kind::Connect => return by_name(state, "connect", &[prompt.input.value().trim().to_owned()]),
        Kind::Filter { .. } | Kind::Search { .. } => return Ok(vec![]),
    }
    let typed = prompt.input.value().trim();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    // What was typed out counts; else the offer that is lit.
    let line =
        match (state.action_named(words(typed).first().map_or("", String::as_str)), prompt.offers.get(prompt.choice)) {
            (None, Some(offer)) => words(&offer.line),
            (Some(_), Some(offer)) if prompt.choice > 0 => words(&offer.line),
            _ => words(typed),
        };
    let Some((name, args)) = line.split_first() else { return Ok(vec![]) };
    by_name(state, name, args)
}

fn by_name(state: &mut State, name: &str, args: &[String]) -> Acted {
    match state.action_named(name) {
        Some(action) => Ok(state.act(action, args)),
        None => Err(format!("there is no action {name}; ? shows them all")),
    }
}
