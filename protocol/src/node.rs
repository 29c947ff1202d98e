//! Nodes: roles, states, facts and metrics. What a machine does not have is `None`, never 0.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::unit::{Bytes, Celsius, Percent};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Manager,
    Worker,
    Cooler,
}

impl Role {
    pub fn word(self) -> &'static str {
        match self {
            Role::Manager => "manager",
            Role::Worker => "worker",
            Role::Cooler => "cooler",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

impl std::str::FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Role::Manager, Role::Worker, Role::Cooler]
            .into_iter()
            .find(|role| role.word() == text)
            .ok_or_else(|| format!("{text:?} is not a role; roles are manager, worker and cooler"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// Its agent is linked.
    Up,
    /// It answers, but has no agent linked.
    Reachable,
    /// Known, and does not answer.
    Down,
}

impl NodeState {
    pub fn word(self) -> &'static str {
        match self {
            NodeState::Up => "up",
            NodeState::Reachable => "reachable",
            NodeState::Down => "down",
        }
    }
}

impl std::fmt::Display for NodeState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

/// What a machine is. Changes rarely; sent whole in the hello and again when something changed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    pub hostname: Option<String>,
    pub model: Option<String>,
    pub os: Option<String>,
    pub kernel: Option<String>,
    pub arch: Option<String>,
    pub cpus: Option<u32>,
    pub cpu_model: Option<String>,
    pub memory: Option<Bytes>,
    pub disk: Option<Bytes>,
    pub addresses: Vec<String>,
    pub gpus: Vec<String>,
    pub interpreters: Vec<Interpreter>,
    pub boot_id: Option<String>,
    /// Temperatures and flags come from a simulated board, and every screen says so.
    pub simulated: bool,
}

/// What nodes look for: programs that run scripts, as a person types them.
pub const INTERPRETERS: [&str; 9] = ["bash", "python3", "perl", "ruby", "node", "Rscript", "julia", "lua", "php"];

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    /// One of [`INTERPRETERS`].
    pub name: String,
    pub path: String,
    pub version: Option<String>,
}

/// What a machine is doing, sampled once a second.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Metrics {
    pub cpu: Option<Percent>,
    /// One-minute load average, in hundredths.
    pub load_hundredths: Option<u32>,
    pub memory_used: Option<Bytes>,
    pub disk_used: Option<Bytes>,
    /// So little is free that no task can be sure to begin.
    pub disk_full: bool,
    /// Bytes a second, all interfaces but loopback.
    pub net_in: Option<Bytes>,
    pub net_out: Option<Bytes>,
    pub temperature: Option<Celsius>,
    pub throttle: Option<Throttle>,
    pub gpu: Option<Percent>,
    pub uptime_minutes: Option<u32>,
}

/// The flags of a Pi's firmware, now and since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Throttle {
    pub under_voltage: bool,
    pub frequency_capped: bool,
    pub throttled: bool,
    pub soft_temperature_limit: bool,
    pub under_voltage_since_boot: bool,
    pub frequency_capped_since_boot: bool,
    pub throttled_since_boot: bool,
    pub soft_temperature_limit_since_boot: bool,
}

impl Throttle {
    /// The bits of `get_throttled`, as the firmware documents them.
    pub fn from_bits(bits: u32) -> Self {
        let bit = |n: u32| bits & (1 << n) != 0;
        Self {
            under_voltage: bit(0),
            frequency_capped: bit(1),
            throttled: bit(2),
            soft_temperature_limit: bit(3),
            under_voltage_since_boot: bit(16),
            frequency_capped_since_boot: bit(17),
            throttled_since_boot: bit(18),
            soft_temperature_limit_since_boot: bit(19),
        }
    }
}

/// Only what changed: a flat JSON merge patch (RFC 7396), `null` for what is gone.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MetricsPatch(Map<String, Value>);

impl MetricsPatch {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Metrics {
    fn map(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(map)) => map,
            _ => Map::new(),
        }
    }

    /// What has to be said to someone who knows `before`.
    pub fn since(&self, before: &Metrics) -> MetricsPatch {
        let old = before.map();
        MetricsPatch(self.map().into_iter().filter(|(key, value)| old.get(key) != Some(value)).collect())
    }

    /// A patch that does not fit (wrong types, absurd values) changes nothing.
    pub fn patch(&mut self, patch: MetricsPatch) -> Result<(), serde_json::Error> {
        let mut map = self.map();
        map.extend(patch.0);
        *self = serde_json::from_value(Value::Object(map))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_says_only_what_changed_and_what_is_gone() {
        let before = Metrics { cpu: Percent::new(10.0), temperature: Celsius::new(50.0), ..Default::default() };
        let after = Metrics { cpu: Percent::new(11.0), memory_used: Some(Bytes(7)), ..Default::default() };
        let patch = after.since(&before);
        assert_eq!(serde_json::to_string(&patch).unwrap(), r#"{"cpu":11.0,"memory_used":7,"temperature":null}"#);
        let mut known = before;
        known.patch(patch).unwrap();
        assert_eq!(known, after);
        assert!(after.since(&after).is_empty());
    }

    #[test]
    fn a_lying_patch_changes_nothing() {
        let mut known = Metrics { cpu: Percent::new(10.0), ..Default::default() };
        for lie in [r#"{"cpu":"hot"}"#, r#"{"memory_used":-1}"#, r#"{"temperature":1e9}"#] {
            assert!(known.patch(serde_json::from_str(lie).unwrap()).is_err(), "{lie}");
        }
        assert_eq!(known.cpu, Percent::new(10.0));
    }

    #[test]
    fn the_firmware_bits_are_told_apart() {
        let flags = Throttle::from_bits(0x50005);
        assert!(flags.under_voltage && flags.throttled && flags.under_voltage_since_boot && flags.throttled_since_boot);
        assert!(!flags.frequency_capped && !flags.soft_temperature_limit_since_boot);
    }
}
