//! `bench spine`: one manager and one worker with two slots, everything durable, beside the bare loop.

use std::time::Duration;

use crate::growth::{self, Growth};
use crate::report::{self, Measured};
use crate::rig::{Ground, Manager, Programs, Worker};
use crate::row::{self, Rows};
use crate::statistics::{median, percentile};
use crate::{Spine, accept, alone, bare, comeback, follow, idle, latency, machine, peers, table, throughput};

/// How much of everything.
struct Size {
    bare: u32,
    few: u32,
    many: u32,
    by_socket: u32,
    by_verb: u32,
    lines: u32,
    accepted: u32,
    agents: u32,
    peers: peers::Load,
    /// Of the row that is about many agents, and of how cost grows.
    many_agents: growth::Size,
    growth: growth::Size,
    settle: Duration,
    idle: Duration,
}

const WHOLE: Size = Size {
    bare: 10_000,
    few: 1_000,
    many: 10_000,
    by_socket: 500,
    by_verb: 200,
    lines: 300,
    accepted: 100_000,
    agents: 64,
    peers: peers::Load { tasks: 2_000, one_by_one: 100, lines: 300 },
    many_agents: growth::Size {
        agents: &[64],
        queued: &[],
        behind: 100_000,
        tasks: 4_000,
        idle: Duration::from_secs(5),
        verbs: 20,
    },
    growth: growth::Size {
        agents: &[1, 4, 16, 64],
        queued: &[100, 1_000, 10_000, 100_000],
        behind: 0,
        tasks: 4_000,
        idle: Duration::from_secs(10),
        verbs: 20,
    },
    settle: Duration::from_secs(3),
    idle: Duration::from_secs(20),
};

const QUICK: Size = Size {
    bare: 1_000,
    few: 100,
    many: 1_000,
    by_socket: 50,
    by_verb: 20,
    lines: 30,
    accepted: 10_000,
    agents: 8,
    peers: peers::Load { tasks: 200, one_by_one: 10, lines: 150 },
    many_agents: growth::Size {
        agents: &[8],
        queued: &[],
        behind: 10_000,
        tasks: 400,
        idle: Duration::from_secs(1),
        verbs: 2,
    },
    growth: growth::Size {
        agents: &[1, 4, 16],
        queued: &[100, 1_000, 10_000],
        behind: 0,
        tasks: 400,
        idle: Duration::from_secs(1),
        verbs: 3,
    },
    settle: Duration::from_secs(1),
    idle: Duration::from_secs(3),
};

pub fn run(args: &Spine) -> anyhow::Result<()> {
    let machine = machine::Machine::look(&args.state);
    let programs =
        Programs { bramble: crate::whole(&args.measured.manager)?, worker: crate::whole(&args.measured.worker)? };
    let (size, runs) = if args.how.quick { (QUICK, 1) } else { (WHOLE, args.how.runs) };
    let mut rows = Rows::default();
    for n in 1..=runs {
        eprintln!("run {n} of {runs}");
        once(&programs, args, &size, &mut rows)?;
    }
    let ground = Ground::below(&args.state)?;
    let peers = if args.peers || args.report { peers::measure(&ground, size.peers) } else { vec![] };
    let growth = match args.growth || args.report {
        true => growth::measure(&programs, &ground, &size.growth)?,
        false => Growth::default(),
    };
    match args.how.json {
        true => {
            let mut json = table::json(&machine, &rows, args.how.quick);
            (json["peers"], json["growth"]) = (serde_json::to_value(&peers)?, serde_json::to_value(&growth)?);
            println!("{json:#}");
        }
        false => {
            print!("{}", table::text(&machine, &rows, runs, args.how.quick));
            print!("{}{}", report::beside(&rows, &peers), report::grown(&growth));
        }
    }
    if args.report {
        let measured =
            Measured { machine: &machine, rows: &rows, peers: &peers, growth: &growth, runs, quick: args.how.quick };
        report::write(&measured, &args.docs)?;
    }
    Ok(())
}

fn once(programs: &Programs, args: &Spine, size: &Size, rows: &mut Rows) -> anyhow::Result<()> {
    let ground = Ground::below(&args.state)?;
    work(programs, &ground, size, rows)?;
    queue(programs, &ground, size, rows)?;
    // On ground of its own: another worker of the same name is there.
    killed(programs, &Ground::below(&args.state)?, size, rows)?;
    many_agents(programs, &ground, size, rows)?;
    core_alone(size, rows)
}

/// How soon it is back.
fn killed(programs: &Programs, ground: &Ground, size: &Size, rows: &mut Rows) -> anyhow::Result<()> {
    eprintln!("  its manager killed, with {} tasks, and with {} agents", size.accepted, size.agents);
    rows.add(row::BACK_TO_WORK, comeback::to_work(programs, ground, size.accepted)?.as_secs_f64());
    rows.add(row::AGENTS_BACK, comeback::of_agents(programs, ground, size.agents)?.as_secs_f64());
    Ok(())
}

