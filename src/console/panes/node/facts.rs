//! What a node is, line by line. What is not known has no line.

use protocol::api::NodeView;
use protocol::event::What;
use protocol::node::{NodeState, Role};
use protocol::time::UnixMillis;
use protocol::unit::Percent;
use ratatui::style::Style;

use crate::console::panes::nodes::{disk_full, flags};
use crate::console::panes::{number, paint};
use crate::console::state::events::Events;
use crate::console::state::node::NodePage;
use crate::console::state::nodes::Shown;
use crate::console::theme::Theme;
use crate::text;

/// Cells of the labels.
pub const LABEL: u16 = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    State,
    Flag,
    Quiet,
}

impl Tone {
    pub fn style(self, node: &NodeView, theme: &Theme) -> Style {
        match self {
            Tone::Plain => theme.styles.text,
            Tone::State if node.draining => theme.styles.draining,
            Tone::State => paint::node_look(node.state, theme).1,
            Tone::Flag => theme.styles.flag,
            Tone::Quiet => theme.styles.dim,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// Empty where the line before goes on.
    pub label: &'static str,
    pub said: String,
    pub tone: Tone,
}

/// What stands beside the name.
pub fn remarks(node: &NodeView, theme: &Theme) -> Vec<(&'static str, Style)> {
    let styles = &theme.styles;
    let all = [
        (node.revoked, "revoked", styles.down),
        (node.draining, "draining", styles.draining),
        (disk_full(node), "disk full", styles.flag),
        (node.shared_uid, "shared uid", styles.flag),
        (node.facts.simulated, "simulated board", styles.dim),
        (node.role != Role::Worker, node.role.word(), styles.dim),
    ];
    all.into_iter().filter_map(|(on, word, style)| on.then_some((word, style))).collect()
}

/// For a pane of this width; longer facts go on in the next line.
pub fn lines(
    page: &NodePage,
    node: &NodeView,
    shown: Option<&Shown>,
    events: &Events,
    now: UnixMillis,
    width: u16,
) -> Vec<Line> {
    let mut lines = Lines { lines: vec![], width: usize::from(width.saturating_sub(LABEL)) };
    let (facts, metrics) = (&node.facts, node.metrics.as_ref());
    lines.add("state", &state(page, node, events, now), Tone::State);
    if node.revoked {
        lines.add("key", "turned away; a new join token lets it in", Tone::Flag);
    }
    if disk_full(node) {
        lines.add("room", "none: it takes no new work until there is some on its disk", Tone::Flag);
    }
    if node.shared_uid {
        lines.add("user", "its tasks share the agent's user", Tone::Flag);
    }
    if facts.simulated {
        lines.add("board", "simulated: temperature and flags", Tone::Quiet);
    }
    if let Some(throttle) = metrics.and_then(|metrics| metrics.throttle) {
        let (current, past) = (flags::now(Some(throttle)), flags::since_boot(Some(throttle)));
        let (said, tone) =
            if current.is_empty() { ("none".into(), Tone::Plain) } else { (current.join(", "), Tone::Flag) };
        lines.add("flags now", &said, tone);
        let said = if past.is_empty() { "none".into() } else { past.join(", ") };
        lines.add("since boot", &said, Tone::Plain);
    }
    let addresses: Vec<&str> = node.address.iter().chain(facts.addresses.iter()).map(String::as_str).collect();
    let mut known: Vec<&str> = vec![];
    addresses.into_iter().for_each(|address| {
        if !known.contains(&address) {
            known.push(address)
        }
    });
    lines.maybe("address", (!known.is_empty()).then(|| known.join(", ")));
    lines.maybe("trouble", node.trouble.clone());
    lines.maybe("hostname", facts.hostname.clone().filter(|name| name != node.name.as_str()));
    lines.maybe("model", facts.model.clone());
    lines.maybe("os", facts.os.clone());
    lines.maybe("kernel", facts.kernel.clone());
    lines.maybe("arch", facts.arch.clone());
    let model = facts.cpu_model.as_ref().map(|model| format!(" × {model}")).unwrap_or_default();
    lines.maybe("cpus", facts.cpus.map(|cpus| format!("{cpus}{model}")));
    lines.maybe("gpus", (!facts.gpus.is_empty()).then(|| facts.gpus.join(", ")));
    lines.maybe("memory", of(metrics.and_then(|m| m.memory_used), facts.memory, shown.and_then(|shown| shown.memory)));
    let disk = metrics.and_then(|metrics| metrics.disk_used);
    let share = disk.zip(facts.disk).and_then(|(used, all)| Percent::of(used.0, all.0));
    lines.maybe("disk", of(disk, facts.disk, share));
    lines.maybe("uptime", metrics.and_then(|m| m.uptime_minutes).map(|m| text::took(u64::from(m) * 60_000)));
    if node.role == Role::Worker {
        let finished = number::count(node.finished);
        lines.add("tasks", &format!("{} running, {finished} finished", node.running), Tone::Plain);
        lines.add("slots", &format!("{} of {} CPUs taken", node.running_cpus, node.slots), Tone::Plain);
    }
    lines.maybe("agent", node.version.clone());
    let interpreters = facts.interpreters.iter().map(|interpreter| match &interpreter.version {
        Some(version) => format!("{} {version}", interpreter.name),
        None => interpreter.name.clone(),
    });
    let interpreters: Vec<String> = interpreters.collect();
    lines.maybe("runs", (!interpreters.is_empty()).then(|| interpreters.join(", ")));
    lines.add("joined", &format!("{} ago", text::age(now, node.joined_at)), Tone::Plain);
    lines.lines
}

/// Since when it is so, where an event tells.
fn state(page: &NodePage, node: &NodeView, events: &Events, now: UnixMillis) -> String {
    let tells = |what: &What| match node.state {
        NodeState::Up => matches!(what, What::NodeUp { .. }),
        NodeState::Reachable | NodeState::Down => matches!(what, What::NodeDown { .. }),
    };
    let since = page.events(events).find(|event| tells(&event.what)).map(|event| event.at);
    let mut said = node.state.word().to_owned();
    match (node.state, since, node.seen_at) {
        (NodeState::Up, Some(at), _) => said += &format!(" for {}", text::age(now, at)),
        (NodeState::Up, None, _) => {}
        (_, _, Some(at)) => said += &format!(", seen {} ago", text::age(now, at)),
        (_, _, None) => said += ", never seen",
    }
    if node.draining {
        said += ", draining";
    }
    said
}

fn of(
    used: Option<protocol::unit::Bytes>,
    all: Option<protocol::unit::Bytes>,
    share: Option<Percent>,
) -> Option<String> {
    match (used, all) {
        (Some(used), Some(all)) => {
            let share = share.map(|share| format!(", {:.0}%", share.value())).unwrap_or_default();
            Some(format!("{used} of {all}{share}"))
        }
        (None, Some(all)) => Some(all.to_string()),
        _ => None,
    }
}

struct Lines {
    lines: Vec<Line>,
    width: usize,
}

impl Lines {
    fn maybe(&mut self, label: &'static str, said: Option<String>) {
        if let Some(said) = said {
            self.add(label, &said, Tone::Plain);
        }
    }

    fn add(&mut self, label: &'static str, said: &str, tone: Tone) {
        let mut label = label;
        let mut row = String::new();
        for word in text::clean(said).split(' ') {
            let wide = usize::from(paint::width(&row)) + 1 + usize::from(paint::width(word));
            if !row.is_empty() && wide > self.width {
                self.lines.push(Line { label: std::mem::take(&mut label), said: std::mem::take(&mut row), tone });
            }
            if !row.is_empty() {
                row.push(' ');
            }
            row.push_str(word);
        }
        self.lines.push(Line { label, said: row, tone });
    }
}
