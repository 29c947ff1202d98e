//! `facts`: for a person as rows, for a script as JSON.

use std::path::Path;

use anyhow::Context;
use protocol::node::{Facts, Metrics};
use serde::Serialize;

use super::Sampler;
use super::interpreters::Finder;
use crate::layout::Layout;

#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    facts: Facts,
    metrics: Metrics,
}

pub fn print(json: bool, sysfs_root: Option<&Path>) -> anyhow::Result<()> {
    let state = Layout::of(None, None).map_or_else(|_| "/".into(), |layout| layout.state);
    let mut sampler = Sampler::new(sysfs_root, &state);
    sampler.know(Finder::default().find());
    let told = Told { facts: sampler.facts(), metrics: sampler.metrics() };
    if json {
        println!("{}", serde_json::to_string(&told).context("the facts cannot be written as JSON")?);
    } else {
        for (name, value) in rows(&told.facts, &told.metrics) {
            println!("{name:<14}{value}");
        }
    }
    Ok(())
}

/// Only what is known; a row that says nothing is left out.
fn rows(facts: &Facts, metrics: &Metrics) -> Vec<(&'static str, String)> {
    let mut rows: Vec<(&'static str, String)> = Vec::new();
    let mut row = |name, value: Option<String>| rows.extend(value.map(|value| (name, value)));
    row("host name", facts.hostname.clone());
    row("model", facts.model.clone());
    row("system", facts.os.clone());
    row("kernel", facts.kernel.clone());
    row("architecture", facts.arch.clone());
    row("CPUs", facts.cpus.map(|n| n.to_string()));
    row("CPU", facts.cpu_model.clone());
    row("memory", facts.memory.map(|n| n.to_string()));
    row("disk", facts.disk.map(|n| n.to_string()));
    for address in &facts.addresses {
        row("address", Some(address.clone()));
    }
    for gpu in &facts.gpus {
        row("GPU", Some(gpu.clone()));
    }
    for interpreter in &facts.interpreters {
        let version = interpreter.version.as_deref().unwrap_or("of unknown version");
        row("interpreter", Some(format!("{} {version} ({})", interpreter.name, interpreter.path)));
    }
    row("temperature", metrics.temperature.map(|t| format!("{:.1} °C", t.value())));
    row("throttling", metrics.throttle.map(|flags| suffering(&flags)));
    row("memory used", metrics.memory_used.map(|n| n.to_string()));
    row("disk used", metrics.disk_used.map(|n| n.to_string()));
    row("simulated", facts.simulated.then(|| "board and temperature are not real".to_owned()));
    rows
}

/// A Pi's flags in words.
pub fn suffering(flags: &protocol::node::Throttle) -> String {
    let words = [
        (flags.under_voltage, "under-voltage now"),
        (flags.throttled, "throttled now"),
        (flags.frequency_capped, "frequency capped now"),
        (flags.soft_temperature_limit, "soft temperature limit now"),
        (flags.under_voltage_since_boot && !flags.under_voltage, "under-voltage since boot"),
        (flags.throttled_since_boot && !flags.throttled, "throttled since boot"),
        (flags.frequency_capped_since_boot && !flags.frequency_capped, "frequency capped since boot"),
        (flags.soft_temperature_limit_since_boot && !flags.soft_temperature_limit, "soft temperature limit since boot"),
    ];
    let said: Vec<&str> = words.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
    if said.is_empty() { "none".to_owned() } else { said.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::node::Throttle;

    #[test]
    fn what_is_not_known_has_no_row() {
        let facts = Facts { cpus: Some(4), ..Facts::default() };
        assert_eq!(rows(&facts, &Metrics::default()), [("CPUs", "4".to_owned())]);
    }

    #[test]
    fn flags_of_now_are_not_repeated_as_flags_of_the_past() {
        assert_eq!(suffering(&Throttle::from_bits(0x50001)), "under-voltage now, throttled since boot");
        assert_eq!(suffering(&Throttle::default()), "none");
    }
}
