//! What a person chose, in a file of their own, written by a thread of its own: an SD card may take its time.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::state::settings::Settings;

/// Where a person's own themes, keymaps and choices are. Where there is no home, there are none.
#[derive(Debug, Clone, Default)]
pub struct Folders {
    pub themes: Option<PathBuf>,
    pub keymaps: Option<PathBuf>,
    settings: Option<PathBuf>,
}

impl Folders {
    pub fn of_person() -> Folders {
        let Some(folders) = directories::ProjectDirs::from("", "", "bramble") else { return Folders::default() };
        let config = folders.config_dir();
        let state = folders.state_dir().unwrap_or(folders.data_local_dir());
        Folders {
            themes: Some(config.join("themes")),
            keymaps: Some(config.join("keymaps")),
            settings: Some(state.join("console.toml")),
        }
    }

    /// What was chosen last time; what cannot be read is as if it had never been.
    pub fn settings(&self) -> Settings {
        let text = self.settings.as_ref().and_then(|path| fs::read_to_string(path).ok());
        text.and_then(|text| toml::from_str(&text).ok()).unwrap_or_default()
    }
}

/// Dropping it waits until the last choice is written.
pub struct Keeper {
    to: Option<Sender<Settings>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub fn start(folders: &Folders) -> Keeper {
        let Some(path) = folders.settings.clone() else { return Keeper { to: None, thread: None } };
        let (to, from) = channel();
        let thread = std::thread::Builder::new().name("choices".into()).spawn(move || write_all(&path, &from));
        Keeper { to: Some(to), thread: thread.ok() }
    }

    pub fn keep(&self, settings: Settings) {
        // Without the thread, the choice holds until the console is left.
        let _ = self.to.as_ref().map(|to| to.send(settings));
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.to.take());
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn write_all(path: &Path, from: &Receiver<Settings>) {
    while let Ok(mut settings) = from.recv() {
        while let Ok(newer) = from.try_recv() {
            settings = newer;
        }
        // A choice that cannot be kept is no reason to disturb anyone.
        let _ = write(path, &settings);
    }
}

/// Whole or not at all.
fn write(path: &Path, settings: &Settings) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let text = toml::to_string(settings).map_err(io::Error::other)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_there_the_next_time() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders { settings: Some(folder.path().join("a/console.toml")), ..Folders::default() };
        assert_eq!(folders.settings(), Settings::default());
        let chosen = Settings { theme: "light".into(), nodes_width: 44, ..Settings::default() };
        let keeper = Keeper::start(&folders);
        keeper.keep(Settings::default());
        keeper.keep(chosen.clone());
        drop(keeper);
        assert_eq!(folders.settings(), chosen);
    }

    #[test]
    fn a_damaged_file_is_as_if_there_were_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("console.toml");
        fs::write(&path, "theme = 7 \u{0}").unwrap();
        let folders = Folders { settings: Some(path), ..Folders::default() };
        assert_eq!(folders.settings(), Settings::default());
    }
}
