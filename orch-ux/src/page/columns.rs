//! Widths as a terminal counts them: most CJK characters and emoji take two columns, combining marks none.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// How many columns a line of text takes.
#[must_use]
pub fn columns(text: &str) -> usize {
    text.width()
}

/// At most so many columns of a line; what is too long ends in `…`. No character is split.
#[must_use]
pub fn cut(text: &str, max: usize) -> String {
    if columns(text) <= max {
        return text.to_owned();
    }
    let Some(room) = max.checked_sub(1) else { return String::new() };
    let mut taken = 0;
    let fits = |char: &char| {
        taken += char.width().unwrap_or(0);
        taken <= room
    };
    let kept: String = text.chars().take_while(fits).collect();
    format!("{}…", kept.trim_end())
}

/// The text with spaces behind it, so that it takes at least so many columns.
#[must_use]
pub fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(columns(text))))
}

/// The columns of a table: as wide as their widest cell, and where that is more than `room` the widest ones give way.
pub(super) fn widths<'a>(
    rows: impl Iterator<Item = &'a [String]>,
    gap: usize,
    room: Option<usize>,
) -> Vec<usize> {
    /// Below this a cell says nothing any more.
    const LEAST: usize = 4;
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = columns(cell).max(*width);
        }
    }
    let Some(room) = room else { return widths };
    let room = room.saturating_sub(gap * widths.len().saturating_sub(1));
    let mut excess = widths.iter().sum::<usize>().saturating_sub(room);
    while excess > 0 {
        let Some(widest) = widths.iter_mut().max() else { break };
        if *widest <= LEAST {
            break;
        }
        *widest -= 1;
        excess -= 1;
    }
    widths
}
