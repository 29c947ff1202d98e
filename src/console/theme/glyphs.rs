//! The signs that are not words, each one cell wide.

use ratatui::symbols::border;

#[derive(Debug)]
pub struct Glyphs {
    pub up: &'static str,
    pub reachable: &'static str,
    pub down: &'static str,
    pub draining: &'static str,
    pub joining: &'static str,

    pub queued: &'static str,
    pub starting: &'static str,
    pub running: &'static str,
    pub succeeded: &'static str,
    pub failed: &'static str,
    pub stopped: &'static str,
    pub lost: &'static str,

    pub marked: &'static str,
    pub folded: &'static str,
    pub unfolded: &'static str,
    pub bar_full: &'static str,
    pub bar_empty: &'static str,
    /// A cell of a bar filled by 0 to 7 eighths.
    pub bar_parts: [&'static str; 8],
    /// From the lowest to the highest.
    pub spark: [&'static str; 9],
    /// In a graph, where there is no sample.
    pub gap: &'static str,
    pub ellipsis: &'static str,
    pub arrow_up: &'static str,
    pub arrow_down: &'static str,
    pub arrow_left: &'static str,
    pub arrow_right: &'static str,
    pub separator: &'static str,
    pub bullet: &'static str,
    pub dot: &'static str,
    pub degree: &'static str,
    pub check: &'static str,
    pub cross: &'static str,
    pub flag: &'static str,
    pub horizontal: &'static str,
    pub vertical: &'static str,
    pub corner: &'static str,
    pub scroll_track: &'static str,
    pub scroll_thumb: &'static str,
    pub border: border::Set<'static>,
    /// Around the card under the cursor.
    pub border_cursor: border::Set<'static>,
}

impl Glyphs {
    pub const UNICODE: &'static Glyphs = &Glyphs {
        up: "●",
        reachable: "◐",
        down: "○",
        draining: "◒",
        joining: "◌",
        queued: "○",
        starting: "◌",
        running: "●",
        succeeded: "✓",
        failed: "✗",
        stopped: "■",
        lost: "?",
        marked: "▌",
        folded: "▸",
        unfolded: "▾",
        bar_full: "█",
        bar_empty: "░",
        bar_parts: [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"],
        spark: ["▁", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
        gap: " ",
        ellipsis: "…",
        arrow_up: "↑",
        arrow_down: "↓",
        arrow_left: "←",
        arrow_right: "→",
        separator: "›",
        bullet: "•",
        dot: "·",
        degree: "°",
        check: "✓",
        cross: "✗",
        flag: "▲",
        horizontal: "─",
        vertical: "│",
        corner: "└",
        scroll_track: "│",
        scroll_thumb: "┃",
        border: border::ROUNDED,
        border_cursor: border::THICK,
    };

    /// For a terminal that was not promised UTF-8.
    pub const ASCII: &'static Glyphs = &Glyphs {
        up: "*",
        reachable: "~",
        down: "o",
        draining: "v",
        joining: "+",
        queued: "o",
        starting: "+",
        running: "*",
        succeeded: "=",
        failed: "x",
        stopped: "#",
        lost: "?",
        marked: ">",
        folded: "+",
        unfolded: "-",
        bar_full: "#",
        bar_empty: ".",
        bar_parts: [" ", ".", ".", ":", "-", "-", "=", "="],
        spark: ["_", "_", ".", ".", "-", "-", "=", "=", "#"],
        gap: " ",
        ellipsis: "~",
        arrow_up: "^",
        arrow_down: "v",
        arrow_left: "<",
        arrow_right: ">",
        separator: ">",
        bullet: "*",
        dot: "-",
        degree: " ",
        check: "=",
        cross: "x",
        flag: "!",
        horizontal: "-",
        vertical: "|",
        corner: "`",
        scroll_track: "|",
        scroll_thumb: "#",
        border: border::Set {
            top_left: "+",
            top_right: "+",
            bottom_left: "+",
            bottom_right: "+",
            vertical_left: "|",
            vertical_right: "|",
            horizontal_top: "-",
            horizontal_bottom: "-",
        },
        border_cursor: border::Set {
            top_left: "#",
            top_right: "#",
            bottom_left: "#",
            bottom_right: "#",
            vertical_left: "#",
            vertical_right: "#",
            horizontal_top: "=",
            horizontal_bottom: "=",
        },
    };

    pub fn of(ascii: bool) -> &'static Self {
        if ascii { Self::ASCII } else { Self::UNICODE }
    }

    pub fn ascii(&self) -> bool {
        self.ellipsis.is_ascii()
    }

    /// Every single one, for those who must know that all are one cell wide.
    #[cfg(test)]
    pub fn all(&self) -> Vec<&'static str> {
        let border = self.border;
        let mut all = vec![
            self.up,
            self.reachable,
            self.down,
            self.draining,
            self.joining,
            self.queued,
            self.starting,
            self.running,
            self.succeeded,
            self.failed,
            self.stopped,
            self.lost,
            self.marked,
            self.folded,
            self.unfolded,
            self.bar_full,
            self.bar_empty,
            self.gap,
            self.ellipsis,
            self.arrow_up,
            self.arrow_down,
            self.arrow_left,
            self.arrow_right,
            self.separator,
            self.bullet,
            self.dot,
            self.degree,
            self.check,
            self.cross,
            self.flag,
            self.horizontal,
            self.vertical,
            self.corner,
            self.scroll_track,
            self.scroll_thumb,
            border.top_left,
            border.top_right,
            border.bottom_left,
            border.bottom_right,
            border.vertical_left,
            border.vertical_right,
            border.horizontal_top,
            border.horizontal_bottom,
        ];
        all.extend(self.bar_parts);
        all.extend(self.spark);
        all
    }
}
