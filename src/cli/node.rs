//! `node`.

use clap::{Args, Subcommand};
use futures_util::future::join_all;
use protocol::api::{NodeView, Reply, Request, SshWay};
use protocol::name::NodeName;
use protocol::unit::Percent;
use serde_json::{Map, Value};

use super::context::{Context, ask};
use super::exit::{Exit, Failure};
use super::history::{HistoryArgs, history};
use super::look::node_color;
use super::many::{Outcome, Repeat, ask_each, tell};
use super::node_add::{AddArgs, add};
use super::table::{Cell, Grid, Sheet};
use super::text::{age, local, now, took};
use super::{reboot, remove};
use crate::client::Client;

/// Show nodes, or act on them
#[derive(Debug, Args)]
#[command(
    override_usage = "bramble node [OPTIONS] [ls|NAME]\n       bramble node <COMMAND> <NAME>...",
    after_help = "Examples:
  bramble node                 all of them
  bramble node pi-3            everything about one
  bramble node history pi-3    how it has been doing for the last hour
  bramble node add pi-9 pi@10.0.0.9    one without an agent
  bramble node drain pi-3      let it finish what it runs and give it nothing new
  bramble node --json | jq '.[] | select(.state != \"up\") | .name'"
)]
pub struct NodeArgs {
    /// ls, or the one to show
    #[arg(value_name = "ls|NAME")]
    name: Option<NodeName>,
    #[command(subcommand)]
    verb: Option<NodeVerb>,
}

#[derive(Debug, Subcommand)]
enum NodeVerb {
    /// List them
    #[command(alias = "list", hide = true)]
    Ls,
    /// How one has been doing: processor, memory, network, temperature
    History(HistoryArgs),
    /// Give them no new tasks; what they run goes on
    Drain(Names),
    /// Give them tasks again
    Undrain(Names),
    /// Add one that has no agent, by its own SSH
    Add(AddArgs),
    /// Reboot them
    Reboot(Names),
    /// Keep them, but let their keys in no more
    ///
    /// What runs there is lost to the node and queued again elsewhere at once. The old processes may still run there
    /// until the node comes back, is told, and ends them: a task may run twice for a while, and what the old one
    /// prints and ends with does not count.
    Revoke(Names),
    /// Forget them and their keys
    #[command(alias = "remove")]
    Rm(Names),
}

#[derive(Debug, Args)]
struct Names {
    /// Which nodes
    #[arg(required = true, value_name = "NAME")]
    names: Vec<NodeName>,
}

pub async fn node(args: NodeArgs, context: &Context) -> Result<Exit, Failure> {
    let Some(verb) = args.verb else {
        let client = context.client().await?;
        return match args.name {
            Some(name) => one(&client, name, context).await,
            None => list(&client, context).await,
        };
    };
    if let Some(name) = args.name {
        return Err(Failure::usage(format_args!("{name} does not belong there; nodes are named after the command")));
    }
    match verb {
        NodeVerb::Ls => list(&context.client().await?, context).await,
        NodeVerb::History(args) => history(args, context).await,
        NodeVerb::Drain(Names { names }) => {
            act(names, |node| Request::Drain { node, on: true }, "draining", context).await
        }
        NodeVerb::Undrain(Names { names }) => {
            act(names, |node| Request::Drain { node, on: false }, "takes tasks again", context).await
        }
        NodeVerb::Add(args) => add(args, context).await,
        NodeVerb::Reboot(Names { names }) => reboot(names, context).await,
        NodeVerb::Revoke(Names { names }) => {
            let done = "its key is let in no more; what ran there is lost to it and queued again elsewhere, while the \
                        old processes may still run there until it comes back";
            act(names, |node| Request::RevokeNode { node }, done, context).await
        }
        NodeVerb::Rm(Names { names }) => remove(names, context).await,
    }
}

async fn act(
    names: Vec<NodeName>,
    request: impl Fn(NodeName) -> Request,
    done: &str,
    context: &Context,
) -> Result<Exit, Failure> {
    let outcomes = ask_each(context, Repeat::Never, names, |name| request(name.clone()), taken).await?;
    tell(context, "node", &outcomes, |name, _| format!("{name}: {done}"))
}

fn taken(reply: Reply) -> Result<Map<String, Value>, Box<Reply>> {
    match reply {
        // The name alone is the answer.
        Reply::Done { .. } | Reply::Node(_) | Reply::End => Ok(Map::new()),
        other => Err(Box::new(other)),
    }
}

