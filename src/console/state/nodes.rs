//! The nodes as a grid: in which order, which are seen, which are marked.

mod grid;
mod natural;
mod shown;

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use protocol::api::{NodeView, Trend};
use protocol::name::NodeName;
use protocol::node::Role;
use protocol::time::UnixMillis;
use protocol::unit::{Celsius, Percent};
use ratatui::layout::Rect;
use serde::{Deserialize, Serialize};

use super::Now;
use super::filter::{Filter, Filtered, contains};
use super::list::{Move, Scroll};
use super::settings::Settings;

pub use grid::Grid;
pub use shown::{FAINT, Shown};

use natural::natural;
use shown::AllShown;

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
    /// Indices into the picture's nodes: all of them, by role and name.
    natural: Vec<usize>,
    /// Those that the filter lets through, in the order that was chosen.
    order: Vec<usize>,
    shown: AllShown,
    /// Of the longest name; names are short and ASCII.
    name_width: usize,
    pub scroll: Scroll,
    /// The node under the cursor, so that it stays there when others come or go.
    at: Option<NodeName>,
    trends: HashMap<NodeName, Vec<Option<Percent>>>,
    trends_end: UnixMillis,
    trends_asked_at: Option<Duration>,
}

impl Nodes {
    pub fn new(settings: &Settings) -> Self {
        Self {
            view: settings.nodes_view,
            sort: settings.nodes_sort,
            reverse: settings.nodes_reverse,
            filter: Filter::default(),
            marks: BTreeSet::new(),
            natural: vec![],
            order: vec![],
            shown: AllShown::default(),
            name_width: 0,
            scroll: Scroll::default(),
            at: None,
            trends: HashMap::new(),
            trends_end: UnixMillis::default(),
            trends_asked_at: None,
        }
    }

    /// What was known and meant of another manager's nodes, which may have the same names.
    pub fn forget(&mut self) {
        self.marks.clear();
        self.trends.clear();
        self.ask_again();
    }

    /// After anything that may have changed which nodes there are, their numbers, or their order.
    pub fn refresh(&mut self, nodes: &[NodeView], now: Now) {
        if self.shown.follow(nodes, now.mono) {
            self.natural = (0..nodes.len()).collect();
            self.name_width = nodes.iter().map(|node| node.name.as_str().len()).max().unwrap_or(0);
        }
        // Unless nodes came or went it is in order already, and sorting that takes no time.
        self.natural.sort_by(|one, other| by_name(&nodes[*one], &nodes[*other]));
        self.order.clear();
        self.order.extend(self.natural.iter().filter(|at| self.filter.holds(&nodes[**at])));
        let (shown, by, reverse) = (&self.shown, self.sort, self.reverse);
        match by {
            NodeColumn::Name if reverse => self.order.reverse(),
            NodeColumn::Name => {}
            // Stable: what is equal stays by role and name.
            _ => self.order.sort_by(|one, other| {
                let look = |at: usize| (&nodes[at], shown.at(at));
                compare(by, reverse, look(*one), look(*other))
            }),
        }
        if let Some(at) = self.at.as_ref().and_then(|name| self.position(nodes, name)) {
            self.scroll.cursor = at;
        }
        if !self.marks.is_empty() {
            let names: HashSet<&NodeName> = nodes.iter().map(|node| &node.name).collect();
            self.marks.retain(|name| names.contains(name));
        }
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

    /// The numbers of an item as they are shown.
    pub fn shown(&self, item: usize) -> Option<&Shown> {
        self.order.get(item).and_then(|at| self.shown.at(*at))
    }

    pub fn shown_of(&self, name: &NodeName) -> Option<&Shown> {
        self.shown.of(name)
    }

    /// Of all that run tasks, whatever the filter.
    pub fn hottest<'a>(&self, nodes: &'a [NodeView]) -> Option<(Celsius, &'a NodeView)> {
        let workers = nodes.iter().enumerate().filter(|(_, node)| node.role == Role::Worker);
        let known = workers.filter_map(|(at, node)| Some((self.shown.at(at)?.temperature?, node)));
        // The first of those that are as hot, so that it does not go to and fro between them.
        known.reduce(|hottest, other| if other.0.value() > hottest.0.value() { other } else { hottest })
    }

    pub fn name_width(&self) -> u16 {
        u16::try_from(self.name_width).unwrap_or(u16::MAX)
    }

    pub fn grid(&self, area: Rect) -> Grid {
        Grid::of(self.view, self.order.len(), self.name_width(), area)
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

    pub fn learn_trends(&mut self, trends: Vec<Trend>, end: UnixMillis) {
        self.trends = trends.into_iter().map(|trend| (trend.node, trend.cpu)).collect();
        self.trends_end = end;
    }

    /// The last minutes of a node's CPU, the oldest first; gaps where nothing is known.
    pub fn trend(&self, name: &NodeName) -> &[Option<Percent>] {
        self.trends.get(name).map_or(&[], Vec::as_slice)
    }

    /// When the last samples of the trends end.
    pub fn trends_end(&self) -> UnixMillis {
        self.trends_end
    }
}

fn by_name(one: &NodeView, other: &NodeView) -> Ordering {
    one.role.cmp(&other.role).then_with(|| natural(one.name.as_str(), other.name.as_str()))
}

type Looked<'a> = (&'a NodeView, Option<&'a Shown>);

/// Where a column is about more or less, more comes first. What is not known comes last either way.
fn compare(by: NodeColumn, reverse: bool, (one, one_shown): Looked<'_>, (other, other_shown): Looked<'_>) -> Ordering {
    let turned = |order: Ordering| if reverse { order.reverse() } else { order };
    let more = |value: fn(&Shown) -> Option<f32>| match (one_shown.and_then(value), other_shown.and_then(value)) {
        (Some(one), Some(other)) => turned(other.total_cmp(&one)),
        (one, other) => other.is_some().cmp(&one.is_some()),
    };
    match by {
        NodeColumn::Name => turned(by_name(one, other)),
        NodeColumn::State => turned((other.state, other.draining).cmp(&(one.state, one.draining))),
        NodeColumn::Cpu => more(|shown| shown.cpu.map(Percent::value)),
        NodeColumn::Memory => more(|shown| shown.memory.map(Percent::value)),
        NodeColumn::Heat => more(|shown| shown.temperature.map(Celsius::value)),
        NodeColumn::Running => turned(other.running.cmp(&one.running)),
    }
}

impl Filtered for NodeView {
    const FIELDS: &'static [&'static str] = &["node", "name", "role", "state", "model", "os", "arch"];

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
