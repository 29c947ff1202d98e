//! The flags of a Pi's firmware in words.

use protocol::node::Throttle;

/// What holds now, the worst first.
pub fn now(throttle: Option<Throttle>) -> Vec<&'static str> {
    let Some(flags) = throttle else { return vec![] };
    let all = [
        (flags.under_voltage, "under-voltage"),
        (flags.throttled, "throttled"),
        (flags.frequency_capped, "capped"),
        (flags.soft_temperature_limit, "warm limit"),
    ];
    all.into_iter().filter_map(|(on, word)| on.then_some(word)).collect()
}

/// What has held since the board was started.
pub fn since_boot(throttle: Option<Throttle>) -> Vec<&'static str> {
    let past = throttle.map(|flags| Throttle {
        under_voltage: flags.under_voltage_since_boot,
        throttled: flags.throttled_since_boot,
        frequency_capped: flags.frequency_capped_since_boot,
        soft_temperature_limit: flags.soft_temperature_limit_since_boot,
        ..Default::default()
    });
    now(past)
}
