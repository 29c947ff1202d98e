//! Rings, gaps, and what a restart makes of them.

use std::collections::BTreeSet;

use protocol::api::{History, Reply, Span, Trend};
use protocol::name::NodeName;
use protocol::node::Metrics;
use protocol::time::UnixMillis;
use protocol::unit::{Celsius, Percent};

use super::{Histories, Page, Stamp};
use crate::manager::cluster::{Mono, Now};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

fn name(name: &str) -> NodeName {
    name.parse().unwrap()
}

/// A machine with a manager, and what that one keeps.
struct Machine {
    histories: Histories,
    /// Of this process.
    mono: u64,
    boot: u32,
    boot_ms: u64,
    wall: u64,
    disk: Vec<Page>,
}

impl Machine {
    fn new() -> Self {
        let histories = Histories::new(Mono(0));
        Self { histories, mono: 0, boot: 1, boot_ms: 1_000_000, wall: 1_700_000_000_000, disk: vec![] }
    }

    fn now(&self) -> Now {
        Now { mono: Mono(self.mono), wall: UnixMillis(self.wall) }
    }

    fn stamp(&self) -> Stamp {
        Stamp { boot: format!("boot {}", self.boot), boot_ms: self.boot_ms, wall: UnixMillis(self.wall) }
    }

    fn pass(&mut self, ms: u64) {
        self.mono += ms;
        self.boot_ms += ms;
        self.wall += ms;
    }

    /// Each second these say that they are so busy, and so warm.
    fn run(&mut self, ms: u64, busy: &[(&str, f32)]) {
        let end = self.mono + ms;
        while self.mono < end {
            for (node, cpu) in busy {
                let metrics =
                    Metrics { cpu: Percent::new(*cpu), temperature: Celsius::new(*cpu + 20.0), ..Default::default() };
                self.histories.sample(&name(node), &metrics, Mono(self.mono));
            }
            let stamp = self.stamp();
            let page = self.histories.page(Mono(self.mono), || stamp);
            page.into_iter().for_each(|page| self.keep(page));
            self.pass(1000);
        }
    }

    fn keep(&mut self, page: Page) {
        self.disk.retain(|kept| kept.no > page.outdates && kept.no != page.no);
        self.disk.push(page);
    }

    fn end_well(&mut self) {
        let pages = self.histories.last_pages(Mono(self.mono), &self.stamp());
        pages.into_iter().for_each(|page| self.keep(page));
    }

    fn start_again(&mut self, known: &[&str]) {
        self.mono = 0;
        let known: BTreeSet<NodeName> = known.iter().map(|node| name(node)).collect();
        self.histories = Histories::load(self.disk.clone(), &known, Mono(0), &self.stamp());
    }

    fn look(&mut self, node: &str, span: Span) -> History {
        let now = self.now();
        let history = self.histories.look(&name(node), span, now);
        let lengths = [history.memory.len(), history.net_in.len(), history.net_out.len(), history.temperature.len()];
        assert_eq!(lengths, [history.cpu.len(); 4]);
        history
    }

    /// CPU in runs of the same: how many samples, and what they say.
    fn cpu(&mut self, node: &str, span: Span) -> Vec<(usize, Option<f32>)> {
        let cpu = self.look(node, span).cpu;
        cpu.chunk_by(|a, b| a == b).map(|run| (run.len(), run[0].map(Percent::value))).collect()
    }
}

#[test]
fn an_hour_and_a_day_fill_up_and_then_let_the_oldest_go() {
    let mut machine = Machine::new();
    machine.run(MINUTE, &[("pi-1", 10.0)]);
    assert_eq!(machine.cpu("pi-1", Span::Hour), [(12, Some(10.0))]);
    assert_eq!(machine.cpu("pi-1", Span::Day), [(1, Some(10.0))]);
    machine.run(HOUR - 10 * MINUTE, &[("pi-1", 20.0)]);
    machine.run(20 * MINUTE, &[("pi-1", 30.0)]);
    assert_eq!(machine.cpu("pi-1", Span::Hour), [(480, Some(20.0)), (240, Some(30.0))]);
    machine.run(24 * HOUR, &[("pi-1", 40.0)]);
    assert_eq!(machine.cpu("pi-1", Span::Day), [(1440, Some(40.0))]);
    let history = machine.look("pi-1", Span::Day);
    assert_eq!(history.temperature[0], Celsius::new(60.0));
    assert_eq!((history.step_ms, history.end), (60_000, UnixMillis(machine.wall)));
}

