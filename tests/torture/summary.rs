//! What a run came to, as a table.

use protocol::event::What;
use protocol::job::TaskState;

use super::NODES;
use super::found::Found;
use super::told::Book;
use super::trouble::{Deed, Done, name};

/// How long it took from the end of a trouble until the nodes concerned were up, as events tell it. Only where nothing
/// else happened to them meanwhile.
fn recoveries(found: &Found, trouble: &[Done]) -> Vec<(u64, Deed, String)> {
    let ups: Vec<(&str, u64)> = found
        .events
        .values()
        .filter_map(|event| match &event.what {
            What::NodeUp { node } => Some((node.as_str(), event.at.0)),
            _ => None,
        })
        .collect();
    let mut all = vec![];
    use Deed::{Cut, EndManager, KillAgent, KillDemoAndManager, KillKeeper, KillManager, LongCut};
    let breaks = [KillManager, EndManager, KillDemoAndManager, KillAgent, KillKeeper, Cut, LongCut];
    for (n, done) in trouble.iter().enumerate().filter(|(_, done)| breaks.contains(&done.deed)) {
        let nodes: Vec<String> = match done.node {
            Some(node) => vec![name(node)],
            None => (0..NODES).map(name).collect(),
        };
        for node in nodes {
            let Some(up) = ups.iter().find(|(who, at)| *who == node && *at >= done.until).map(|(_, at)| *at) else {
                continue;
            };
            let concerns = |other: &Done| other.node.is_none_or(|other| name(other) == node);
            let before = trouble[..n].iter().any(|other| concerns(other) && other.until + 5_000 > done.from);
            let meanwhile = trouble[n + 1..].iter().any(|other| concerns(other) && other.from < up);
            if !before && !meanwhile && up - done.until < 60_000 {
                all.push((up - done.until, done.deed, node));
            }
        }
    }
    all.sort();
    all
}

pub fn print(seed: u64, book: &Book, found: &Found, trouble: &[Done]) {
    let mut deeds = std::collections::BTreeMap::new();
    trouble.iter().for_each(|done| *deeds.entry(done.deed).or_insert(0) += 1);
    eprintln!("seed {seed}");
    for (deed, count) in deeds {
        eprintln!("  {deed:28} {count:6}");
    }
    let count = |state| found.tasks.values().filter(|(task, _)| task.state == state).count();
    let attempts: usize = found.tasks.values().map(|(_, attempts)| attempts.len()).sum();
    let happened = |what: fn(&What) -> bool| found.events.values().filter(|event| what(&event.what)).count();
    let bytes: usize = found.logs.values().map(|log| log.stdout.len() + log.stderr.len()).sum();
    let rows = [
        ("jobs", found.jobs.len()),
        ("  acknowledged over the socket or by run", book.jobs.len()),
        ("  by run --wait", book.waited.len()),
        ("tasks", found.tasks.len()),
        ("  succeeded", count(TaskState::Succeeded)),
        ("  failed as they were to", count(TaskState::Failed)),
        ("  stopped", count(TaskState::Stopped)),
        ("  lost: exit unknown", count(TaskState::Lost)),
        ("attempts", attempts),
        ("  retried on request", happened(|what| matches!(what, What::TaskRetried { .. }))),
        ("  lost and queued again", happened(|what| matches!(what, What::TaskRequeued { .. }))),
        ("  late results kept apart", happened(|what| matches!(what, What::LateResult { .. }))),
        ("followers", book.followed.len()),
        ("events told", book.events.len()),
        ("bytes of output", bytes),
    ];
    for (what, count) in rows {
        eprintln!("  {what:40} {count:10}");
    }
    let recoveries = recoveries(found, trouble);
    if let (Some((slowest, deed, node)), Some((median, ..))) = (recoveries.last(), recoveries.get(recoveries.len() / 2))
    {
        let of = recoveries.len();
        eprintln!(
            "  node up again, {of} times measured:  median {median} ms, slowest {slowest} ms ({node} after {deed})"
        );
    }
}