async fn reboot(names: Vec<NodeName>, context: &Context) -> Result<Exit, Failure> {
    let request = |node: &NodeName| Request::Reboot { node: node.clone() };
    let outcomes = ask_each(context, Repeat::Never, names, request, taken).await?;
    let client = context.client().await?;
    let outcomes = outcomes.into_iter().map(async |Outcome { target, result }| {
        let result = match result {
            Ok(done) => reboot::comes_true(&client, &target).await.map(|()| done),
            Err(failure) => Err(failure),
        };
        Outcome { target, result }
    });
    tell(context, "node", &join_all(outcomes).await, |name, _| format!("{name}: reboot asked"))
}

async fn remove(names: Vec<NodeName>, context: &Context) -> Result<Exit, Failure> {
    let request = |node: &NodeName| Request::RemoveNode { node: node.clone() };
    let outcomes = ask_each(context, Repeat::Never, names, request, taken).await?;
    let client = context.client().await?;
    let outcomes = outcomes.into_iter().map(async |Outcome { target, result }| {
        let result = match result {
            // It is gone whether or not the rest can be told.
            Ok(_) => Ok(remove::orphans(&client, &target).await.unwrap_or_default()),
            Err(failure) => Err(failure),
        };
        Outcome { target, result }
    });
    tell(context, "node", &join_all(outcomes).await, |name, orphans| {
        format!("{name}: forgotten{}", orphans.sentence(name))
    })
}

async fn list(client: &Client, context: &Context) -> Result<Exit, Failure> {
    let nodes = ask!(client, Request::Nodes, Reply::Nodes(nodes) => nodes)?;
    if context.json {
        context.print_json(&nodes)?;
        return Ok(Exit::OK);
    }
    if nodes.is_empty() {
        context.hint("no nodes yet; make a token for one with: bramble join-token");
        if context.look.terminal {
            return Ok(Exit::OK);
        }
    }
    context.print(grid(&nodes, context))?;
    Ok(Exit::OK)
}

fn grid(nodes: &[NodeView], context: &Context) -> String {
    let now = now();
    let mut grid = Grid::new(&["NODE", "STATE", "ROLE", "CPU", "MEM", "TEMP", "TASKS", "SEEN", "ADDRESS", "NOTES"])
        .spare(&["ROLE", "ADDRESS", "TEMP", "MEM"]);
    for node in nodes {
        let metrics = node.metrics.as_ref();
        grid.row(vec![
            node.name.as_str().into(),
            Cell::colored(context.look.node(node.state), node_color(node.state)),
            node.role.word().into(),
            Cell::maybe(metrics.and_then(|m| m.cpu).map(|cpu| format!("{:.0}%", cpu.value()))),
            Cell::maybe(memory_share(node)),
            Cell::maybe(metrics.and_then(|m| m.temperature).map(|t| format!("{:.0}°C", t.value()))),
            format!("{}/{}", node.running, node.slots).into(),
            Cell::maybe(node.seen_at.filter(|_| metrics.is_none()).map(|seen| age(now, seen))),
            Cell::maybe(node.address.as_ref().or(node.ssh.as_ref().map(|way| &way.host))),
            marks(node).join(", ").into(),
        ]);
    }
    grid.render(context.look)
}

fn memory_share(node: &NodeView) -> Option<String> {
    let (used, all) = (node.metrics.as_ref()?.memory_used?, node.facts.memory?);
    Percent::of(used.0, all.0).map(|share| format!("{:.0}%", share.value()))
}

fn memory(node: &NodeView) -> Option<String> {
    let used = node.metrics.as_ref()?.memory_used?;
    Some(match node.facts.memory {
        Some(all) => format!("{used} of {all}"),
        None => used.to_string(),
    })
}

/// What is to be known of a node besides its state.
fn marks(node: &NodeView) -> Vec<&'static str> {
    let throttle = node.metrics.as_ref().and_then(|m| m.throttle).unwrap_or_default();
    [
        (node.revoked, "revoked"),
        (node.ssh.is_some() && node.version.is_none(), "no agent"),
        (node.trouble.is_some(), "not let in"),
        (node.draining, "draining"),
        (node.metrics.as_ref().is_some_and(|m| m.disk_full), "disk full"),
        (throttle.under_voltage, "under-voltage"),
        (throttle.throttled, "throttled"),
        (throttle.soft_temperature_limit, "too warm"),
        (throttle.frequency_capped, "frequency capped"),
        (node.shared_uid, "shared uid"),
        (node.facts.simulated, "simulated board"),
    ]
    .into_iter()
    .filter_map(|(is, word)| is.then_some(word))
    .collect()
}