#[test]
fn the_step_under_way_is_not_shown_and_the_end_is_that_of_the_last_one() {
    let mut machine = Machine::new();
    machine.run(13_000, &[("pi-1", 10.0)]);
    assert_eq!(machine.cpu("pi-1", Span::Hour), [(2, Some(10.0))]);
    assert_eq!(machine.look("pi-1", Span::Hour).end, UnixMillis(machine.wall - 3000));
    assert_eq!(machine.cpu("pi-1", Span::Day), []);
}

#[test]
fn a_node_that_was_down_has_a_gap_and_one_that_is_down_has_it_at_the_end() {
    let mut machine = Machine::new();
    machine.run(MINUTE, &[("pi-1", 10.0), ("pi-2", 10.0)]);
    machine.run(MINUTE, &[("pi-2", 20.0)]);
    assert_eq!(machine.cpu("pi-1", Span::Hour), [(12, Some(10.0)), (12, None)]);
    machine.run(MINUTE, &[("pi-1", 30.0), ("pi-2", 30.0)]);
    assert_eq!(machine.cpu("pi-1", Span::Hour), [(12, Some(10.0)), (12, None), (12, Some(30.0))]);
    assert_eq!(machine.cpu("pi-2", Span::Day), [(1, Some(10.0)), (1, Some(20.0)), (1, Some(30.0))]);
    machine.run(2 * HOUR, &[]);
    assert_eq!(machine.cpu("pi-1", Span::Hour), [(720, None)]);
    machine.run(MINUTE, &[("pi-1", 40.0)]);
    assert_eq!(machine.cpu("pi-1", Span::Hour), [(12, Some(40.0))], "what came before is more than an hour ago");
    assert_eq!(machine.cpu("nobody", Span::Hour), []);
}

#[test]
fn a_node_that_has_said_nothing_yet_is_not_at_zero() {
    let mut machine = Machine::new();
    machine.histories.sample(&name("pi-1"), &Metrics::default(), Mono(0));
    machine.pass(MINUTE);
    assert_eq!(machine.cpu("pi-1", Span::Hour), []);
}

#[test]
fn a_clock_that_jumps_moves_nothing() {
    let mut machine = Machine::new();
    machine.wall = 0;
    machine.run(5 * MINUTE, &[("pi-1", 10.0)]);
    machine.wall = 1_700_000_000_000;
    machine.run(5 * MINUTE, &[("pi-1", 20.0)]);
    machine.wall = 5;
    assert_eq!(machine.cpu("pi-1", Span::Day), [(5, Some(10.0)), (5, Some(20.0))]);
    machine.run(5 * MINUTE, &[("pi-1", 30.0)]);
    machine.end_well();
    machine.pass(MINUTE);
    machine.start_again(&["pi-1"]);
    let before = [(5, Some(10.0)), (5, Some(20.0)), (5, Some(30.0))];
    assert_eq!(machine.cpu("pi-1", Span::Day), [&before[..], &[(1, None)]].concat(), "the boot clock knows better");
}

#[test]
fn after_a_clean_restart_all_is_there_and_the_time_between_is_a_gap() {
    let mut machine = Machine::new();
    machine.run(2 * HOUR + 7 * MINUTE, &[("pi-1", 10.0)]);
    machine.end_well();
    machine.pass(3 * MINUTE);
    machine.start_again(&["pi-1"]);
    assert_eq!(machine.cpu("pi-1", Span::Day), [(127, Some(10.0)), (3, None)]);
    assert_eq!(machine.cpu("pi-1", Span::Hour), [(684, Some(10.0)), (36, None)]);
    machine.run(MINUTE, &[("pi-1", 20.0)]);
    assert_eq!(machine.cpu("pi-1", Span::Day), [(127, Some(10.0)), (3, None), (1, Some(20.0))]);
    assert_eq!(machine.cpu("pi-1", Span::Hour), [(672, Some(10.0)), (36, None), (12, Some(20.0))]);
}

#[test]
fn many_restarts_in_odd_moments_lose_no_minute_and_double_none() {
    let mut machine = Machine::new();
    for _ in 0..40 {
        machine.run(3 * MINUTE + 17_000, &[("pi-1", 10.0)]);
        machine.end_well();
        machine.pass(1_234);
        machine.start_again(&["pi-1"]);
    }
    let known: usize = machine.cpu("pi-1", Span::Day).iter().filter(|(_, cpu)| cpu.is_some()).map(|(n, _)| n).sum();
    assert!((120..=132).contains(&known), "{known} of about 131 minutes: parts of one at each end");
    assert!(machine.look("pi-1", Span::Day).cpu.len() <= 134);
}

#[test]
fn a_power_cut_costs_the_hour_and_less_than_ten_minutes_of_the_day() {
    let mut machine = Machine::new();
    machine.run(25 * MINUTE, &[("pi-1", 10.0)]);
    machine.boot += 1;
    machine.boot_ms = 20_000;
    machine.pass(MINUTE);
    machine.start_again(&["pi-1"]);
    assert_eq!(machine.cpu("pi-1", Span::Day), [(20, Some(10.0)), (6, None)]);
    assert_eq!(machine.cpu("pi-1", Span::Hour), []);
}

