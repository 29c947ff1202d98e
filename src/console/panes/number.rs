//! Numbers in few cells. What is not known is a dash, never 0.

use protocol::unit::{Bytes, Celsius, Percent};

use crate::console::state::nodes::FAINT;

pub const UNKNOWN: &str = "-";

pub fn percent(share: Option<Percent>) -> String {
    share.map_or_else(|| UNKNOWN.into(), |share| format!("{:.0}%", share.value()))
}

pub fn degrees(temperature: Option<Celsius>, sign: &str) -> String {
    temperature.map_or_else(|| UNKNOWN.into(), |degrees| format!("{:.0}{sign}", degrees.value()))
}

/// Bytes in four cells at most: `<1K`, `34K`, `1.2M`.
pub fn bytes(bytes: Option<Bytes>) -> String {
    const UNITS: [&str; 6] = ["K", "M", "G", "T", "P", "E"];
    let Some(bytes) = bytes else { return UNKNOWN.into() };
    if bytes.0 < FAINT {
        return "<1K".into();
    }
    let (mut value, mut unit) = (bytes.0 as f64 / 1024.0, 0);
    while value >= 995.0 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    let digits = usize::from(value < 9.95);
    // Two digits say enough, and stand still.
    let value = if value >= 99.5 { (value / 10.0).round() * 10.0 } else { value };
    format!("{value:.digits$}{}", UNITS[unit])
}

/// How many, in four cells at most: `37`, `1.2k`, `34M`.
pub fn count(n: u64) -> String {
    const UNITS: [&str; 6] = ["k", "M", "G", "T", "P", "E"];
    if n < 1000 {
        return n.to_string();
    }
    let (mut value, mut unit) = (n as f64 / 1000.0, 0);
    while value >= 999.5 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1000.0, unit + 1);
    }
    let digits = usize::from(value < 9.95);
    format!("{value:.digits$}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_fits_its_four_cells() {
        for shift in 0..64 {
            for n in [1u64 << shift, (1u64 << shift) - 1, (1u64 << shift) / 3 * 2] {
                assert!(bytes(Some(Bytes(n))).len() <= 4, "{n}: {}", bytes(Some(Bytes(n))));
                assert!(count(n).len() <= 4, "{n}: {}", count(n));
            }
        }
        assert!(count(u64::MAX).len() <= 4);
    }

    #[test]
    fn what_is_not_known_is_no_zero() {
        assert_eq!([bytes(None), percent(None), degrees(None, "°")], ["-", "-", "-"]);
        assert_eq!([bytes(Some(Bytes(0))), percent(Percent::new(0.0))], ["<1K", "0%"]);
        assert_eq!(bytes(Some(Bytes(1_200_000))), "1.1M");
    }
}
