//! Cutting the lines around a place out of a text.

/// Longest stretch of one line that is shown, in bytes on either side of the place.
const LINE_REACH: usize = 160;

/// Most lines of one place that are shown.
const MAX_LINES: usize = 8;

/// A stretch of source text and the place in it.
pub(crate) struct Excerpt<'a> {
    /// Whole lines, or the middle of an overlong one.
    pub(crate) text: &'a str,
    /// The place, in bytes of `text`.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Lines of `text` before the one that the place starts in.
    pub(crate) lines_before: u32,
    /// `text` starts in the middle of a line, so that columns cannot be counted in it.
    pub(crate) is_cut: bool,
}

/// The lines of the place `start..end`, with `context` lines around it. Offsets outside the text are clipped, so
/// that a place that belongs to another version of the text cannot fail.
pub(crate) fn excerpt(text: &str, start: u32, end: u32, context: usize) -> Excerpt<'_> {
    let clip = |at: usize| {
        let mut at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = clip(start as usize);
    let mut end = clip(end as usize).max(start);
    let first_line = line_start(text, start);
    let mut from = first_line;
    for _ in 0..context {
        if from == 0 {
            break;
        }
        from = line_start(text, from - 1);
    }
    let mut to = line_end(text, start);
    let mut lines = 1;
    while to < end && lines < MAX_LINES {
        to = line_end(text, to + 1);
        lines += 1;
    }
    end = end.min(to);
    for _ in 0..context {
        if to >= text.len() {
            break;
        }
        to = line_end(text, to + 1);
    }
    let overlong = |a: usize, b: usize| text[a..b].split('\n').any(|l| l.len() > 2 * LINE_REACH);
    if overlong(from, to) {
        // Only the line itself, and of it only what is near.
        end = end.min(line_end(text, start)).min(clip(start + LINE_REACH));
        from = clip(start.saturating_sub(LINE_REACH)).max(first_line);
        to = clip(end + LINE_REACH).min(line_end(text, start)).max(end);
    }
    // The empty line behind the last newline is none.
    while to > end && to > from && text.as_bytes()[to - 1] == b'\n' {
        to -= 1;
    }
    let before = text[from..first_line.max(from)].matches('\n').count();
    Excerpt {
        text: &text[from..to],
        start: start - from,
        end: end - from,
        lines_before: u32::try_from(before).unwrap_or(0),
        is_cut: from > first_line,
    }
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

fn line_end(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    text[at..]
        .find('\n')
        .map_or(text.len(), |newline| at + newline)
}

/// The line that a byte offset stands in, trimmed and cut to `width` bytes.
pub(crate) fn line_of(text: &str, at: u32, width: usize) -> &str {
    let excerpt = excerpt(text, at, at, 0);
    let line = excerpt.text.trim();
    let mut end = line.len().min(width);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    &line[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_around_a_place() {
        let text = "a\nbb\nccc\ndd\ne\n";
        let got = excerpt(text, 5, 8, 1);
        assert_eq!(got.text, "bb\nccc\ndd");
        assert_eq!(&got.text[got.start..got.end], "ccc");
        assert_eq!(got.lines_before, 1);
        let first = excerpt(text, 0, 1, 2);
        assert_eq!((first.text, first.lines_before), ("a\nbb\nccc", 0));
        assert_eq!(line_of(text, 6, 2), "cc");
    }

    #[test]
    fn overlong_lines_and_wrong_offsets_are_cut() {
        let text = format!("x = 1\n{}é", "y".repeat(5_000_000));
        let got = excerpt(&text, 2_500_000, 4_000_000, 2);
        assert!(got.text.len() <= 3 * LINE_REACH);
        assert!(got.end <= got.text.len());
        let outside = excerpt(&text, 99_000_000, 99_000_001, 2);
        assert!(outside.text.ends_with('é'));
        assert_eq!(excerpt("", 5, 9, 1).text, "");
        assert_eq!(excerpt("é", 1, 1, 1).start, 0);
    }
}
