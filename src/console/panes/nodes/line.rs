//! Nodes as lines: a table with as many columns as there is room for.

use protocol::node::NodeState;
use protocol::unit::Percent;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Item, flags, heat_look, look, remarks, trend, works};
use crate::console::panes::{number, paint};
use crate::console::state::State;
use crate::console::state::nodes::NodeColumn;
use crate::text;

/// In the order in which they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    State,
    Name,
    Cpu,
    Memory,
    Trend,
    Heat,
    Flag,
    In,
    Out,
    Running,
    Finished,
    Remarks,
    Model,
}

const FIELDS: [Field; 13] = [
    Field::State,
    Field::Name,
    Field::Cpu,
    Field::Memory,
    Field::Trend,
    Field::Heat,
    Field::Flag,
    Field::In,
    Field::Out,
    Field::Running,
    Field::Finished,
    Field::Remarks,
    Field::Model,
];

/// Cells of a number of percent; what a column has beyond is its bar.
const PERCENT: u16 = 4;
const NAME_MOST: u16 = 28;

/// What is wanted, the most needed first: columns, or more room for one that is there. What stands in one row makes
/// sense together only.
const WANTED: [&[(Field, u16)]; 14] = [
    &[(Field::Cpu, PERCENT)],
    &[(Field::Heat, 5)],
    &[(Field::Memory, PERCENT)],
    &[(Field::Running, 4)],
    &[(Field::Cpu, 7)],
    &[(Field::Memory, 7)],
    &[(Field::Flag, 1)],
    &[(Field::Trend, 10)],
    &[(Field::In, 5), (Field::Out, 5)],
    &[(Field::Finished, 4)],
    &[(Field::Remarks, 11)],
    &[(Field::Model, 14)],
    &[(Field::Trend, 10)],
    &[(Field::Model, 12)],
];

/// The most that what is left over makes each bar, and the trend, longer.
const SPARE_BAR: u16 = 8;
const SPARE_TREND: u16 = 20;

/// How wide each column is; 0: it is not there.
pub struct Plan {
    widths: [u16; FIELDS.len()],
}

impl Plan {
    pub fn of(width: u16, name: u16) -> Plan {
        let mut widths = [0; FIELDS.len()];
        widths[Field::State as usize] = 2;
        widths[Field::Name as usize] = name.clamp(6, NAME_MOST).min(width.saturating_sub(3));
        // Each column but the first has a cell between it and the one before.
        let mut left = width.saturating_sub(3 + widths[Field::Name as usize]);
        for group in WANTED {
            let cost = |(field, wanted): &(Field, u16)| wanted + u16::from(widths[*field as usize] == 0);
            let cost: u16 = group.iter().map(cost).sum();
            if cost <= left {
                group.iter().for_each(|(field, wanted)| widths[*field as usize] += wanted);
                left -= cost;
            }
        }
        if widths[Field::Trend as usize] > 0 {
            let bar = (left / 4).min(SPARE_BAR);
            widths[Field::Cpu as usize] += bar;
            widths[Field::Memory as usize] += bar;
            widths[Field::Trend as usize] += (left - 2 * bar).min(SPARE_TREND);
        }
        Plan { widths }
    }

    fn columns(&self, area: Rect) -> impl Iterator<Item = (Field, Rect)> {
        let mut x = area.x;
        FIELDS.into_iter().zip(self.widths).filter(|(_, width)| *width > 0).map(move |(field, width)| {
            let place = Rect { x, width, ..area }.intersection(area);
            x = x.saturating_add(width + 1);
            (field, place)
        })
    }

    /// The names of the columns; the one that nodes are sorted by has an arrow.
    pub fn heading(&self, state: &State, area: Rect, buffer: &mut Buffer) {
        if area.is_empty() {
            return;
        }
        let (glyphs, styles) = (state.theme.glyphs, &state.theme.styles);
        let arrow = if state.nodes.reverse { glyphs.arrow_up } else { glyphs.arrow_down };
        for (field, place) in self.columns(area) {
            let (word, sort, right) = match field {
                Field::State => ("", Some(NodeColumn::State), true),
                Field::Name => ("name", Some(NodeColumn::Name), false),
                Field::Cpu => ("cpu", Some(NodeColumn::Cpu), place.width == PERCENT),
                Field::Memory => ("ram", Some(NodeColumn::Memory), place.width == PERCENT),
                Field::Trend => ("5 min", None, false),
                Field::Heat => ("heat", Some(NodeColumn::Heat), true),
                Field::Flag => ("", None, false),
                Field::In => ("in", None, true),
                Field::Out => ("out", None, true),
                Field::Running => ("run", Some(NodeColumn::Running), true),
                Field::Finished => ("done", None, true),
                Field::Remarks => ("", None, false),
                Field::Model => ("model", None, false),
            };
            let sorted = sort == Some(state.nodes.sort);
            let said = if sorted { format!("{word}{arrow}") } else { word.to_owned() };
            let style = if sorted { styles.strong } else { styles.dim };
            let x = if right { place.right().saturating_sub(paint::width(&said)).max(place.x) } else { place.x };
            paint::text(buffer, x, area.y, place.right() - x, &said, style);
        }
    }

