//! The top line: which manager, who is here, how the nodes are, what there is to do, what is hottest, what time it is.

use protocol::node::{NodeState, Role};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;

use super::paint;
use crate::console::state::layout::Layout;
use crate::console::state::page::Page;
use crate::console::state::{Link, State};
use crate::text;

pub fn draw(state: &State, layout: &Layout, buffer: &mut Buffer) {
    let area = layout.header;
    buffer.set_style(area, state.theme.styles.header);
    let clock = text::clock(state.now.wall, &state.zone);
    let clock_width = paint::width(&clock) + 1;
    paint::text(
        buffer,
        area.right().saturating_sub(clock_width),
        area.y,
        clock_width,
        &clock,
        state.theme.styles.header.patch(state.theme.styles.dim),
    );
    let mut room = area.width.saturating_sub(clock_width + 1);
    let mut x = area.x + 1;
    for part in parts(state) {
        let cells = part.iter().map(|span| paint::width(&span.content)).fold(3, u16::saturating_add);
        // A part is whole or not there.
        if cells > room {
            break;
        }
        let taken = paint::spans(buffer, x, area.y, room, &part) + 3;
        (x, room) = (x + taken, room.saturating_sub(taken));
    }
    banner(state, layout.banner, buffer);
}

fn parts(state: &State) -> Vec<Vec<Span<'static>>> {
    let (styles, glyphs) = (&state.theme.styles, state.theme.glyphs);
    let head = |text: String| Span::styled(text, styles.header_strong);
    let plain = |text: String| Span::styled(text, styles.header);
    let picture = &state.picture;
    let manager = picture.nodes.iter().find(|node| node.role == Role::Manager).map(|node| node.name.to_string());
    let mut crumbs = vec![head(manager.unwrap_or_else(|| "bramble".into()))];
    match state.pages.current() {
        Page::Home => {}
        Page::Node(page) => crumbs.push(plain(format!(" {} {}", glyphs.separator, page.name))),
        Page::Task(page) => crumbs.push(plain(format!(" {} {}", glyphs.separator, page.id))),
    }
    let workers = || picture.nodes.iter().filter(|node| node.role == Role::Worker);
    let mut nodes = vec![];
    for node_state in [NodeState::Up, NodeState::Reachable, NodeState::Down] {
        let count = workers().filter(|node| node.state == node_state).count();
        if count > 0 || node_state == NodeState::Up {
            let (glyph, style) = paint::node_look(node_state, &state.theme);
            let gap = if nodes.is_empty() { "" } else { " " };
            nodes.push(Span::styled(format!("{gap}{glyph} {count}"), styles.header.patch(style)));
            nodes.push(plain(format!(" {node_state}")));
        }
    }
    let work = picture.work;
    // What a node holds for its next free CPU waits like the rest.
    let waits = work.queued.saturating_add(work.starting);
    let waits = if waits > 0 { format!(" {} {waits} queued", glyphs.dot) } else { String::new() };
    let work = plain(format!("{} running{waits}", work.running));
    let hottest = state.nodes.hottest(&picture.nodes);
    let hottest = hottest.map(|(temperature, node)| {
        let style = styles.heat[paint::heat_step(temperature)];
        let degrees = format!("{:.0}{}C", temperature.value(), glyphs.degree);
        vec![plain(format!("hottest {} ", node.name)), Span::styled(degrees, styles.header.patch(style))]
    });
    let people = match picture.people.len() {
        0 => None,
        1..=3 => Some(picture.people.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        many => Some(format!("{many} people")),
    };
    let mut parts = vec![crumbs, nodes, vec![work]];
    parts.extend(hottest);
    parts.extend(people.map(|people| vec![plain(people)]));
    parts
}

/// Says since when the picture is old, and when it is tried again.
fn banner(state: &State, area: Rect, buffer: &mut Buffer) {
    let Link::Lost { since, why, again } = &state.link else { return };
    buffer.set_style(area, state.theme.styles.banner);
    let age = text::took_roughly(state.now.mono.saturating_sub(since.mono).as_millis() as u64);
    let wait = again.saturating_sub(state.now.mono).as_secs();
    let soon = if wait == 0 { "trying again now".to_owned() } else { format!("trying again in {wait}s") };
    let said = format!(" the manager is away; this is {age} old; {soon} {} {why}", state.theme.glyphs.dot);
    let said = paint::cut(&said, area.width, state.theme.glyphs);
    paint::text(buffer, area.x, area.y, area.width, &said, state.theme.styles.banner);
}
