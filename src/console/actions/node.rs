//! What is only on a node's page.

use protocol::api::Span;

use super::{Acted, Action, Layer};
use crate::console::state::State;
use crate::console::state::page::Page;

pub const ACTIONS: &[Action] =
    &[Action::new("span", &[Layer::Node], "Show the last hour, or the last day", span).hint(|_| "hour or day")];

fn span(state: &mut State, _: &[String]) -> Acted {
    if let Page::Node(page) = state.pages.current_mut() {
        page.span = match page.span {
            Span::Hour => Span::Day,
            Span::Day => Span::Hour,
        };
    }
    Ok(vec![])
}