#[test]
fn a_board_without_a_clock_takes_its_past_to_be_just_before() {
    let mut machine = Machine::new();
    machine.run(30 * MINUTE, &[("pi-1", 10.0)]);
    machine.end_well();
    (machine.boot, machine.boot_ms, machine.wall) = (2, 9_000, machine.wall - 20 * MINUTE);
    machine.start_again(&["pi-1"]);
    machine.run(30 * MINUTE, &[("pi-1", 20.0)]);
    assert_eq!(machine.cpu("pi-1", Span::Day), [(30, Some(10.0)), (30, Some(20.0))]);
    // Years later, as NTP says: what was is too old to be shown, and is not kept for ever either.
    machine.end_well();
    (machine.boot, machine.wall) = (3, machine.wall + 9_000 * HOUR);
    machine.start_again(&["pi-1"]);
    assert_eq!(machine.cpu("pi-1", Span::Day), []);
    machine.run(20 * MINUTE, &[("pi-1", 30.0)]);
    machine.end_well();
    assert!(machine.disk.len() <= 3, "{} pages", machine.disk.len());
    machine.start_again(&["pi-1"]);
    assert_eq!(machine.cpu("pi-1", Span::Day), [(20, Some(30.0))]);
}

#[test]
fn the_disk_holds_a_day_and_not_more() {
    let mut machine = Machine::new();
    machine.run(50 * HOUR, &[("pi-1", 10.0), ("pi-2", 20.0)]);
    machine.end_well();
    assert!((144..=147).contains(&machine.disk.len()), "{} pages", machine.disk.len());
    let bytes: usize = machine.disk.iter().map(|page| page.data.len()).sum();
    assert!(bytes < 2 * (1440 + 720 + 20) * 13, "{bytes} bytes");
    machine.start_again(&["pi-1", "pi-2"]);
    assert_eq!(machine.cpu("pi-1", Span::Day), [(1440, Some(10.0))]);
    assert_eq!(machine.cpu("pi-2", Span::Hour), [(720, Some(20.0))]);
}

#[test]
fn a_forgotten_node_takes_its_past_with_it() {
    let mut machine = Machine::new();
    machine.run(25 * MINUTE, &[("pi-1", 10.0), ("pi-2", 10.0)]);
    machine.histories.forget(&name("pi-1"));
    assert_eq!(machine.cpu("pi-1", Span::Day), []);
    // Another of that name joins.
    machine.run(5 * MINUTE, &[("pi-1", 20.0), ("pi-2", 10.0)]);
    machine.end_well();
    machine.start_again(&["pi-1", "pi-2"]);
    assert_eq!(machine.cpu("pi-1", Span::Day), [(5, Some(20.0))]);
    assert_eq!(machine.cpu("pi-1", Span::Hour), [(60, Some(20.0))]);
    assert_eq!(machine.cpu("pi-2", Span::Day), [(30, Some(10.0))]);
    machine.start_again(&["pi-2"]);
    assert_eq!(machine.cpu("pi-1", Span::Day), []);
}

#[test]
fn a_page_that_is_damaged_costs_what_is_behind_the_damage() {
    let mut machine = Machine::new();
    machine.run(25 * MINUTE, &[("pi-1", 10.0), ("pi-2", 20.0)]);
    for page in &mut machine.disk {
        page.data.truncate(page.data.len() - 5);
    }
    machine.disk[0].len = u32::MAX;
    machine.start_again(&["pi-1", "pi-2"]);
    assert_eq!(machine.cpu("pi-2", Span::Day), []);
    assert!(machine.cpu("pi-1", Span::Day).iter().any(|(_, cpu)| *cpu == Some(10.0)));
}

#[test]
fn trends_are_the_last_five_minutes_of_every_node() {
    let mut machine = Machine::new();
    machine.run(10 * MINUTE, &[("pi-1", 10.0)]);
    machine.run(2 * MINUTE, &[("pi-2", 20.0)]);
    let now = machine.now();
    let nodes = ["pi-1", "pi-2", "pi-3"].map(name);
    let Reply::Trends { nodes, step_ms, end } = machine.histories.trends(nodes.into_iter(), now) else { panic!() };
    assert_eq!((step_ms, end), (5000, UnixMillis(machine.wall)));
    let known: Vec<(usize, usize)> =
        nodes.iter().map(|Trend { cpu, .. }| (cpu.len(), cpu.iter().flatten().count())).collect();
    assert_eq!(known, [(60, 36), (24, 24), (0, 0)]);
}