    pub fn draw(&self, state: &State, item: &Item<'_>, area: Rect, buffer: &mut Buffer) {
        for (field, place) in self.columns(area) {
            if !place.is_empty() {
                draw_field(state, item, field, place, buffer);
            }
        }
        if item.node.state != NodeState::Up {
            self.away(state, item, area, buffer);
        }
        paint::row_look(buffer, area, item.cursor, item.marked, item.focused, &state.theme);
    }

    /// In the place of numbers that there are not: since when.
    fn away(&self, state: &State, item: &Item<'_>, area: Rect, buffer: &mut Buffer) {
        let free = [Field::Cpu, Field::Memory, Field::Trend];
        let places = self.columns(area).filter(|(field, _)| free.contains(field)).map(|(_, place)| place);
        let Some(place) = places.reduce(|all, place| all.union(place)) else { return };
        let (_, style) = paint::node_look(item.node.state, &state.theme);
        let word = item.node.state.word();
        let said = match item.node.seen_at.map(|at| text::age(state.now.wall, at)) {
            Some(age) => format!("{word}, seen {age} ago"),
            None => format!("{word}, never seen"),
        };
        paint::text(buffer, place.x, place.y, place.width, &paint::cut(&said, place.width, state.theme.glyphs), style);
    }
}

fn draw_field(state: &State, item: &Item<'_>, field: Field, place: Rect, buffer: &mut Buffer) {
    let (glyphs, styles) = (state.theme.glyphs, &state.theme.styles);
    let (node, shown) = (item.node, item.shown);
    let up = node.state == NodeState::Up;
    let right = |buffer: &mut Buffer, said: &str, style: Style| {
        let x = place.right().saturating_sub(paint::width(said)).max(place.x);
        paint::text(buffer, x, place.y, place.width, said, style);
    };
    match field {
        Field::State => {
            let (glyph, style) = look(node, &state.theme);
            paint::text(buffer, place.x, place.y, 1, if item.marked { glyphs.marked } else { " " }, styles.marked);
            right(buffer, glyph, style);
        }
        Field::Name => {
            let name = paint::cut(node.name.as_str(), place.width, glyphs);
            paint::text(buffer, place.x, place.y, place.width, &name, styles.strong);
        }
        Field::Cpu if up => meter(state, shown.cpu, place, buffer),
        Field::Memory if up => meter(state, shown.memory, place, buffer),
        Field::Trend if up => trend(state, node, place, buffer),
        Field::Heat if up => {
            let (glyph, style) = heat_look(shown, &state.theme).unwrap_or((" ", styles.dim));
            right(buffer, &format!("{}{glyph}", number::degrees(shown.temperature, glyphs.degree)), style);
        }
        Field::Flag => {
            let throttle = node.metrics.as_ref().and_then(|metrics| metrics.throttle);
            if !flags::now(throttle).is_empty() {
                right(buffer, glyphs.flag, styles.flag);
            } else if !flags::since_boot(throttle).is_empty() {
                right(buffer, glyphs.flag, styles.dim);
            }
        }
        Field::In if up => right(buffer, &number::bytes(shown.net_in), styles.text),
        Field::Out if up => right(buffer, &number::bytes(shown.net_out), styles.text),
        Field::Running if works(node) => {
            right(
                buffer,
                &number::count(node.running.into()),
                if node.running > 0 { styles.running } else { styles.dim },
            );
        }
        Field::Finished if works(node) => right(buffer, &number::count(node.finished), styles.dim),
        Field::Remarks => {
            let remarks = remarks(node, &state.theme);
            let full: usize = remarks.iter().map(|(word, ..)| word.len() + 1).sum();
            let mut x = place.x;
            for (word, short, style) in remarks {
                let said = if full <= usize::from(place.width) + 1 { word } else { short };
                let room = place.right().saturating_sub(x);
                if !said.is_empty() && paint::width(said) <= room {
                    x += paint::text(buffer, x, place.y, room, said, style) + 1;
                }
            }
        }
        Field::Model => {
            if let Some(model) = &node.facts.model {
                let said = paint::cut(&text::clean(model), place.width, glyphs);
                paint::text(buffer, place.x, place.y, place.width, &said, styles.dim);
            }
        }
        _ => {}
    }
}

fn meter(state: &State, share: Option<Percent>, place: Rect, buffer: &mut Buffer) {
    let bar = Rect { width: place.width.saturating_sub(PERCENT + 1), ..place };
    paint::bar(buffer, bar, share, &state.theme);
    let said = format!("{:>4}", number::percent(share));
    let x = place.right().saturating_sub(PERCENT).max(place.x);
    paint::text(buffer, x, place.y, place.right() - x, &said, state.theme.styles.text);
}
