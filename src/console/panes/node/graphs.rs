//! How a node has been doing: CPU, memory, heat and network over the same time, one below the other.

use protocol::api::{History, NodeView, Span};
use protocol::unit::{Bytes, Celsius, Percent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::console::panes::graph::{self, Of, Samples};
use crate::console::panes::{number, paint};
use crate::console::state::State;
use crate::console::state::node::NodePage;

/// Of a graph with its heading: the least with which it says something, and the most that helps.
const LEAST: u16 = 3;
const MOST: u16 = 9;
/// Cells of the scale at the left.
const SCALE: u16 = 5;
const GRAPHS: u16 = 4;
/// What boards live with; a graph of heat goes beyond where they do.
const COLD: f32 = 30.0;
const HOT: f32 = 90.0;

pub fn title(span: Span) -> &'static str {
    match span {
        Span::Hour => "last hour",
        Span::Day => "last day",
    }
}

/// How high each is: all of them in view if they can be read then.
fn height(area: Rect) -> u16 {
    (area.height.saturating_sub(1) / GRAPHS).clamp(LEAST, MOST)
}

/// How many there are, and how many are seen at once.
pub fn fitting(area: Rect) -> (usize, usize) {
    let seen = area.height / height(area);
    (GRAPHS.into(), seen.clamp(1, GRAPHS).into())
}

pub fn draw(
    state: &State,
    page: &NodePage,
    node: Option<&NodeView>,
    history: &History,
    area: Rect,
    buffer: &mut Buffer,
) {
    let high = height(area);
    let graph = Graph { state, history };
    let mut y = area.y;
    // Whole graphs only: a part of one lies about its scale.
    for nth in page.graphs_top..GRAPHS.into() {
        if y + high > area.bottom() {
            break;
        }
        let place = Rect { y, height: high, ..area };
        match nth {
            0 => graph.cpu(place, buffer),
            1 => graph.memory(node, place, buffer),
            2 => graph.heat(place, buffer),
            _ => graph.network(place, buffer),
        }
        y += high;
    }
    if y < area.bottom() && y > area.y {
        axis(state, history.span, Rect { y, height: 1, ..area }, buffer);
    }
}

fn axis(state: &State, span: Span, area: Rect, buffer: &mut Buffer) {
    let (first, middle) = match span {
        Span::Hour => ("60m ago", "30m"),
        Span::Day => ("24h ago", "12h"),
    };
    let area = Rect { x: area.x + SCALE.min(area.width), width: area.width.saturating_sub(SCALE), ..area };
    let style = state.theme.styles.dim;
    if area.width < 8 {
        return;
    }
    paint::text(buffer, area.right() - 3, area.y, 3, "now", style);
    if area.width >= 12 {
        paint::text(buffer, area.x, area.y, area.width, first, style);
    }
    if area.width >= 24 {
        paint::text(buffer, area.x + area.width / 2 - 1, area.y, area.width, middle, style);
    }
}

/// Samples, and how they become a graph.
struct Curve<'a, T> {
    samples: &'a [Option<T>],
    value: fn(T) -> f32,
    of: Of,
    /// The values at the bottom and at the top.
    scale: (f32, f32),
    style: &'a dyn Fn(f32) -> Style,
}

struct Graph<'a> {
    state: &'a State,
    history: &'a History,
}

