//! A task's page: what is known of it, why it waits, and what it prints.

mod head;
mod log;
#[cfg(test)]
mod tests;
mod why;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::paint;
use crate::console::state::State;
use crate::console::state::layout::inside;
use crate::console::state::log::View;
use crate::console::state::task::TaskPage;
use crate::text;

/// Where the parts of the page are; a part there is no room or nothing for is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    pub head: Rect,
    pub why: Rect,
    /// The line between them and the log, that tells about the log.
    pub rule: Rect,
    pub log: Rect,
    pub view: View,
}

/// Before each line of the log, a sign for what it is.
const MARGIN: u16 = 2;

/// Drawing and scrolling ask the same question, so they agree.
pub fn parts(page: &TaskPage, body: Rect, wrap: bool) -> Parts {
    let inner = inside(body);
    let mut y = inner.y;
    let mut take = |rows: u16| {
        let part = Rect { y, height: rows.min(inner.bottom().saturating_sub(y)), ..inner };
        y = part.bottom();
        part
    };
    let head = take(head::height(page, inner.width).min((inner.height / 2).max(1)));
    let rest = inner.height - head.height;
    let alone = page.why.is_some() && page.shown_attempt() == 0;
    let (why, rule, log) = if alone {
        let rule = take(1);
        (take(rest), rule, Rect::ZERO)
    } else {
        let most = if page.why.is_some() { (rest / 2).min(why::height(page) + 1) } else { 0 };
        let why = take(most);
        let rule = take(1);
        (why, rule, take(rest))
    };
    let view = View { rows: log.height.into(), width: log.width.saturating_sub(MARGIN).into(), wrap };
    Parts { head, why, rule, log, view }
}

pub fn draw(state: &State, page: &TaskPage, area: Rect, buffer: &mut Buffer) {
    let styles = &state.theme.styles;
    let mut title = vec![Span::styled(format!(" task {} ", page.id), styles.title_focused)];
    if let Some(name) = page.task.as_ref().and_then(|task| task.name.as_ref()) {
        title.push(Span::styled(format!("{} ", text::clean(name.as_str())), styles.title));
    }
    let inner = paint::frame(state, title, state.overlay.is_none(), area, buffer);
    if page.task.is_none() {
        let said = if state.link.live() { "asking the manager" } else { "not known before the link broke" };
        return paint::hollow(state, inner, buffer, said);
    }
    let parts = parts(page, area, state.settings.wrap);
    head::draw(state, page, parts.head, buffer);
    if parts.log.is_empty() && !parts.why.is_empty() {
        paint::rule(state, parts.rule, vec![Span::styled(" why it waits ", styles.title)], vec![], buffer);
        return why::draw(state, page, parts.why, buffer);
    }
    why::draw(state, page, parts.why, buffer);
    log::rule(state, page, parts.rule, buffer);
    log::draw(state, page, &parts, buffer);
}
