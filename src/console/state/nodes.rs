//! The nodes as a grid: in which order, which are seen, which are marked.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use protocol::api::{NodeView, Trend};
use protocol::name::NodeName;
use protocol::unit::Percent;
use ratatui::layout::Rect;
use serde::{Deserialize, Serialize};

use super::Now;
use super::filter::{Filter, Filtered, contains};
use super::list::{Move, Scroll};
use super::settings::Settings;

/// A new sample comes as often.
const TREND: Duration = Duration::from_millis(Trend::STEP_MS as u64);

/// How nodes are drawn. What a person has not chosen follows from how many there are and how much room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodesView {
    Cards,
    Lines,
    Heat,
}

impl NodesView {
    pub fn next(self) -> Self {
        match self {
            NodesView::Cards => NodesView::Lines,
            NodesView::Lines => NodesView::Heat,
            NodesView::Heat => NodesView::Cards,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            NodesView::Cards => "cards",
            NodesView::Lines => "lines",
            NodesView::Heat => "heat",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeColumn {
    #[default]
    Name,
    State,
    Cpu,
    Memory,
    Heat,
    Running,
}

impl NodeColumn {
    pub const ALL: [NodeColumn; 6] = [
        NodeColumn::Name,
        NodeColumn::State,
        NodeColumn::Cpu,
        NodeColumn::Memory,
        NodeColumn::Heat,
        NodeColumn::Running,
    ];

    pub fn word(self) -> &'static str {
        match self {
            NodeColumn::Name => "name",
            NodeColumn::State => "state",
            NodeColumn::Cpu => "cpu",
            NodeColumn::Memory => "memory",
            NodeColumn::Heat => "heat",
            NodeColumn::Running => "running",
        }
    }
}

#[derive(Debug)]
pub struct Nodes {
    /// As chosen; `None`: as fits.
    pub view: Option<NodesView>,
    pub sort: NodeColumn,
    pub reverse: bool,
    pub filter: Filter,
    pub marks: BTreeSet<NodeName>,
    /// Indices into the picture's nodes.
    order: Vec<usize>,
    pub scroll: Scroll,
    /// The node under the cursor, so that it stays there when others come or go.
    at: Option<NodeName>,
    trends: HashMap<NodeName, VecDeque<Option<Percent>>>,
    trends_asked_at: Option<Duration>,
}

/// How the grid lies in its area: what is drawn and what keys and mouse mean follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    pub view: NodesView,
    pub columns: usize,
    /// Of one item, in cells.
    pub width: u16,
    pub height: u16,
    /// Rows of items seen at once.
    pub rows: usize,
}

impl Nodes {
    pub fn new(settings: &Settings) -> Self {
        Self {
            view: settings.nodes_view,
            sort: settings.nodes_sort,
            reverse: settings.nodes_reverse,
            filter: Filter::default(),
            marks: BTreeSet::new(),
            order: vec![],
            scroll: Scroll::default(),
            at: None,
            trends: HashMap::new(),
            trends_asked_at: None,
        }
    }

    /// After anything that may have changed which nodes there are, or their order.
    pub fn refresh(&mut self, nodes: &[NodeView]) {
        let mut order: Vec<usize> = (0..nodes.len()).filter(|at| self.filter.holds(&nodes[*at])).collect();
        // Stable: what is equal stays by role and name.
        order.sort_by(|one, other| compare(self.sort, &nodes[*one], &nodes[*other]));
        if self.reverse {
            order.reverse();
        }
        self.order = order;
        if let Some(at) = self.at.as_ref().and_then(|name| self.position(nodes, name)) {
            self.scroll.cursor = at;
        }
        self.marks.retain(|name| nodes.iter().any(|node| node.name == *name));
        self.trends.retain(|name, _| nodes.iter().any(|node| node.name == *name));
    }

    fn position(&self, nodes: &[NodeView], name: &NodeName) -> Option<usize> {
        self.order.iter().position(|at| nodes[*at].name == *name)
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub fn get<'a>(&self, nodes: &'a [NodeView], item: usize) -> Option<&'a NodeView> {
        self.order.get(item).and_then(|at| nodes.get(*at))
    }

