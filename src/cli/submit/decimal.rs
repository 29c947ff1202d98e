//! Decimal numbers as they are written: a tenth is a tenth, and three of them are 0.3.

use std::fmt;

/// More than anybody writes, and few enough that sums stay exact.
const MOST_DIGITS: usize = 18;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    /// In units of the last place.
    units: i128,
    /// After the point.
    places: u32,
}

#[derive(Debug, PartialEq, Eq)]
pub struct TooMany;

impl Decimal {
    pub const ONE: Decimal = Decimal { units: 1, places: 0 };

    /// Digits with a point or without, and a sign.
    pub fn of(text: &str) -> Option<Self> {
        let (minus, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, after) = digits.split_once('.').unwrap_or((digits, ""));
        let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !plain(whole) || !plain(after) || whole.len() + after.len() > MOST_DIGITS {
            return None;
        }
        let units: i128 = format!("{whole}{after}").parse().ok()?;
        Some(Self { units: if minus { -units } else { units }, places: after.len() as u32 })
    }

    pub fn is_zero(self) -> bool {
        self.units == 0
    }

    /// All from the one to the other, both included where a step leads there, written with as many places as the most
    /// precise of what they are made of. None where the step leads away; an error where they are more than so many.
    pub fn range(from: Self, to: Self, step: Self, most: usize) -> Result<Vec<String>, TooMany> {
        let places = from.places.max(step.places);
        let exact = places.max(to.places);
        let (start, end, by) = (from.units_at(exact), to.units_at(exact), step.units_at(exact));
        if by == 0 {
            return Err(TooMany);
        }
        let steps = (end - start) / by;
        if (end - start).signum() * by.signum() < 0 {
            return Ok(vec![]);
        }
        if steps >= most as i128 {
            return Err(TooMany);
        }
        let shrink = 10_i128.pow(exact - places);
        Ok((0..=steps).map(|n| Self { units: (start + n * by) / shrink, places }.to_string()).collect())
    }

    fn units_at(self, places: u32) -> i128 {
        self.units * 10_i128.pow(places - self.places)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, units) = (if self.units < 0 { "-" } else { "" }, self.units.unsigned_abs());
        let one = 10_u128.pow(self.places);
        match self.places {
            0 => write!(f, "{sign}{units}"),
            places => write!(f, "{sign}{}.{:0width$}", units / one, units % one, width = places as usize),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: &str, to: &str, step: &str) -> Result<String, TooMany> {
        let of = |text| Decimal::of(text).unwrap();
        Decimal::range(of(from), of(to), of(step), 1000).map(|values| values.join(" "))
    }

    #[test]
    fn a_range_is_written_exactly() {
        for (from, to, step, is) in [
            ("1", "10", "2", "1 3 5 7 9"),
            ("1", "1", "1", "1"),
            ("0", "0.5", "0.1", "0.0 0.1 0.2 0.3 0.4 0.5"),
            ("0.1", "0.35", "0.1", "0.1 0.2 0.3"),
            ("1", "2", "0.25", "1.00 1.25 1.50 1.75 2.00"),
            ("-1", "1", "1", "-1 0 1"),
            ("0.5", "-0.5", "-0.5", "0.5 0.0 -0.5"),
            ("10", "1", "-3", "10 7 4 1"),
            ("1", "1.9", "1", "1"),
            ("-0.05", "0.05", "0.05", "-0.05 0.00 0.05"),
            ("1", "5", "-1", ""),
            ("5", "1", "1", ""),
        ] {
            assert_eq!(range(from, to, step).as_deref(), Ok(is), "{from} {to} {step}");
        }
    }

    #[test]
    fn a_range_without_end_is_none() {
        assert_eq!(range("1", "2", "0"), Err(TooMany));
        assert_eq!(range("1", "1", "0"), Err(TooMany));
        assert_eq!(range("1", "1001", "1"), Err(TooMany));
        assert_eq!(range("0", "999999999999999999", "0.00000000000000001"), Err(TooMany));
        assert_eq!(range("1", "1000", "1").unwrap().split(' ').count(), 1000);
    }

    #[test]
    fn what_is_no_plain_number_is_none() {
        for bad in ["", "-", ".", ".5", "1e3", "inf", "nan", "1_0", "0x1", "1.2.3", "1234567890123456789"] {
            assert_eq!(Decimal::of(bad), None, "{bad}");
        }
        assert_eq!(Decimal::of("+0.50").unwrap().to_string(), "0.50");
        assert_eq!(Decimal::of("-0").unwrap().to_string(), "0");
    }
}
