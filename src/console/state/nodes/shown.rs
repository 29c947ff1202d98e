//! The numbers of a node as they are shown. They follow what is measured, but not every twitch of it: a number that
//! goes to and fro every second says less than one that stands, and each change is sent to the terminal.

use std::time::Duration;

use protocol::api::NodeView;
use protocol::name::NodeName;
use protocol::unit::{Bytes, Celsius, Percent};

/// Whole points and degrees; bytes to two digits. What is not measured is not shown.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shown {
    pub cpu: Option<Percent>,
    pub memory: Option<Percent>,
    pub temperature: Option<Celsius>,
    /// Bytes a second; less than [`FAINT`] is 0.
    pub net_in: Option<Bytes>,
    pub net_out: Option<Bytes>,
    /// When CPU, memory, heat and network follow again what is measured.
    next: [Duration; 4],
}

/// So many ticks of metrics each of these stands at least.
const REST: [u32; 4] = [2, 4, 4, 4];
const TICK: Duration = Duration::from_secs(1);
/// Ticks do not come to the millisecond.
const EARLY: Duration = Duration::from_millis(200);

/// Traffic below this is the chatter of every network.
pub const FAINT: u64 = 1024;

/// So far a measured number may be from the shown one before that follows.
const CPU_SLACK: f32 = 2.0;
const MEMORY_SLACK: f32 = 1.0;
const HEAT_SLACK: f32 = 1.5;
/// A share of the shown number.
const NET_SLACK: f64 = 0.2;

impl Shown {
    /// `turn` spreads the nodes over the ticks, so that not all of them change at once.
    fn follow(&mut self, node: &NodeView, turn: usize, now: Duration) {
        let Some(metrics) = &node.metrics else {
            *self = Self::default();
            return;
        };
        let due: [bool; 4] = std::array::from_fn(|which| self.due(which, turn + which, now));
        if due[0] {
            self.cpu = percent(self.cpu, metrics.cpu, CPU_SLACK);
        }
        if due[1] {
            let memory = metrics.memory_used.zip(node.facts.memory).and_then(|(used, all)| Percent::of(used.0, all.0));
            self.memory = percent(self.memory, memory, MEMORY_SLACK);
        }
        if due[2] {
            let heat = (self.temperature.map(Celsius::value), metrics.temperature.map(Celsius::value));
            self.temperature = number(heat.0, heat.1, HEAT_SLACK).and_then(Celsius::new);
        }
        if due[3] {
            self.net_in = bytes(self.net_in, metrics.net_in);
            self.net_out = bytes(self.net_out, metrics.net_out);
        }
    }

    fn due(&mut self, which: usize, turn: usize, now: Duration) -> bool {
        let (next, rest) = (&mut self.next[which], REST[which]);
        if now < *next {
            return false;
        }
        let ticks = if *next == Duration::ZERO { turn as u32 % rest + 1 } else { rest };
        *next = now + (TICK * ticks).saturating_sub(EARLY);
        true
    }
}

fn percent(shown: Option<Percent>, measured: Option<Percent>, slack: f32) -> Option<Percent> {
    let measured = measured.map(Percent::value);
    // The ends are reached: what is idle or full must not look as if it was nearly so.
    let slack = if measured.is_some_and(|value| value == 0.0 || value == 100.0) { 1.0 } else { slack };
    number(shown.map(Percent::value), measured, slack).and_then(Percent::new)
}

fn number(shown: Option<f32>, measured: Option<f32>, slack: f32) -> Option<f32> {
    let measured = measured?;
    match shown {
        Some(shown) if (measured - shown).abs() < slack => Some(shown),
        _ => Some(measured.round()),
    }
}

fn bytes(shown: Option<Bytes>, measured: Option<Bytes>) -> Option<Bytes> {
    let measured = measured?;
    match shown {
        Some(shown) if measured.0.abs_diff(shown.0) as f64 <= (shown.0.max(FAINT) as f64) * NET_SLACK => Some(shown),
        _ => Some(two_digits(measured)),
    }
}

fn two_digits(bytes: Bytes) -> Bytes {
    if bytes.0 < FAINT {
        return Bytes(0);
    }
    let step = 10u64.pow(bytes.0.ilog10().saturating_sub(1));
    Bytes(bytes.0.saturating_add(step / 2) / step * step)
}

