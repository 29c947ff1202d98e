//! What kind of world a seed is: how large, how busy, and which misfortunes are at home there. Few seeds have all of
//! them: a defect that one misfortune would mend (each new hello brings much into order) shows where it is missing.

use std::collections::BTreeSet;
use test_support::Dice;

use super::agenda::{MINUTE, MS, SECOND};
use crate::manager::cluster::ClusterConfig;

/// How often something happens: the time between two of it, on average; never without.
pub type Every = Option<u64>;

#[derive(Debug, Clone)]
pub struct Plan {
    pub nodes: usize,
    /// How long there is bad luck and people ask for things.
    pub span: u64,
    pub config: ClusterConfig,
    pub most_slots: usize,
    /// Percent of the machines on which tasks share the agent's uid.
    pub shared: usize,
    /// Percent of the machines whose agent is too old to take files, secrets or runs, or to give results.
    pub older: usize,
    pub liar: bool,

    // People.
    pub asking: Every,
    /// The largest array somebody asks for.
    pub largest: usize,
    /// Percent of the jobs that ask for several CPUs, or for a node.
    pub wide: usize,
    pub pinned: usize,
    /// Percent of the jobs that are given files, and of the wishes that are about files.
    pub given: usize,
    /// Percent of the jobs that are sweeps, and that reduce what their tasks leave.
    pub swept: usize,
    pub reduced: usize,
    /// Percent of the jobs of whose end somebody is told.
    pub told: usize,
    pub about_files: usize,
    /// Percent of the jobs that are given secrets; where there are some, of the wishes that are about them.
    pub secret: usize,
    pub about_secrets: usize,
    /// Percent of the tasks that leave something, and of the wishes that are about that.
    pub leaving: usize,
    pub about_results: usize,
    /// Percent of the wishes that are about runs.
    pub about_runs: usize,
    /// Of a hundred requests, how many are about tasks, about nodes, and mere looks; the rest is new work.
    pub about_tasks: usize,
    pub about_nodes: usize,
    pub looks: usize,
    /// Percent of the calls whose connection breaks.
    pub hang_ups: usize,
    /// The longest a usual task takes.
    pub longest: u64,

    // Misfortunes.
    pub link_breaks: Every,
    pub partitions: Every,
    pub agent_crashes: Every,
    pub reboots: Every,
    pub manager_crashes: Every,
    pub clock_jumps: Every,
    /// Of a thousand commits: how many fail, and how many have a crash before, behind, or amid what follows them.
    pub failing_commits: usize,
    pub crashing_commits: usize,
    /// The longest a commit, and a message, usually takes.
    pub slow_disk: u64,
    pub slow_net: u64,
    /// Percent of the reports that are said once more, at any time after.
    pub echoes: usize,
}

impl Plan {
    pub fn of(seed: u64, nodes: Option<usize>) -> (Self, Dice) {
        let mut dice = Dice::new(seed);
        let large = nodes.is_some_and(|nodes| nodes >= 50);
        let nodes = nodes.unwrap_or(2 + dice.below(5));
        let d = &mut dice;
        // In a world of many machines each of them is as unlucky as in a small one, within reason.
        let share = (nodes as u64 / 20).max(1);
        let mut sometimes = |percent: usize, seconds: [u64; 3]| {
            let often = seconds[d.below(3)];
            d.chance(percent).then_some((often * SECOND / share).max(10 * MS))
        };
        let link_breaks = sometimes(60, [5, 20, 60]);
        let partitions = sometimes(45, [20, 60, 120]);
        let agent_crashes = sometimes(45, [10, 40, 120]);
        let reboots = sometimes(45, [20, 60, 120]);
        let clock_jumps = sometimes(25, [10, 30, 60]);
        let manager_crashes = d.chance(40).then(|| [15, 40, 120][d.below(3)] * SECOND);
        let failing_commits = if d.chance(40) { [5, 20, 80][d.below(3)] } else { 0 };
        let crashing_commits = if d.chance(40) { [5, 20, 80][d.below(3)] } else { 0 };
        let config = ClusterConfig {
            backlog: [None, Some(0), Some(1), Some(4)][d.below(4)],
            keep_tasks: [1_000_000, 1_000_000, 30, 200][d.below(4)],
            patience_ms: [60_000, 5_000][d.below(2)],
            lease_ms: [60_000, 60_000, 20_000][d.below(3)],
            allow_shared_uid: BTreeSet::new(),
            results_limit: [None, None, Some(100)][d.below(3)],
            ..ClusterConfig::default()
        };
        let plan = Plan {
            nodes,
            span: if large { 40 * SECOND } else { [40, 90, 240][d.below(3)] * SECOND },
            config,
            most_slots: [1, 4, 4, 6][d.below(4)],
            shared: [0, 0, 30, 100][d.below(4)],
            older: [0, 0, 40][d.below(3)],
            liar: d.chance(15),
            asking: Some(if large { 100 * MS } else { [200, 700, 2_000][d.below(3)] * MS }),
            largest: if large { nodes * 2 } else { [1, 6, 30][d.below(3)] },
            wide: [0, 25, 60][d.below(3)],
            pinned: [0, 15, 40][d.below(3)],
            given: [0, 30, 60][d.below(3)],
            swept: [0, 30][d.below(2)],
            reduced: [0, 20, 50][d.below(3)],
            told: [0, 20, 60][d.below(3)],
            about_files: [5, 20][d.below(2)],
            secret: [0, 20, 60][d.below(3)],
            about_secrets: [5, 20][d.below(2)],
            leaving: [0, 30, 80][d.below(3)],
            about_results: [0, 5, 20][d.below(3)],
            about_tasks: [0, 15, 40][d.below(3)],
            about_nodes: [0, 2, 10][d.below(3)],
            looks: [5, 20][d.below(2)],
            hang_ups: [0, 5, 20][d.below(3)],
            longest: [200 * MS, 5 * SECOND, 30 * SECOND, MINUTE][d.below(4)],
            link_breaks,
            partitions,
            agent_crashes,
            reboots,
            manager_crashes,
            clock_jumps,
            failing_commits,
            crashing_commits,
            slow_disk: [MS, 10 * MS, 100 * MS][d.below(3)],
            slow_net: [MS, 20 * MS, 300 * MS][d.below(3)],
            echoes: if d.chance(30) { [2, 10][d.below(2)] } else { 0 },
            about_runs: [0, 5, 25][d.below(3)],
        };
        (plan, dice)
    }
}
