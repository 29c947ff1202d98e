//! Units, so that no bare number crosses a boundary. What does not exist is `None`, never 0.

use serde::{Deserialize, Deserializer, Serialize};

/// A share of a whole, 0 to 100, kept to a tenth.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Percent(f32);

impl Percent {
    /// `None` for what is not a number; anything else is brought into 0..=100.
    pub fn new(value: f32) -> Option<Self> {
        value.is_finite().then(|| Self((value.clamp(0.0, 100.0) * 10.0).round() / 10.0))
    }

    pub fn of(part: u64, whole: u64) -> Option<Self> {
        (whole > 0).then(|| Self::new((part as f64 * 100.0 / whole as f64) as f32)).flatten()
    }

    pub fn value(self) -> f32 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::new(f32::deserialize(from)?).ok_or_else(|| serde::de::Error::custom("not a percentage"))
    }
}

/// A temperature, kept to a tenth of a degree.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Celsius(f32);

impl Celsius {
    /// `None` for what no board can be: not a number, below absolute zero, above 1000 °C.
    pub fn new(value: f32) -> Option<Self> {
        (value.is_finite() && (-273.15..=1000.0).contains(&value)).then(|| Self((value * 10.0).round() / 10.0))
    }

    pub fn value(self) -> f32 {
        self.0
    }
}

impl<'de> Deserialize<'de> for Celsius {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::new(f32::deserialize(from)?).ok_or_else(|| serde::de::Error::custom("not a temperature"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(pub u64);

impl std::fmt::Display for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
        let mut value = self.0 as f64;
        let mut unit = 0;
        while value >= 1024.0 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        let text = if unit == 0 || value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") };
        f.pad(&format!("{} {}", text, UNITS[unit]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_none_is_no_percentage() {
        assert_eq!(Percent::new(f32::NAN), None);
        assert_eq!(Percent::of(1, 0), None);
        assert_eq!(Percent::of(1, 3).map(Percent::value), Some(33.3));
        assert_eq!(Percent::new(1e9).map(Percent::value), Some(100.0));
    }

    #[test]
    fn absurd_temperatures_are_refused_on_the_wire() {
        assert!(serde_json::from_str::<Celsius>("1e30").is_err());
        assert!(serde_json::from_str::<Celsius>("-300").is_err());
        assert_eq!(serde_json::from_str::<Celsius>("54.321").unwrap().value(), 54.3);
    }

    #[test]
    fn sizes_read_as_a_person_writes_them() {
        assert_eq!(Bytes(512).to_string(), "512 B");
        assert_eq!(Bytes(1536).to_string(), "1.5 KiB");
        assert_eq!(Bytes(64 << 20).to_string(), "64.0 MiB");
        assert_eq!(Bytes(u64::MAX).to_string(), "16384 PiB");
    }
}
