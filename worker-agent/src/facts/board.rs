//! The board: its model, its temperature, and the flags by which a Pi says that it suffers.

use std::path::{Path, PathBuf};

use protocol::node::Throttle;
use protocol::unit::{Celsius, Percent};

use super::files::{self, Root};

/// Where this board's sensors were found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Board {
    temperature: Option<PathBuf>,
    /// The firmware's word, hexadecimal (Raspberry Pi OS kernels).
    throttled: Option<PathBuf>,
    /// The under-voltage alarm alone (any kernel since 5.0).
    volt_alarm: Option<PathBuf>,
    gpu_busy: Option<PathBuf>,
}

impl Board {
    pub fn find(root: &Root) -> Self {
        Self {
            temperature: temperature_file(root),
            throttled: throttled_file(root),
            volt_alarm: hwmon(root, "rpi_volt").map(|dir| dir.join("in0_lcrit_alarm")),
            gpu_busy: files::entries(&root.join("sys/class/drm"))
                .into_iter()
                .map(|card| card.join("device/gpu_busy_percent"))
                .find(|path| path.exists()),
        }
    }

    /// To half a degree, between what a chip survives on either side.
    pub fn temperature(&self) -> Option<Celsius> {
        let millidegrees: i64 = files::number(self.temperature.as_deref()?)?;
        let halves = (-55_000..=150_000).contains(&millidegrees).then(|| (millidegrees as f32 / 500.0).round())?;
        Celsius::new(halves / 2.0)
    }

    pub fn throttle(&self) -> Option<Throttle> {
        let flags = self.throttled.as_deref().and_then(throttled_bits).map(Throttle::from_bits);
        let alarm = match self.volt_alarm.as_deref().and_then(files::number::<u8>) {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        };
        if flags.is_none() && alarm.is_none() {
            return None;
        }
        let mut flags = flags.unwrap_or_default();
        flags.under_voltage |= alarm == Some(true);
        Some(flags)
    }

    pub fn gpu_busy(&self) -> Option<Percent> {
        let percent: u8 = files::number(self.gpu_busy.as_deref()?)?;
        (percent <= 100).then(|| Percent::new(f32::from(percent))).flatten()
    }
}

fn throttled_bits(path: &Path) -> Option<u32> {
    let text = files::text(path)?;
    u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()
}

/// What is the CPU's own, by decreasing certainty.
const CPU_ZONES: [&str; 6] = ["cpu-thermal", "x86_pkg_temp", "cpu_thermal", "soc-thermal", "soc_thermal", "cpu"];
const CPU_CHIPS: [&str; 3] = ["cpu_thermal", "coretemp", "k10temp"];

fn temperature_file(root: &Root) -> Option<PathBuf> {
    let zones: Vec<(String, PathBuf)> = files::entries(&root.join("sys/class/thermal"))
        .into_iter()
        .filter(|zone| files::name(zone).starts_with("thermal_zone"))
        .filter_map(|zone| Some((files::line(&zone.join("type"))?, zone.join("temp"))))
        .collect();
    let of_type = |wanted: fn(&str, &str) -> bool| {
        CPU_ZONES.iter().find_map(|word| zones.iter().find(|(kind, _)| wanted(kind, word)).map(|(_, at)| at.clone()))
    };
    let by_name = of_type(|kind, word| kind == word).or_else(|| of_type(|kind, word| kind.starts_with(word)));
    let by_chip = || CPU_CHIPS.iter().find_map(|chip| hwmon(root, chip)).map(|chip| chip.join("temp1_input"));
    // Better an unnamed zone of the board than nothing.
    by_name.or_else(by_chip).or_else(|| zones.into_iter().next().map(|(_, at)| at))
}

fn throttled_file(root: &Root) -> Option<PathBuf> {
    // Pi 4: soc/soc:firmware; Pi 5: soc@107c000000/soc@107c000000:firmware. Newer kernels leave the middle folder out.
    let is_firmware = |path: &Path| files::name(path).ends_with(":firmware");
    let socs = files::entries(&root.join("sys/devices/platform"));
    socs.iter()
        .filter(|soc| files::name(soc).starts_with("soc"))
        .flat_map(|soc| if is_firmware(soc) { vec![soc.clone()] } else { files::entries(soc) })
        .filter(|path| is_firmware(path))
        .map(|firmware| firmware.join("get_throttled"))
        .find(|path| path.exists())
}

/// The folder of a monitoring chip, by name: its number differs from boot to boot.
fn hwmon(root: &Root, chip: &str) -> Option<PathBuf> {
    files::entries(&root.join("sys/class/hwmon"))
        .into_iter()
        .find(|dir| files::line(&dir.join("name")).is_some_and(|name| name == chip))
}

/// What the maker calls it: from the device tree of an ARM board, else from the firmware tables of a PC.
pub fn model(root: &Root) -> Option<String> {
    files::line(&root.join("proc/device-tree/model")).or_else(|| {
        let dmi =
            |field: &str| files::line(&root.join("sys/class/dmi/id").join(field)).filter(|text| says_something(text));
        match (dmi("sys_vendor"), dmi("product_name")) {
            (Some(vendor), Some(product)) if product.starts_with(&vendor) => Some(product),
            (Some(vendor), Some(product)) => Some(format!("{vendor} {product}")),
            (vendor, product) => product.or(vendor),
        }
    })
}

