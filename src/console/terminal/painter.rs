//! The thread that writes to the terminal, so that nobody else waits for it.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use super::canvas::{Canvas, Frame};
use super::clipboard::{self, TooLong};

#[derive(Clone, Debug)]
pub enum Command {
    /// The next one is sent only after this one is reported painted.
    Frame(Frame),
    Copy(String),
    Title(String),
    Mouse(bool),
    /// Stops the whole process, as Ctrl-Z does; goes on with `Report::Resumed`.
    Suspend,
    /// The process was stopped and continued by others: takes the terminal again.
    Reopen,
}

#[derive(Debug)]
pub enum Report {
    /// `bytes` is 0 when the screen showed all of it already.
    Painted { bytes: usize },
    /// The screen is ours again and empty: a frame is due, and the size may be another one.
    Resumed,
    /// Nothing can be written any more; the painter has ended.
    Gone(io::Error),
}

#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    TooLong(#[from] TooLong),
    #[error("The terminal is too slow to take this now; try again in a moment.")]
    Busy,
    #[error("The terminal is gone.")]
    Gone,
}

/// What the painter writes to.
pub trait Screen: Write + Send + 'static {
    fn set_mouse(&mut self, on: bool) -> io::Result<()>;
    fn set_title(&mut self, title: &str) -> io::Result<()>;
    fn suspend(&mut self) -> io::Result<()>;
    fn reopen(&mut self) -> io::Result<()>;
}

/// Dropping it gives the terminal back.
pub struct Painter {
    commands: Option<SyncSender<Command>>,
    ended: Receiver<()>,
}

/// One frame at a time, and what a person may ask for while it is painted.
const WAITING: usize = 16;

/// How long quitting waits for a terminal that takes no bytes.
const PATIENCE: Duration = Duration::from_secs(1);

impl Painter {
    pub fn start(screen: impl Screen, report: impl Fn(Report) + Send + 'static) -> io::Result<Self> {
        let (commands, received) = sync_channel(WAITING);
        let (end, ended) = sync_channel(1);
        thread::Builder::new().name("painter".to_owned()).spawn(move || {
            let mut canvas = Canvas::new(screen);
            if let Err(error) = obey(&mut canvas, &received, &report) {
                report(Report::Gone(error));
            }
            drop(canvas);
            let _ = end.send(());
        })?;
        Ok(Self { commands: Some(commands), ended })
    }

    /// Never waits.
    pub fn send(&self, command: Command) -> Result<(), CommandError> {
        if let Command::Copy(text) = &command {
            clipboard::check(text)?;
        }
        let commands = self.commands.as_ref().ok_or(CommandError::Gone)?;
        commands.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => CommandError::Busy,
            TrySendError::Disconnected(_) => CommandError::Gone,
        })
    }
}

impl Drop for Painter {
    fn drop(&mut self) {
        drop(self.commands.take());
        let _ = self.ended.recv_timeout(PATIENCE);
    }
}

fn obey<S: Screen>(canvas: &mut Canvas<S>, commands: &Receiver<Command>, report: &impl Fn(Report)) -> io::Result<()> {
    while let Ok(command) = commands.recv() {
        match command {
            Command::Frame(frame) => {
                let bytes = canvas.paint(frame)?;
                report(Report::Painted { bytes });
            }
            Command::Copy(text) => canvas.out.write_all(&clipboard::sequence(&text))?,
            Command::Title(title) => canvas.out.set_title(&title)?,
            Command::Mouse(on) => canvas.out.set_mouse(on)?,
            Command::Suspend => {
                canvas.out.suspend()?;
                canvas.forget();
                report(Report::Resumed);
            }
            Command::Reopen => {
                canvas.out.reopen()?;
                canvas.forget();
                report(Report::Resumed);
            }
        }
    }
    Ok(())
}