/// What decides, without anything around it.
fn core_alone(size: &Size, rows: &mut Rows) -> anyhow::Result<()> {
    eprintln!("  the core alone, {} tasks", size.accepted);
    let mut most = 0;
    for (nodes, goal) in alone::CROWDS.into_iter().zip([row::CORE, row::CORE_2K, row::CORE_10K]) {
        let measured = alone::measure(nodes, size.accepted)?;
        rows.add(goal, measured.per_second);
        if measured.per_second >= row::CORE.must.unwrap_or_default() {
            most = nodes;
        }
        if goal == row::CORE_10K {
            rows.add(row::CORE_10K_RSS, mb(measured.bytes));
        }
    }
    rows.add(row::CORE_NODES, f64::from(most));
    Ok(())
}

/// What it does with tasks.
fn work(programs: &Programs, ground: &Ground, size: &Size, rows: &mut Rows) -> anyhow::Result<()> {
    eprintln!("  bare spawns");
    let alone = bare::spawn(size.bare)?;
    rows.add(row::BARE, alone.per_second);
    rows.add(row::BARE_CPU, alone.cpu_ms);
    let pipes = bare::tokio_with_pipes(size.bare)?;
    rows.add(row::PIPES, pipes.per_second);
    rows.add(row::PIPES_CPU, pipes.cpu_ms);

    let manager = Manager::start(programs, ground, "manager")?;
    let worker = Worker::start(programs, ground, &manager)?;
    let fresh = idle::measure(&manager, &worker, size.settle)?.worker().memory;

    eprintln!("  {} and {} no-op tasks", size.few, size.many);
    rows.add(row::TASKS_1K, throughput::measure(&manager, std::slice::from_ref(&worker), size.few)?.per_second);
    let many = throughput::measure(&manager, std::slice::from_ref(&worker), size.many)?;
    rows.add(row::TASKS_10K, many.per_second);
    rows.add(row::RATIO, many.per_second / alone.per_second);
    rows.add(row::TASK_CPU, many.cpu_ms);
    rows.add(row::CPU_RATIO, many.cpu_ms / alone.cpu_ms);

    eprintln!("  one task at a time");
    let by_socket = latency::by_socket(&manager, size.by_socket)?;
    rows.add(row::SOCKET_P50, median(&by_socket));
    rows.add(row::SOCKET_P99, percentile(&by_socket, 0.99));
    let by_verb = latency::by_verb(&manager, size.by_verb)?;
    rows.add(row::VERB_P50, median(&by_verb));
    rows.add(row::VERB_P99, percentile(&by_verb, 0.99));
    let lines = follow::measure(&manager, ground, size.lines)?;
    rows.add(row::LINE_P50, median(&lines));
    rows.add(row::LINE_P99, percentile(&lines, 0.99));

    eprintln!("  nothing, for {} s", size.idle.as_secs());
    let rest = idle::measure(&manager, &worker, size.idle)?;
    rows.add(row::WORKER_RSS, mb(fresh.rss));
    rows.add(row::WORKER_PRIVATE, mb(fresh.private));
    rows.add(row::WORKER_RSS_AFTER, mb(rest.worker().memory.rss));
    rows.add(row::WORKER_PRIVATE_AFTER, mb(rest.worker().memory.private));
    rows.add(row::WORKER_PSS_AFTER, mb(rest.worker().memory.pss));
    rows.add(row::KEEPER_RSS, mb(rest.keeper.memory.rss));
    rows.add(row::AGENT_RSS, mb(rest.agent.memory.rss));
    rows.add(row::WORKER_CPU, rest.worker().cpu_percent);
    rows.add(row::KEEPER_CPU, rest.keeper.cpu_percent);
    rows.add(row::MANAGER_RSS, mb(rest.manager.memory.rss));
    rows.add(row::MANAGER_PRIVATE, mb(rest.manager.memory.private));
    rows.add(row::MANAGER_CPU, rest.manager.cpu_percent);
    Ok(())
}

/// How it takes work in that nobody is there to do. A manager of its own for each way.
fn queue(programs: &Programs, ground: &Ground, size: &Size, rows: &mut Rows) -> anyhow::Result<()> {
    eprintln!("  {} tasks accepted, both ways", size.accepted);
    let array = accept::one_array(&Manager::start(programs, ground, "array")?, size.accepted)?;
    let pipelined = accept::pipelined(&Manager::start(programs, ground, "pipelined")?, size.accepted)?;
    rows.add(row::ARRAY, array.took.as_secs_f64());
    rows.add(row::PIPELINED, pipelined.took.as_secs_f64());
    rows.add(row::ARRAY_RSS, mb(array.rss));
    rows.add(row::PIPELINED_RSS, mb(pipelined.rss));
    Ok(())
}

/// As many as a small cluster has, and a long queue.
fn many_agents(programs: &Programs, ground: &Ground, size: &Size, rows: &mut Rows) -> anyhow::Result<()> {
    for many in growth::measure(programs, ground, &size.many_agents)?.by_agents {
        rows.add(row::AGENTS, many.agents.into());
        rows.add(row::MANY_RSS, many.manager_rss_queued_mb.unwrap_or_default());
        rows.add(row::MANY_CPU, many.cpu_ms);
    }
    Ok(())
}

/// Millions of bytes.
fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
