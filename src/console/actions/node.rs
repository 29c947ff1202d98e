//! What is only on a node's page.

use protocol::api::Span;

use super::{Acted, Action, Layer};
use crate::console::state::State;
use crate::console::state::layout::Layout;
use crate::console::state::page::Page;

const HERE: &[Layer] = &[Layer::Node];

pub const ACTIONS: &[Action] = &[
    Action::new("span", HERE, "Show the last hour, or the last day", span).hint(|_| "hour or day"),
    Action::new("section", HERE, "Go to the next part of the page", |state, _| section(state, true)).hint(|_| "part"),
    Action::new("previous-section", HERE, "Go to the part before", |state, _| section(state, false)),
];

fn span(state: &mut State, _: &[String]) -> Acted {
    if let Page::Node(page) = state.pages.current_mut() {
        page.span = match page.span {
            Span::Hour => Span::Day,
            Span::Day => Span::Hour,
        };
    }
    Ok(vec![])
}

fn section(state: &mut State, forward: bool) -> Acted {
    let body = Layout::of(state).body;
    if let Page::Node(page) = state.pages.current_mut() {
        page.next_section(body, forward);
    }
    Ok(vec![])
}