/// What is shown of every node of the picture, in its order.
#[derive(Debug, Default)]
pub struct AllShown(Vec<(NodeName, Shown)>);

impl AllShown {
    /// Returns whether nodes came or went.
    pub fn follow(&mut self, nodes: &[NodeView], now: Duration) -> bool {
        let same = self.0.len() == nodes.len() && self.0.iter().zip(nodes).all(|((name, _), node)| *name == node.name);
        if !same {
            let mut known: std::collections::HashMap<NodeName, Shown> =
                std::mem::take(&mut self.0).into_iter().collect();
            let shown = |node: &NodeView| (node.name.clone(), known.remove(&node.name).unwrap_or_default());
            self.0 = nodes.iter().map(shown).collect();
        }
        for (turn, ((_, shown), node)) in self.0.iter_mut().zip(nodes).enumerate() {
            shown.follow(node, turn, now);
        }
        !same
    }

    /// Of the node at this place of the picture.
    pub fn at(&self, index: usize) -> Option<&Shown> {
        self.0.get(index).map(|(_, shown)| shown)
    }

    pub fn of(&self, name: &NodeName) -> Option<&Shown> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, shown)| shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample::nodes;

    #[test]
    fn what_moves_is_followed_within_seconds_and_what_is_gone_at_once() {
        let (mut nodes, mut shown) = (nodes(9), AllShown::default());
        nodes[7].metrics = nodes[1].metrics.clone();
        let at = Duration::from_secs(100);
        shown.follow(&nodes, at);
        for node in &mut nodes {
            let moved = Percent::new(if node.metrics.as_ref().unwrap().cpu < Percent::new(50.0) { 90.0 } else { 10.0 });
            node.metrics.as_mut().unwrap().cpu = moved;
        }
        let followed = |shown: &AllShown| {
            let same =
                |(at, node): &(usize, &NodeView)| shown.at(*at).unwrap().cpu == node.metrics.as_ref().unwrap().cpu;
            nodes.iter().enumerate().filter(same).count()
        };
        shown.follow(&nodes, at + TICK);
        assert_eq!(followed(&shown), 5, "every other one in each tick");
        shown.follow(&nodes, at + TICK * 2);
        assert_eq!(followed(&shown), 10);
        nodes[3].metrics = None;
        shown.follow(&nodes, at + TICK * 2);
        assert_eq!(shown.at(3), Some(&Shown::default()));
    }

    #[test]
    fn a_number_that_twitches_stands_and_one_that_moves_is_followed() {
        let mut shown = number(None, Some(40.4), 2.0);
        for measured in [41.9, 38.1, 40.0, 41.0, 38.5] {
            shown = number(shown, Some(measured), 2.0);
            assert_eq!(shown, Some(40.0), "{measured}");
        }
        assert_eq!(number(shown, Some(42.2), 2.0), Some(42.0));
        assert_eq!(number(shown, None, 2.0), None);
    }

    #[test]
    fn what_is_full_is_shown_as_full_and_what_is_idle_as_idle() {
        let show = |shown, measured| percent(Percent::new(shown), Percent::new(measured), 2.0).map(Percent::value);
        assert_eq!(show(99.0, 100.0), Some(100.0));
        assert_eq!(show(1.0, 0.0), Some(0.0));
        assert_eq!(show(100.0, 99.2), Some(100.0));
    }

    #[test]
    fn traffic_is_shown_to_two_digits_and_chatter_as_none() {
        assert_eq!(bytes(None, Some(Bytes(1_234_567))), Some(Bytes(1_200_000)));
        assert_eq!(bytes(Some(Bytes(1_200_000)), Some(Bytes(1_390_000))), Some(Bytes(1_200_000)));
        assert_eq!(bytes(Some(Bytes(1_200_000)), Some(Bytes(2_000_000))), Some(Bytes(2_000_000)));
        assert_eq!(bytes(None, Some(Bytes(800))), Some(Bytes(0)));
        assert_eq!(bytes(None, Some(Bytes(u64::MAX))).map(|shown| shown.0 > u64::MAX / 10 * 9), Some(true));
    }
}