/// Makers who fill nothing in leave these.
fn says_something(text: &str) -> bool {
    const NOTHING: [&str; 7] = [
        "to be filled",
        "system product name",
        "system manufacturer",
        "default string",
        "not specified",
        "none",
        "o.e.m",
    ];
    let text = text.to_lowercase();
    !NOTHING.iter().any(|nothing| text.contains(nothing))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A board as a list of files: path, content.
    fn board(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let root = Root::new(Some(dir.path()));
        (dir, root)
    }

    const PI_4: &[(&str, &str)] = &[
        ("proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0"),
        ("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
        ("sys/class/thermal/thermal_zone0/temp", "53069\n"),
        ("sys/class/hwmon/hwmon0/name", "cpu_thermal\n"),
        ("sys/class/hwmon/hwmon0/temp1_input", "53069\n"),
        ("sys/class/hwmon/hwmon1/name", "rpi_volt\n"),
        ("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n"),
        ("sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n"),
    ];

    const PI_5: &[(&str, &str)] = &[
        ("proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0"),
        ("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
        ("sys/class/thermal/thermal_zone0/temp", "41850\n"),
        ("sys/class/hwmon/hwmon0/name", "rp1_adc\n"),
        ("sys/class/hwmon/hwmon2/name", "pwmfan\n"),
        ("sys/class/hwmon/hwmon3/name", "rpi_volt\n"),
        ("sys/class/hwmon/hwmon3/in0_lcrit_alarm", "1\n"),
        ("sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled", "0\n"),
    ];

    #[test]
    fn a_pi_4_tells_its_temperature_and_that_it_is_throttled() {
        let (_dir, root) = board(PI_4);
        let board = Board::find(&root);
        assert_eq!(model(&root).as_deref(), Some("Raspberry Pi 4 Model B Rev 1.4"));
        assert_eq!(board.temperature().unwrap().value(), 53.0);
        let flags = board.throttle().unwrap();
        assert!(flags.under_voltage && flags.throttled && flags.throttled_since_boot && !flags.frequency_capped);
    }

    #[test]
    fn a_pi_5_tells_its_under_voltage_by_the_alarm_alone_too() {
        let (_dir, root) = board(PI_5);
        let board = Board::find(&root);
        assert_eq!(model(&root).as_deref(), Some("Raspberry Pi 5 Model B Rev 1.0"));
        assert_eq!(board.temperature().unwrap().value(), 42.0);
        let flags = board.throttle().unwrap();
        assert!(flags.under_voltage && !flags.throttled);
    }

    #[test]
    fn the_zone_of_the_cpu_is_chosen_among_many() {
        let (_dir, root) = board(&[
            ("sys/class/thermal/thermal_zone0/type", "acpitz\n"),
            ("sys/class/thermal/thermal_zone0/temp", "20000\n"),
            ("sys/class/thermal/thermal_zone1/type", "INT3400 Thermal\n"),
            ("sys/class/thermal/thermal_zone1/temp", "25000\n"),
            ("sys/class/thermal/thermal_zone10/type", "x86_pkg_temp\n"),
            ("sys/class/thermal/thermal_zone10/temp", "61000\n"),
        ]);
        assert_eq!(Board::find(&root).temperature().unwrap().value(), 61.0);
    }

    #[test]
    fn what_is_missing_torn_or_absurd_is_none() {
        let (_dir, root) = board(&[]);
        assert_eq!(Board::find(&root), Board::default());
        assert_eq!((model(&root), Board::find(&root).temperature()), (None, None));
        for absurd in ["", "hot", "-273150", "999999", "4.5", "99999999999999999999999", "\0\0", "0x10"] {
            let (_dir, root) = board(&[
                ("sys/class/thermal/thermal_zone0/type", "cpu-thermal"),
                ("sys/class/thermal/thermal_zone0/temp", absurd),
            ]);
            assert_eq!(Board::find(&root).temperature(), None, "{absurd:?}");
        }
        for absurd in ["", "zz", "-1", "1ffffffff", "50005 50005"] {
            let (_dir, root) = board(&[
                ("sys/devices/platform/soc/soc:firmware/get_throttled", absurd),
                ("sys/class/hwmon/hwmon0/name", "rpi_volt"),
                ("sys/class/hwmon/hwmon0/in0_lcrit_alarm", "7"),
            ]);
            assert_eq!(Board::find(&root).throttle(), None, "{absurd:?}");
        }
    }

    #[test]
    fn a_pc_is_named_by_its_firmware_unless_that_says_nothing() {
        let named = |vendor: &str, product: &str| {
            let (_dir, root) =
                board(&[("sys/class/dmi/id/sys_vendor", vendor), ("sys/class/dmi/id/product_name", product)]);
            model(&root)
        };
        assert_eq!(named("LENOVO", "20XW").as_deref(), Some("LENOVO 20XW"));
        assert_eq!(named("HP", "HP EliteDesk").as_deref(), Some("HP EliteDesk"));
        assert_eq!(named("To Be Filled By O.E.M.", "Default string"), None);
    }
}
