//! Graphics and compute cards, as the kernel lists them.

use std::path::Path;

use super::files::{self, Root};

/// One line for each card: `Intel 0x46a6 (i915)`, `vc4-drm`, `NVIDIA GeForce RTX 3060`.
pub fn find(root: &Root) -> Vec<String> {
    let mut found: Vec<String> = files::entries(&root.join("sys/class/drm"))
        .iter()
        .filter(|entry| is_card(files::name(entry)))
        .filter_map(|card| describe(&card.join("device")))
        .collect();
    // The vendor's own driver names its cards better than a PCI number can.
    let named = if root.simulated() { Vec::new() } else { nvidia(Path::new("/proc/driver/nvidia/gpus")) };
    if !named.is_empty() {
        found.retain(|card| !card.starts_with("NVIDIA"));
        found.extend(named);
    }
    found
}

/// `card0`, but not its connectors (`card0-HDMI-A-1`) nor its render node.
fn is_card(name: &str) -> bool {
    name.strip_prefix("card").is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

fn describe(device: &Path) -> Option<String> {
    let driver = files::text(&device.join("uevent")).and_then(|uevent| {
        let driver = uevent.lines().find_map(|line| line.strip_prefix("DRIVER="))?;
        driver.chars().all(|c| c.is_ascii_graphic()).then(|| driver.to_owned())
    });
    let vendor = files::line(&device.join("vendor"));
    let Some(vendor) = vendor else { return driver };
    let maker = match vendor.as_str() {
        "0x10de" => "NVIDIA",
        "0x1002" => "AMD",
        "0x8086" => "Intel",
        "0x1af4" => "virtio",
        other => other,
    };
    let mut text = maker.to_owned();
    if let Some(device) = files::line(&device.join("device")) {
        text.push(' ');
        text.push_str(&device);
    }
    if let Some(driver) = driver {
        text.push_str(&format!(" ({driver})"));
    }
    Some(text)
}

fn nvidia(gpus: &Path) -> Vec<String> {
    let model = |gpu: &Path| {
        let information = files::text(&gpu.join("information"))?;
        let model = information.lines().find_map(|line| line.strip_prefix("Model:"))?.trim().to_owned();
        Some(if model.starts_with("NVIDIA") { model } else { format!("NVIDIA {model}") })
    };
    files::entries(gpus).iter().filter_map(|gpu| model(gpu)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_listed_once_and_connectors_are_not_cards() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, content: &str| {
            let path = dir.path().join("sys/class/drm").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        };
        write("card0/device/uevent", "DRIVER=v3d\nOF_NAME=v3d\n");
        write("card1/device/uevent", "DRIVER=vc4-drm\n");
        write("card1-HDMI-A-1/device/uevent", "DRIVER=vc4-drm\n");
        write("card2/device/vendor", "0x8086\n");
        write("card2/device/device", "0x46a6\n");
        write("card2/device/uevent", "DRIVER=i915\nPCI_ID=8086:46A6\n");
        write("card3/device/uevent", "DRIVER=\x1b[2J\n");
        write("renderD128/device/uevent", "DRIVER=v3d\n");
        assert_eq!(find(&Root::new(Some(dir.path()))), ["v3d", "vc4-drm", "Intel 0x46a6 (i915)"]);
    }

    #[test]
    fn a_card_with_its_vendors_driver_has_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let gpu = dir.path().join("0000:01:00.0");
        std::fs::create_dir(&gpu).unwrap();
        std::fs::write(gpu.join("information"), "Model: \t\t NVIDIA GeForce RTX 3060\nIRQ: 5\n").unwrap();
        assert_eq!(nvidia(dir.path()), ["NVIDIA GeForce RTX 3060"]);
    }
}
