//! A Pi that gets too little current, or too little air, is slow and may lose its card.

use std::path::Path;

use super::Finding;
use crate::facts::Sampler;
use crate::facts::print::suffering;

pub fn check() -> Option<Finding> {
    let flags = Sampler::new(None, Path::new("/")).metrics().throttle?;
    let suffers = suffering(&flags);
    if flags.under_voltage || flags.under_voltage_since_boot {
        return Some(Finding::minor(
            "under-voltage",
            format!("The power supply is too weak: {suffers}."),
            "Use the board's own power supply and a short, thick cable.",
        ));
    }
    (flags.throttled || flags.throttled_since_boot || flags.soft_temperature_limit).then(|| {
        Finding::minor(
            "too-hot",
            format!("This board gets too hot: {suffers}."),
            "Give it a heat sink, a fan, or more air.",
        )
    })
}
