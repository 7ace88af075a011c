//! Follows the literal parts of a script, to tell code from strings, comments and what cannot be told apart.

/// What a value within a script would become a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spot {
    /// Code: a JSON value can stand here.
    Code,
    /// A string literal in single or double quotes.
    String,
    /// A comment, a template literal, perhaps a regular expression: refuse.
    Unsure,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum State {
    #[default]
    Code,
    Quoted(char),
    Template,
    LineComment,
    BlockComment,
    /// Behind a `/` that divides or starts a regular expression; neither goes beyond the line.
    UnsureLine,
    /// Until the end of the script.
    Unsure,
}

/// See the module. Only what is certain whatever the grammar says counts; everything else is unsure.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Script {
    state: State,
    /// The last characters, oldest first.
    recent: [char; 3],
    /// The next character is escaped by a backslash.
    escaped: bool,
}

impl Script {
    pub(super) fn spot(&self) -> Spot {
        match self.state {
            State::Code if self.recent[2] != '/' => Spot::Code,
            State::Quoted(_) if !self.escaped => Spot::String,
            _ => Spot::Unsure,
        }
    }

    pub(super) fn value(&mut self) {
        self.escaped = false;
        self.recent = ['\u{FFFC}'; 3];
    }

    /// In an attribute, a character reference may stand for any of the characters that matter.
    pub(super) fn step(&mut self, c: char, attribute: bool) {
        let [a, b, before] = self.recent;
        self.recent = [b, before, c];
        let reference = attribute && before == '&' && (c == '#' || c.is_ascii_alphabetic());
        // `<!--` and `-->` are comments of old, and the former changes where the element ends.
        if reference
            || (a, b, before, c) == ('<', '!', '-', '-')
            || (b, before, c) == ('-', '-', '>')
        {
            self.state = State::Unsure;
            return;
        }
        if std::mem::take(&mut self.escaped) {
            // A string goes on behind an escaped line break; one of two characters is too rare to follow.
            if c == '\r' {
                self.state = State::Unsure;
            }
            return;
        }
        let line_end = matches!(c, '\n' | '\r');
        let other_line_end = matches!(c, '\u{2028}' | '\u{2029}');
        self.state = match self.state {
            State::Code => match c {
                '"' | '\'' | '`' if before == '/' => {
                    // A regular expression or a division by a string.
                    if c == '`' {
                        State::Unsure
                    } else {
                        State::UnsureLine
                    }
                }
                '/' if before == '/' => State::LineComment,
                '*' if before == '/' => {
                    // Not also the star of the end.
                    self.recent = ['\u{FFFC}'; 3];
                    State::BlockComment
                }
                _ if before == '/' && !line_end => State::UnsureLine,
                '"' | '\'' => State::Quoted(c),
                '`' => State::Template,
                _ if other_line_end => State::Unsure,
                _ => State::Code,
            },
            State::Quoted(quote) => match c {
                '\\' => {
                    self.escaped = true;
                    self.state
                }
                _ if c == quote => State::Code,
                _ if line_end => State::Unsure,
                _ => self.state,
            },
            State::Template => match c {
                '\\' => {
                    self.escaped = true;
                    self.state
                }
                '`' => State::Code,
                '{' if before == '$' => State::Unsure,
                _ => self.state,
            },
            State::LineComment if line_end || other_line_end => State::Code,
            State::BlockComment if before == '*' && c == '/' => {
                // This slash starts nothing.
                self.recent = ['\u{FFFC}'; 3];
                State::Code
            }
            State::UnsureLine => match c {
                '`' => State::Unsure,
                '*' if before == '/' => State::Unsure,
                _ if other_line_end || (line_end && before == '\\') => State::Unsure,
                _ if line_end => State::Code,
                _ => self.state,
            },
            state => state,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spots() {
        for (text, want) in [
            ("", Spot::Code),
            ("let a = ", Spot::Code),
            ("let a = \"", Spot::String),
            ("f('", Spot::String),
            ("f('a\\'", Spot::String),
            ("f('a') + ", Spot::Code),
            ("f('\\", Spot::Unsure),
            ("// it's\n", Spot::Code),
            ("// it's ", Spot::Unsure),
            ("/* it's */ ", Spot::Code),
            ("/* it's ", Spot::Unsure),
            ("/*/ ", Spot::Unsure),
            ("/**/ ", Spot::Code),
            ("/* **/ ", Spot::Code),
            ("`it's` + ", Spot::Code),
            ("`it's", Spot::Unsure),
            ("`${", Spot::Unsure),
            ("`${a}` + ", Spot::Unsure),
            ("a = b / 2; c = ", Spot::Unsure),
            ("a = b / 2;\nc = ", Spot::Code),
            ("a = /'/; b = ", Spot::Unsure),
            ("a = /'/;\nb = ", Spot::Code),
            ("a = /[/*]/;\nb = ", Spot::Unsure),
            ("a = /`/;\nb = ", Spot::Unsure),
            ("a /", Spot::Unsure),
            ("<!-- \n", Spot::Unsure),
            ("x\n--> it's\n", Spot::Unsure),
            ("'unfinished\n", Spot::Unsure),
            ("'a\\\nb", Spot::String),
            ("'<!--' + ", Spot::Unsure),
        ] {
            let mut script = Script::default();
            text.chars().for_each(|c| script.step(c, false));
            assert_eq!(script.spot(), want, "{text:?}");
        }
        for (text, want) in [
            ("f(&quot;", Spot::Unsure),
            ("a && b(", Spot::Code),
            ("a & b(", Spot::Code),
        ] {
            let mut script = Script::default();
            text.chars().for_each(|c| script.step(c, true));
            assert_eq!(script.spot(), want, "{text:?}");
        }
    }
}
