//! Every thing on the screen that has a look of its own.

use ratatui::style::Style;

/// Writes down each style once: the field, and the name it has in a theme's file.
macro_rules! styles {
    ($($(#[$doc:meta])* $name:ident = $said:literal,)*) => {
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Styles {
            $($(#[$doc])* pub $name: Style,)*
            /// Cold to hot. In a theme's file a list of seven: `heat = [..]`.
            pub heat: [Style; HEAT_STEPS],
        }

        impl Styles {
            /// As a theme's file names them; `heat` apart.
            pub const NAMES: &[&str] = &[$($said,)*];

            pub fn get(&self, name: &str) -> Option<Style> {
                match name {
                    $($said => Some(self.$name),)*
                    _ => None,
                }
            }

            pub fn get_mut(&mut self, name: &str) -> Option<&mut Style> {
                match name {
                    $($said => Some(&mut self.$name),)*
                    _ => None,
                }
            }

            pub fn map(&self, change: impl Fn(Style) -> Style) -> Self {
                Self { $($name: change(self.$name),)* heat: self.heat.map(&change) }
            }
        }
    };
}

pub const HEAT_STEPS: usize = 7;

styles! {
    /// The whole screen is filled with it; all others are patched over it.
    text = "text",
    dim = "dim",
    strong = "strong",
    title = "title",
    title_focused = "title-focused",
    border = "border",
    border_focused = "border-focused",
    header = "header",
    header_strong = "header-strong",
    selection = "selection",
    /// The cursor's row in a pane without focus.
    selection_idle = "selection-idle",
    marked = "marked",
    /// Found text.
    matched = "matched",
    hint_key = "hint-key",
    hint = "hint",
    prompt = "prompt",
    prompt_text = "prompt-text",
    link = "link",

    up = "up",
    reachable = "reachable",
    down = "down",
    draining = "draining",
    joining = "joining",

    queued = "queued",
    starting = "starting",
    running = "running",
    succeeded = "succeeded",
    failed = "failed",
    stopped = "stopped",
    lost = "lost",

    bar = "bar",
    bar_warn = "bar-warn",
    bar_full = "bar-full",
    bar_empty = "bar-empty",
    spark = "spark",
    graph_cpu = "graph-cpu",
    graph_memory = "graph-memory",
    graph_in = "graph-in",
    graph_out = "graph-out",
    graph_heat = "graph-heat",
    /// Throttled, under-voltage and the like.
    flag = "flag",

    dialog = "dialog",
    dialog_danger = "dialog-danger",
    button = "button",
    button_focused = "button-focused",
    toast = "toast",
    toast_good = "toast-good",
    toast_bad = "toast-bad",
    banner = "banner",
    /// Patched over a picture that is old.
    stale = "stale",
    stderr = "stderr",
    age = "age",
}