async fn one(client: &Client, name: NodeName, context: &Context) -> Result<Exit, Failure> {
    let node = ask!(client, Request::Node { name }, Reply::Node(node) => node)?;
    if context.json {
        context.print_json(&node)?;
    } else {
        context.print(sheet(&node, context))?;
    }
    Ok(Exit::OK)
}

fn sheet(node: &NodeView, context: &Context) -> String {
    let now = now();
    let at = |time| format!("{} ({} ago)", local(time), age(now, time));
    let facts = &node.facts;
    let metrics = node.metrics.clone().unwrap_or_default();
    let mut sheet = Sheet::default();
    sheet.line("node", node.name.as_str());
    sheet.line("state", Cell::colored(context.look.node(node.state), node_color(node.state)));
    sheet.line("notes", marks(node).join(", "));
    sheet.line("trouble", Cell::maybe(node.trouble.as_ref()));
    sheet.line("role", node.role.word());
    sheet.line("address", Cell::maybe(node.address.as_ref()));
    sheet.line("addresses", facts.addresses.join(", "));
    sheet.line("by ssh", Cell::maybe(node.ssh.as_ref().map(way)));
    sheet.line("host key", Cell::maybe(node.ssh.as_ref().map(|way| way.host_key.clone())));
    sheet.line("hostname", Cell::maybe(facts.hostname.as_ref()));
    sheet.line("agent", Cell::maybe(node.version.as_ref()));
    sheet.line("model", Cell::maybe(facts.model.as_ref()));
    sheet.line(
        "system",
        [&facts.os, &facts.kernel, &facts.arch].into_iter().flatten().cloned().collect::<Vec<_>>().join(", "),
    );
    sheet.line("processor", Cell::maybe(facts.cpu_model.as_ref()));
    sheet.line("CPUs", format!("{}, {} taken by tasks", node.cpus, node.running_cpus));
    sheet.line("tasks", format!("{} running in {} slots, {} finished", node.running, node.slots, node.finished));
    sheet.line("CPU", Cell::maybe(metrics.cpu.map(|cpu| format!("{:.1} %", cpu.value()))));
    sheet.line("load", Cell::maybe(metrics.load_hundredths.map(|load| format!("{:.2}", f64::from(load) / 100.0))));
    sheet.line("memory", Cell::maybe(memory(node).or_else(|| facts.memory.map(|all| all.to_string()))));
    sheet.line("disk", Cell::maybe(disk(node)));
    sheet
        .line("network", Cell::maybe(metrics.net_in.zip(metrics.net_out).map(|(i, o)| format!("{i}/s in, {o}/s out"))));
    sheet.line("temperature", Cell::maybe(metrics.temperature.map(|t| format!("{:.1} °C", t.value()))));
    sheet.line("GPUs", facts.gpus.join(", "));
    sheet.line("GPU", Cell::maybe(metrics.gpu.map(|gpu| format!("{:.1} %", gpu.value()))));
    sheet.line("interpreters", interpreters(node));
    sheet.line("up for", Cell::maybe(metrics.uptime_minutes.map(|minutes| took(u64::from(minutes) * 60_000))));
    sheet.line("joined", at(node.joined_at));
    sheet.line("last seen", Cell::maybe(node.seen_at.filter(|_| node.metrics.is_none()).map(at)));
    sheet.render(context.look)
}

/// As a person would type it.
fn way(way: &SshWay) -> String {
    let SshWay { host, port, user, .. } = way;
    if *port == 22 { format!("{user}@{host}") } else { format!("{user}@{host}:{port}") }
}

fn disk(node: &NodeView) -> Option<String> {
    let used = node.metrics.as_ref().and_then(|m| m.disk_used);
    match (used, node.facts.disk) {
        (Some(used), Some(all)) => Some(format!("{used} of {all}")),
        (one, other) => one.or(other).map(|bytes| bytes.to_string()),
    }
}

fn interpreters(node: &NodeView) -> String {
    let shown = node.facts.interpreters.iter().map(|i| match &i.version {
        Some(version) => format!("{} {version}", i.name),
        None => i.name.clone(),
    });
    shown.collect::<Vec<_>>().join(", ")
}
