//! docs/performance.md and its figure: what was measured, for people.

use std::fmt::Write;
use std::path::Path;

use anyhow::Context;

use crate::figure::{self, Bar, Bars, Kind, Line, Panel};
use crate::growth::Growth;
use crate::machine::Machine;
use crate::peers::Peer;
use crate::row::{self, Goal, Mark, Rows};
use crate::table::{doubts, number, than};

pub struct Measured<'a> {
    pub machine: &'a Machine,
    pub rows: &'a Rows,
    pub peers: &'a [Peer],
    pub growth: &'a Growth,
    pub runs: u32,
    pub quick: bool,
}

pub fn write(measured: &Measured<'_>, folder: &Path) -> anyhow::Result<()> {
    for (name, text) in [("performance.md", page(measured)), ("performance.svg", figure::draw(&panels(measured)))] {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}

fn page(measured: &Measured<'_>) -> String {
    let Measured { machine, rows, peers, growth, runs, quick } = *measured;
    let mut out =
        String::from("# Performance\n\n<!-- Made by `cargo xtask bench spine --report`; changes are lost. -->\n\n");
    let repeats = if runs == 1 { "one run".to_owned() } else { format!("medians of {runs} runs") };
    let _ = write!(
        out,
        "Measured by `cargo xtask bench spine --report` on {} × {}, {} MiB of memory, {}, state on {}; {repeats}. Programs \
         as they are shipped, over loopback, every task durable before anybody hears of it. A time from one machine says \
         little about another: compare within a column. “Bare” is the same program, `true`, spawned in a loop with \
         nothing around it.\n\n",
        machine.cores, machine.cpu, machine.memory_mib, machine.kernel, machine.file_system
    );
    if quick {
        out += "**A quick run, a tenth of everything: it shows that it works, not how fast.**\n\n";
    }
    let doubts = doubts(machine, rows);
    for doubt in &doubts {
        let _ = writeln!(out, "- Doubt: {doubt}.");
    }
    if !doubts.is_empty() {
        out.push('\n');
    }
    out += "![Beside others, and how cost grows](performance.svg)\n\n";
    out += "## What must be reached\n\n| | measured | | must | aim | |\n|---|--:|---|--:|--:|---|\n";
    for row in rows.iter() {
        let goal = &row.goal;
        let wanted =
            |wanted: Option<f64>| wanted.map_or(String::new(), |value| format!("{} {}", than(goal), number(value)));
        let indent = if goal.name.starts_with(' ') { "&emsp;" } else { "" };
        let _ = writeln!(
            out,
            "| {indent}{} | {} | {} | {} | {} | {} |",
            goal.name.trim_start(),
            number(row.value()),
            goal.unit,
            wanted(goal.must),
            wanted(goal.aim),
            match row.mark() {
                Mark::Aim => "✓✓",
                Mark::Ok => "✓",
                Mark::Within => "within 1.5×",
                Mark::Missed => "missed",
                Mark::None => "",
            }
        );
    }
    out += "\n✓ as it must be, ✓✓ as it should be one day.\n";
    out += "\nThe wall: two thirds of a no-op task's CPU are the child itself, which a bare spawn pays too. Of the time until \
        it is known to be done, most are two syncs of the disk, one before its order leaves and one before its end is told: \
        both would have to go for the last aims, and with them the promise.\n";
    out += &beside(rows, peers);
    out += &grown(growth);
    out
}

/// Nothing where no others were measured.
pub fn beside(rows: &Rows, peers: &[Peer]) -> String {
    if peers.is_empty() {
        return String::new();
    }
    let mut out = String::from(
        "\n## Beside others\n\nThe same no-op tasks, two at once, in the same run. Of these only Bramble writes a task to the \
         disk before it says that it has it.\n\n\
         | | tasks/s | CPU per task | idle: submit → known done, p50 | a printed line is seen, p50 | memory, idle |\n\
         |---|--:|--:|--:|--:|--:|\n",
    );
    let of = |goal: Goal| rows.get(&goal).map_or("".into(), number);
    let memory = rows.get(&row::MANAGER_RSS).zip(rows.get(&row::WORKER_RSS_AFTER)).map(|(a, b)| a + b);
    let _ = writeln!(out, "| bare | {} | {} ms | | | |", of(row::BARE), of(row::BARE_CPU));
    let _ = writeln!(
        out,
        "| **Bramble** | **{}** | **{} ms** | **{} ms** | **{} ms** | **{} MB** |",
        of(row::TASKS_10K),
        of(row::TASK_CPU),
        of(row::SOCKET_P50),
        of(row::LINE_P50),
        memory.map_or(String::new(), number)
    );
    for peer in peers {
        let _ = writeln!(
            out,
            "| {} {} | {} | {} ms | {} ms | {} ms | {} |",
            peer.name,
            peer.version,
            number(peer.tasks_per_second),
            number(peer.cpu_ms),
            number(peer.idle_ms),
            number(peer.line_ms),
            peer.rss_mb.map_or("none runs".into(), |mb| format!("{} MB", number(mb)))
        );
    }
    out
}

pub fn grown(growth: &Growth) -> String {
    let mut out = String::new();
    if !growth.by_agents.is_empty() {
        out += "\n## More agents\n\nEach with two slots, all on this machine, so the CPUs are shared by ever more.\n\n\
                | agents | tasks/s | CPU per task | submit → known done, p50 | manager | manager CPU, idle | a worker's CPU, idle | a worker |\n\
                |--:|--:|--:|--:|--:|--:|--:|--:|\n";
    }
    for at in &growth.by_agents {
        let _ = writeln!(
            out,
            "| {} | {} | {} ms | {} ms | {} MB | {} % | {} % | {} MB |",
            at.agents,
            number(at.tasks_per_second),
            number(at.cpu_ms),
            number(at.idle_ms),
            number(at.manager_rss_mb),
            number(at.manager_cpu_percent),
            number(at.worker_cpu_percent),
            number(at.worker_rss_mb)
        );
    }
    if !growth.by_queue.is_empty() {
        out += "\n## More waiting\n\nSo many tasks wait for a node that takes none, while others run.\n\n\
                | queued | accepted in | CPU for each | tasks/s of others | CPU per task | manager | `job ls` | `task ls` |\n\
                |--:|--:|--:|--:|--:|--:|--:|--:|\n";
    }
    for at in &growth.by_queue {
        let _ = writeln!(
            out,
            "| {} | {} ms | {} µs | {} | {} ms | {} MB | {} ms | {} ms |",
            whole(at.queued),
            number(at.accepted_ms),
            number(at.accept_cpu_us),
            number(at.tasks_per_second),
            number(at.cpu_ms),
            number(at.manager_rss_mb),
            number(at.job_ls_ms),
            number(at.task_ls_ms)
        );
    }
    out
}

fn whole(count: u32) -> String {
    number(f64::from(count)).split('.').next().unwrap_or_default().to_owned()
}

fn panels(measured: &Measured<'_>) -> Vec<Panel> {
    let Measured { rows, peers, growth, .. } = measured;
    let bars = |title, hint, goal: Goal, bare: Option<Goal>, log, of: fn(&Peer) -> f64| {
        let bare = bare.and_then(|goal| rows.get(&goal));
        let mut bars: Vec<Bar> =
            bare.map(|value| Bar { name: "bare".into(), value, kind: Kind::Bare }).into_iter().collect();
        bars.extend(rows.get(&goal).map(|value| Bar { name: "Bramble".into(), value, kind: Kind::Ours }));
        bars.extend(peers.iter().map(|peer| Bar { name: peer.name.into(), value: of(peer), kind: Kind::Theirs }));
        Panel::Bars(Bars { title, hint, bars, log, must: None })
    };
    let mut panels = vec![
        bars("No-op tasks a second, two slots", "more is better", row::TASKS_10K, Some(row::BARE), false, |p| {
            p.tasks_per_second
        }),
        bars("CPU of one task, ms", "less is better", row::TASK_CPU, Some(row::BARE_CPU), false, |p| p.cpu_ms),
        bars("Idle: submit → known done, ms", "less is better; logarithmic", row::SOCKET_P50, None, true, |p| {
            p.idle_ms
        }),
        bars("A printed line is seen, ms", "less is better; logarithmic", row::LINE_P50, None, true, |p| p.line_ms),
    ];
    let by_agents = |title, of: fn(&crate::growth::ByAgents) -> f64| {
        let points = growth.by_agents.iter().map(|at| (at.agents, of(at))).collect();
        Panel::Line(Line { title, hint: "flat is better", points, must: None })
    };
    let by_queue = |title, must: Option<f64>, of: fn(&crate::growth::ByQueue) -> f64| {
        let points = growth.by_queue.iter().map(|at| (at.queued, of(at))).collect();
        Panel::Line(Line { title, hint: "flat is better", points, must })
    };
    if !growth.by_agents.is_empty() {
        panels.push(by_agents("CPU of one task, ms, by agents", |at| at.cpu_ms));
        panels.push(by_agents("Manager memory, MB, by agents", |at| at.manager_rss_mb));
    }
    if !growth.by_queue.is_empty() {
        panels.push(by_queue("CPU of one task, ms, by tasks queued", None, |at| at.cpu_ms));
        panels.push(by_queue("Manager memory, MB, by tasks queued", row::ARRAY_RSS.must, |at| at.manager_rss_mb));
    }
    panels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::{ByAgents, ByQueue};

    #[test]
    fn the_page_names_everything_measured_and_no_path_of_this_machine() {
        let mut rows = Rows::default();
        for (goal, value) in
            [(row::BARE, 3700.0), (row::TASKS_10K, 1700.0), (row::TASK_CPU, 0.85), (row::SOCKET_P50, 1.1)]
        {
            rows.add(goal, value);
        }
        let peers =
            [Peer { name: "dask.distributed", version: "2026.1".into(), tasks_per_second: 660.0, ..Peer::default() }];
        let growth = Growth {
            by_agents: vec![ByAgents { agents: 64, cpu_ms: 1.0, ..ByAgents::default() }],
            by_queue: vec![ByQueue { queued: 100_000, cpu_ms: 1.0, ..ByQueue::default() }],
        };
        let machine = Machine::look(Path::new("/var/tmp"));
        let (machine, runs) = (&machine, 3);
        let measured = Measured { machine, rows: &rows, peers: &peers, growth: &growth, runs, quick: false };
        let page = page(&measured);
        for word in ["1,700", "≥ 1,600", "dask.distributed 2026.1", "| 64 |", "| 100,000 |", "✓"] {
            assert!(page.contains(word), "{word} is missing:\n{page}");
        }
        assert!(!page.contains("/var/tmp"), "{page}");
        assert_eq!(panels(&measured).len(), 8);
    }
}
