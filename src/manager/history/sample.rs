//! One sample in 12 bytes, and how seconds become one.

use protocol::node::Metrics;
use protocol::unit::{Bytes, Celsius, Percent};

/// Tenths of percent and degree, pages of memory, rates to a thousandth: finer than any chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    cpu: u16,
    temperature: i16,
    memory: u32,
    net_in: Rate,
    net_out: Rate,
}

const NO_CPU: u16 = u16::MAX;
const NO_TEMPERATURE: i16 = i16::MIN;
const NO_MEMORY: u32 = u32::MAX;
const PAGE: f64 = 4096.0;

impl Sample {
    pub const BYTES: usize = 12;
    pub const NONE: Sample =
        Sample { cpu: NO_CPU, temperature: NO_TEMPERATURE, memory: NO_MEMORY, net_in: Rate::NONE, net_out: Rate::NONE };

    pub fn cpu(self) -> Option<Percent> {
        (self.cpu != NO_CPU).then(|| Percent::new(f32::from(self.cpu) / 10.0)).flatten()
    }

    pub fn temperature(self) -> Option<Celsius> {
        (self.temperature != NO_TEMPERATURE).then(|| Celsius::new(f32::from(self.temperature) / 10.0)).flatten()
    }

    pub fn memory(self) -> Option<Bytes> {
        (self.memory != NO_MEMORY).then(|| Bytes(u64::from(self.memory) * PAGE as u64))
    }

    pub fn net_in(self) -> Option<Bytes> {
        self.net_in.value()
    }

    pub fn net_out(self) -> Option<Bytes> {
        self.net_out.value()
    }

    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[0..2].copy_from_slice(&self.cpu.to_le_bytes());
        bytes[2..4].copy_from_slice(&self.temperature.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.memory.to_le_bytes());
        bytes[8..10].copy_from_slice(&self.net_in.0.to_le_bytes());
        bytes[10..12].copy_from_slice(&self.net_out.0.to_le_bytes());
        bytes
    }

    pub fn from_bytes([c0, c1, t0, t1, m0, m1, m2, m3, i0, i1, o0, o1]: [u8; Self::BYTES]) -> Self {
        Self {
            cpu: u16::from_le_bytes([c0, c1]),
            temperature: i16::from_le_bytes([t0, t1]),
            memory: u32::from_le_bytes([m0, m1, m2, m3]),
            net_in: Rate(u16::from_le_bytes([i0, i1])),
            net_out: Rate(u16::from_le_bytes([o0, o1])),
        }
    }
}

/// Bytes a second: 11 bits, shifted left by what 5 bits say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rate(u16);

impl Rate {
    const NONE: Rate = Rate(u16::MAX);
    const MOST: Rate = Rate(u16::MAX - 1);

    fn of(bytes: f64) -> Self {
        let mut shift = 0u16;
        let mut rest = bytes.max(0.0).round();
        while rest >= 2048.0 && shift < 32 {
            rest = (rest / 2.0).round();
            shift += 1;
        }
        if shift == 32 { Self::MOST } else { Self((shift << 11 | rest as u16).min(Self::MOST.0)) }
    }

    fn value(self) -> Option<Bytes> {
        (self != Self::NONE).then(|| Bytes(u64::from(self.0 & 2047) << (self.0 >> 11)))
    }
}

/// What was seen during one step: means, and the highest temperature, for it is the peak that throttles.
#[derive(Debug, Default)]
pub struct Gathering {
    cpu: Mean,
    memory: Mean,
    net_in: Mean,
    net_out: Mean,
    temperature: Option<f32>,
    some: bool,
}

#[derive(Debug, Default)]
struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.sum += value;
            self.count += 1;
        }
    }

    fn get(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / f64::from(self.count))
    }
}

impl Gathering {
    pub fn add(&mut self, metrics: &Metrics) {
        let bytes = |value: Option<Bytes>| value.map(|bytes| bytes.0 as f64);
        self.cpu.add(metrics.cpu.map(|cpu| f64::from(cpu.value())));
        self.memory.add(bytes(metrics.memory_used));
        self.net_in.add(bytes(metrics.net_in));
        self.net_out.add(bytes(metrics.net_out));
        let temperatures = self.temperature.into_iter().chain(metrics.temperature.map(Celsius::value));
        self.temperature = temperatures.reduce(f32::max);
        self.some = true;
    }

    /// `None` where nothing was added since the last time.
    pub fn finish(&mut self) -> Option<Sample> {
        let Gathering { cpu, memory, net_in, net_out, temperature, some } = std::mem::take(self);
        some.then(|| Sample {
            cpu: cpu.get().map_or(NO_CPU, |cpu| (cpu * 10.0).round() as u16),
            temperature: temperature.map_or(NO_TEMPERATURE, |t| (t * 10.0).round() as i16),
            memory: memory.get().map_or(NO_MEMORY, |bytes| ((bytes / PAGE).round() as u32).min(NO_MEMORY - 1)),
            net_in: net_in.get().map_or(Rate::NONE, Rate::of),
            net_out: net_out.get().map_or(Rate::NONE, Rate::of),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(bytes: f64) -> u64 {
        Rate::of(bytes).value().unwrap().0
    }

    #[test]
    fn a_rate_is_kept_to_a_thousandth() {
        for exact in [0.0, 1.0, 2047.0] {
            assert_eq!(rate(exact), exact as u64);
        }
        for bytes in [2049.0, 4095.4, 125_000_000.0, 1e12] {
            let off = (rate(bytes) as f64 - bytes).abs() / bytes;
            assert!(off < 0.001, "{bytes}: {off}");
        }
        assert!(rate(f64::MAX) > 4_000_000_000_000, "more is shown as the most there is");
        assert_eq!(Rate::NONE.value(), None);
    }

    #[test]
    fn seconds_become_their_mean_and_the_highest_temperature() {
        let mut gathering = Gathering::default();
        assert_eq!(gathering.finish(), None);
        for (cpu, memory, temperature) in [(10.0, Some(Bytes(8192)), 50.0), (20.5, None, 61.5), (0.0, None, 40.0)] {
            gathering.add(&Metrics {
                cpu: Percent::new(cpu),
                memory_used: memory,
                temperature: Celsius::new(temperature),
                ..Default::default()
            });
        }
        let sample = gathering.finish().unwrap();
        assert_eq!(sample.cpu(), Percent::new(10.2));
        assert_eq!(sample.memory(), Some(Bytes(8192)), "of those that said it");
        assert_eq!(sample.temperature(), Celsius::new(61.5));
        assert_eq!(sample.net_in(), None, "not sampled is not 0");
        assert_eq!(Sample::from_bytes(sample.to_bytes()), sample);
        assert_eq!(gathering.finish(), None, "it begins anew");
    }

    #[test]
    fn the_most_absurd_numbers_stay_numbers() {
        let mut gathering = Gathering::default();
        let most = Some(Bytes(u64::MAX));
        gathering.add(&Metrics {
            memory_used: most,
            net_in: most,
            temperature: Celsius::new(-273.1),
            ..Default::default()
        });
        let sample = gathering.finish().unwrap();
        assert_eq!(sample.memory(), Some(Bytes(u64::from(NO_MEMORY - 1) * 4096)));
        assert_eq!(sample.temperature(), Celsius::new(-273.1));
        assert!(sample.net_in().is_some() && sample.cpu().is_none());
    }
}
