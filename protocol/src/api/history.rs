//! How nodes have been doing: samples at an even step, oldest first. Where nothing was sampled is `None`, a gap.

use serde::{Deserialize, Serialize};

use crate::name::NodeName;
use crate::time::UnixMillis;
use crate::unit::{Bytes, Celsius, Percent};

/// How far back, and how finely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// At most 720 samples of 5 seconds.
    Hour,
    /// At most 1440 samples of a minute.
    Day,
}

impl Span {
    pub const fn step_ms(self) -> u32 {
        match self {
            Span::Hour => 5_000,
            Span::Day => 60_000,
        }
    }

    /// The most samples there are.
    pub const fn samples(self) -> usize {
        match self {
            Span::Hour => 720,
            Span::Day => 1440,
        }
    }
}

/// All series are equally long, and shorter than they might be where the manager knows less. A sample is the mean of
/// what was seen during its step; of the temperature it is the highest, for it is the peak that throttles. Steps are
/// counted by a clock that does not jump; `end` is what the manager's wall clock says of the last one just now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    pub node: NodeName,
    pub span: Span,
    pub step_ms: u32,
    /// When the last sample ends.
    pub end: UnixMillis,
    pub cpu: Vec<Option<Percent>>,
    pub memory: Vec<Option<Bytes>>,
    /// Bytes a second.
    pub net_in: Vec<Option<Bytes>>,
    pub net_out: Vec<Option<Bytes>>,
    pub temperature: Vec<Option<Celsius>>,
}

/// The last five minutes of one node, as a card shows them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    pub node: NodeName,
    pub cpu: Vec<Option<Percent>>,
}

impl Trend {
    /// The most samples there are.
    pub const SAMPLES: usize = 60;
    pub const STEP_MS: u32 = Span::Hour.step_ms();
}