    pub fn current<'a>(&self, nodes: &'a [NodeView]) -> Option<&'a NodeView> {
        self.get(nodes, self.scroll.cursor)
    }

    pub fn grid(&self, area: Rect) -> Grid {
        Grid::of(self.view, self.order.len(), area)
    }

    pub fn step(&mut self, by: Move, nodes: &[NodeView], area: Rect) {
        let grid = self.grid(area);
        self.scroll.step(by, self.order.len(), grid.columns, grid.rows);
        self.go_to(self.scroll.cursor, nodes);
    }

    pub fn go_to(&mut self, item: usize, nodes: &[NodeView]) {
        self.scroll.cursor = item.min(self.order.len().saturating_sub(1));
        self.at = self.current(nodes).map(|node| node.name.clone());
    }

    pub fn settle(&mut self, nodes: &[NodeView], area: Rect) {
        let grid = self.grid(area);
        self.scroll.settle(self.order.len(), grid.columns, grid.rows);
        self.at = self.current(nodes).map(|node| node.name.clone());
    }

    /// Whether they are to be asked for; then they are taken to be.
    pub fn trends_due(&mut self, now: Now) -> bool {
        let due = self.trends_asked_at.is_none_or(|at| now.mono >= at + TREND);
        if due {
            self.trends_asked_at = Some(now.mono);
        }
        due
    }

    pub fn trends_next(&self) -> Option<Duration> {
        self.trends_asked_at.map(|at| at + TREND)
    }

    pub fn ask_again(&mut self) {
        self.trends_asked_at = None;
    }

    pub fn learn_trends(&mut self, trends: Vec<Trend>) {
        self.trends = trends.into_iter().map(|trend| (trend.node, trend.cpu.into())).collect();
    }

    /// The last minutes of a node's CPU, the oldest first; gaps where nothing is known.
    pub fn trend(&self, name: &NodeName) -> Option<&VecDeque<Option<Percent>>> {
        self.trends.get(name)
    }
}

/// A card, with its border.
const CARD: (u16, u16) = (30, 7);

impl Grid {
    pub fn of(view: Option<NodesView>, items: usize, area: Rect) -> Grid {
        let cards = Grid::cells(NodesView::Cards, CARD, area);
        let lines = Grid { view: NodesView::Lines, columns: 1, width: area.width, height: 1, rows: area.height.into() };
        let heat = Grid::cells(NodesView::Heat, (4, 2), area);
        match view {
            Some(NodesView::Cards) => cards,
            Some(NodesView::Lines) => lines,
            Some(NodesView::Heat) => heat,
            None if items <= cards.columns * cards.rows => cards,
            None if items <= 4 * lines.rows => lines,
            None => heat,
        }
    }

    fn cells(view: NodesView, (width, height): (u16, u16), area: Rect) -> Grid {
        let columns = (area.width / width).max(1);
        let rows = usize::from(area.height / height).max(1);
        // What is left over makes each a little wider.
        Grid { view, columns: columns.into(), width: area.width / columns, height, rows }
    }

    /// Where an item is, counted from the first that is seen.
    pub fn place(&self, seen: usize, area: Rect) -> Rect {
        let column = u16::try_from(seen % self.columns).unwrap_or(u16::MAX);
        let row = u16::try_from(seen / self.columns).unwrap_or(u16::MAX);
        let x = area.x.saturating_add(column.saturating_mul(self.width));
        let y = area.y.saturating_add(row.saturating_mul(self.height));
        Rect::new(x, y, self.width, self.height).intersection(area)
    }

    /// The item at a cell of the area, counted from the first that is seen.
    pub fn item_at(&self, x: u16, y: u16, area: Rect) -> Option<usize> {
        if !area.contains((x, y).into()) || self.width == 0 || self.height == 0 {
            return None;
        }
        let (column, row) = (usize::from((x - area.x) / self.width), usize::from((y - area.y) / self.height));
        (column < self.columns).then_some(row * self.columns + column)
    }
}

/// Where a column is about more or less, more comes first, and what is not known comes last.
fn compare(by: NodeColumn, one: &NodeView, other: &NodeView) -> Ordering {
    let more = |value: fn(&NodeView) -> Option<f32>| match (value(one), value(other)) {
        (Some(one), Some(other)) => other.total_cmp(&one),
        (one, other) => other.is_some().cmp(&one.is_some()),
    };
    match by {
        NodeColumn::Name => Ordering::Equal,
        NodeColumn::State => other.state.cmp(&one.state),
        NodeColumn::Cpu => more(|node| node.metrics.as_ref()?.cpu.map(Percent::value)),
        NodeColumn::Memory => more(|node| memory(node).map(Percent::value)),
        NodeColumn::Heat => more(|node| node.metrics.as_ref()?.temperature.map(|t| t.value())),
        NodeColumn::Running => other.running.cmp(&one.running),
    }
}

pub fn memory(node: &NodeView) -> Option<Percent> {
    let (used, all) = node.metrics.as_ref()?.memory_used.zip(node.facts.memory)?;
    Percent::of(used.0, all.0)
}

impl Filtered for NodeView {
    fn texts(&self, found: &mut dyn FnMut(&str)) {
        found(self.name.as_str());
        found(self.role.word());
        found(self.state.word());
        for text in [&self.facts.model, &self.facts.os, &self.address].into_iter().flatten() {
            found(text);
        }
    }

    fn field(&self, name: &str, value: &str) -> Option<bool> {
        match name {
            "node" | "name" => Some(contains(self.name.as_str(), value)),
            "role" => Some(contains(self.role.word(), value)),
            "state" => Some(
                contains(self.state.word(), value)
                    || self.draining && contains("draining", value)
                    || self.revoked && contains("revoked", value),
            ),
            "model" => Some(self.facts.model.as_deref().is_some_and(|model| contains(model, value))),
            "os" => Some(self.facts.os.as_deref().is_some_and(|os| contains(os, value))),
            "arch" => Some(self.facts.arch.as_deref().is_some_and(|arch| contains(arch, value))),
            _ => None,
        }
    }
}