impl Graph<'_> {
    fn cpu(&self, area: Rect, buffer: &mut Buffer) {
        let say = |share: f32| number::percent(Percent::new(share));
        let style = self.state.theme.styles.graph_cpu;
        let (samples, scale) = (&self.history.cpu, (0.0, 100.0));
        let curve = Curve { samples, value: Percent::value, of: Of::Mean, scale, style: &|_| style };
        self.one("cpu", &curve, say, area, buffer);
    }

    fn memory(&self, node: Option<&NodeView>, area: Rect, buffer: &mut Buffer) {
        let most = highest(&self.history.memory).unwrap_or(0.0);
        let all = node.and_then(|node| node.facts.memory).map_or(most, |all| all.0 as f32);
        let style = self.state.theme.styles.graph_memory;
        let (samples, scale) = (&self.history.memory, (0.0, all));
        let curve = Curve { samples, value, of: Of::Mean, scale, style: &|_| style };
        self.one("ram", &curve, say_bytes, area, buffer);
    }

    fn heat(&self, area: Rect, buffer: &mut Buffer) {
        let theme = &self.state.theme;
        let known = self.history.temperature.iter().flatten().map(|degrees| degrees.value());
        let (low, high) = known.fold((COLD, HOT), |(low, high), degrees| (low.min(degrees), high.max(degrees)));
        let say = |degrees: f32| number::degrees(Celsius::new(degrees), theme.glyphs.degree);
        let style = |degrees: f32| {
            Celsius::new(degrees)
                .map_or(theme.styles.graph_heat, |degrees| theme.styles.heat[paint::heat_step(degrees)])
        };
        let (samples, scale) = (&self.history.temperature, (low, high));
        // Of several temperatures the highest is what matters.
        let curve = Curve { samples, value: Celsius::value, of: Of::Highest, scale, style: &style };
        self.one("heat", &curve, say, area, buffer);
    }

    /// Both ways to the same scale, so that they can be compared.
    fn network(&self, area: Rect, buffer: &mut Buffer) {
        let (glyphs, styles) = (self.state.theme.glyphs, &self.state.theme.styles);
        let ways = [
            (glyphs.arrow_down, &self.history.net_in, styles.graph_in),
            (glyphs.arrow_up, &self.history.net_out, styles.graph_out),
        ];
        let most = ways.iter().filter_map(|(_, samples, _)| highest(samples)).fold(1024.0, f32::max);
        let mut x = area.x;
        x += paint::text(buffer, x, area.y, area.width, "net", styles.strong) + SCALE.saturating_sub(3);
        for (arrow, samples, style) in &ways {
            let now = number::bytes(samples.last().copied().flatten());
            x += paint::text(buffer, x, area.y, area.right().saturating_sub(x), &format!("{arrow}{now:<6}"), *style);
        }
        let highs = ways.map(|(arrow, samples, _)| format!("{arrow}{}", number::bytes(highest(samples).map(bytes))));
        note(self.state, &format!("max {}", highs.join(" ")), x, area, buffer);
        let rows = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
        let half = rows.height.div_ceil(2);
        let places = [Rect { height: half, ..rows }, Rect { y: rows.y + half, height: rows.height - half, ..rows }];
        for ((arrow, samples, style), place) in ways.iter().zip(places) {
            if place.is_empty() {
                continue;
            }
            paint::text(buffer, place.x, place.y, SCALE, &format!("{arrow}{}", say_bytes(most)), styles.dim);
            let curve = Curve { samples, value, of: Of::Mean, scale: (0.0, most), style: &|_| *style };
            self.plot(&curve, place, buffer);
        }
    }

    fn one<T: Copy>(
        &self,
        label: &str,
        curve: &Curve<'_, T>,
        say: impl Fn(f32) -> String,
        area: Rect,
        buffer: &mut Buffer,
    ) {
        let (samples, value, scale) = (curve.samples, curve.value, curve.scale);
        let styles = &self.state.theme.styles;
        let known = || samples.iter().flatten().map(|sample| value(*sample));
        let now = samples.last().copied().flatten().map(value);
        let mut x = area.x;
        x += paint::text(buffer, x, area.y, area.width, label, styles.strong);
        x = (x + 1).max(area.x + SCALE).min(area.right());
        let said = now.map_or_else(|| number::UNKNOWN.into(), &say);
        let lit = now.map_or(styles.dim, curve.style);
        x += paint::text(buffer, x, area.y, area.right() - x, &said, lit);
        if let (Some(low), Some(high)) = (known().reduce(f32::min), known().reduce(f32::max)) {
            note(self.state, &format!("min {}  max {}", say(low), say(high)), x, area, buffer);
        }
        let rows = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
        if rows.is_empty() {
            return;
        }
        let label = |said: String| format!("{said:>4}");
        paint::text(buffer, rows.x, rows.y, SCALE, &label(say(scale.1)), styles.dim);
        if rows.height > 1 {
            let low = if scale.0 == 0.0 { "0".into() } else { say(scale.0) };
            paint::text(buffer, rows.x, rows.bottom() - 1, SCALE, &label(low), styles.dim);
        }
        self.plot(curve, rows, buffer);
    }

    fn plot<T: Copy>(&self, curve: &Curve<'_, T>, area: Rect, buffer: &mut Buffer) {
        let (low, high) = curve.scale;
        let scale = SCALE.min(area.width);
        let area = Rect { x: area.x + scale, width: area.width - scale, ..area };
        let history = self.history;
        let last = history.end.0 / u64::from(history.step_ms.max(1));
        let samples = Samples { known: curve.samples, most: history.span.samples(), last };
        let values = graph::cells(&samples, curve.value, curve.of, area.width);
        let range = (high - low).max(f32::MIN_POSITIVE);
        let shares: Vec<Option<f32>> = values.iter().map(|value| value.map(|value| (value - low) / range)).collect();
        let look = |at: usize| values[at].map_or_else(Style::default, curve.style);
        graph::area(buffer, area, &shares, look, self.state.theme.glyphs);
    }
}

/// At the right of a heading, where there is room for all of it.
fn note(state: &State, said: &str, from: u16, area: Rect, buffer: &mut Buffer) {
    let width = paint::width(said);
    if area.right().saturating_sub(width) > from.saturating_add(1) && width < area.width {
        paint::text(buffer, area.right() - width, area.y, width, said, state.theme.styles.dim);
    }
}

fn value(bytes: Bytes) -> f32 {
    bytes.0 as f32
}

fn bytes(value: f32) -> Bytes {
    Bytes(value as u64)
}

fn say_bytes(value: f32) -> String {
    number::bytes(Some(bytes(value)))
}

fn highest(samples: &[Option<Bytes>]) -> Option<f32> {
    samples.iter().flatten().max().map(|bytes| bytes.0 as f32)
}
