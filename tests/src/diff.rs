//! Line by line: how one text differs from another, and patches whose every hunk has a name.

use std::fmt::Write as _;

use anyhow::{Context as _, bail, ensure};

/// Lines that follow each other and are replaced by others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hunk {
    /// What it is called; empty where nobody has named it.
    pub name: String,
    /// Lines only in the first text.
    pub removed: Vec<String>,
    /// Lines only in the second text.
    pub added: Vec<String>,
}

/// One line of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Same(&'a str),
    Removed(&'a str),
    Added(&'a str),
}

/// The hunks that turn `before` into `after`.
pub fn hunks(before: &str, after: &str) -> Vec<Hunk> {
    let mut hunks = Vec::new();
    let mut open = Hunk::default();
    for line in compare(before, after) {
        match line {
            Line::Removed(text) => open.removed.push(text.to_owned()),
            Line::Added(text) => open.added.push(text.to_owned()),
            Line::Same(_) if open != Hunk::default() => hunks.push(std::mem::take(&mut open)),
            Line::Same(_) => {}
        }
    }
    if open != Hunk::default() {
        hunks.push(open);
    }
    hunks
}

/// The comparison for people: changed lines with three lines around them.
pub fn show(before: &str, after: &str) -> String {
    const AROUND: usize = 3;
    let lines = compare(before, after);
    let mut shown = String::new();
    let mut skipped = false;
    for (nth, line) in lines.iter().enumerate() {
        let near = lines.get(nth.saturating_sub(AROUND)..(nth + AROUND + 1).min(lines.len())).unwrap_or_default();
        if near.iter().all(|line| matches!(line, Line::Same(_))) {
            skipped = true;
            continue;
        }
        if std::mem::take(&mut skipped) {
            shown.push_str("  ...\n");
        }
        let (sign, text) = match line {
            Line::Same(text) => (' ', text),
            Line::Removed(text) => ('-', text),
            Line::Added(text) => ('+', text),
        };
        let _ = writeln!(shown, "{sign} {text}");
    }
    shown
}

/// A longest common subsequence, by table: texts here have some hundred lines.
fn compare<'a>(before: &'a str, after: &'a str) -> Vec<Line<'a>> {
    let (before, after): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let width = after.len() + 1;
    let mut lengths = vec![0_u32; (before.len() + 1) * width];
    for (row, one) in before.iter().enumerate().rev() {
        for (column, other) in after.iter().enumerate().rev() {
            let at = row * width + column;
            lengths[at] =
                if one == other { lengths[at + width + 1] + 1 } else { lengths[at + width].max(lengths[at + 1]) };
        }
    }
    let (mut row, mut column, mut lines) = (0, 0, Vec::new());
    while row < before.len() || column < after.len() {
        let at = row * width + column;
        match (before.get(row), after.get(column)) {
            (Some(one), Some(other)) if one == other => {
                lines.push(Line::Same(one));
                row += 1;
                column += 1;
            }
            (Some(one), other) if other.is_none() || lengths[at + width] >= lengths[at + 1] => {
                lines.push(Line::Removed(one));
                row += 1;
            }
            (_, Some(other)) => {
                lines.push(Line::Added(other));
                column += 1;
            }
            (_, None) => break,
        }
    }
    lines
}

/// Reads a patch: `@ NAME` opens a hunk, its lines start with `-` or `+`, lines with `#` are remarks.
pub fn parse_patch(text: &str) -> anyhow::Result<Vec<Hunk>> {
    let mut hunks: Vec<Hunk> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix("@ ") {
            hunks.push(Hunk { name: name.to_owned(), ..Hunk::default() });
            continue;
        }
        let hunk = hunks.last_mut().with_context(|| format!("line {}: outside of a hunk", number + 1))?;
        match line.split_at_checked(1) {
            Some(("-", text)) => hunk.removed.push(text.to_owned()),
            Some(("+", text)) => hunk.added.push(text.to_owned()),
            _ => bail!("line {}: neither @, # nor a line that starts with - or +", number + 1),
        }
    }
    Ok(hunks)
}

/// Writes a patch, keeping the names that `known` gives to the same hunks.
///
/// Remarks are not kept: see [`remarks`].
pub fn write_patch(hunks: &[Hunk], known: &[Hunk]) -> String {
    let mut text = String::new();
    for hunk in hunks {
        let same = known.iter().find(|other| other.removed == hunk.removed && other.added == hunk.added);
        let _ = writeln!(text, "@ {}", same.map_or("UNNAMED", |same| &same.name));
        for line in &hunk.removed {
            let _ = writeln!(text, "-{line}");
        }
        for line in &hunk.added {
            let _ = writeln!(text, "+{line}");
        }
        text.push('\n');
    }
    text
}

/// The remarks at the head of a patch.
pub fn remarks(text: &str) -> String {
    text.split_inclusive('\n').take_while(|line| line.trim().is_empty() || line.starts_with('#')).collect()
}

/// Fails unless the patch is exactly what turns `before` into `after`, and every name satisfies `is_name`.
pub fn check_patch(before: &str, after: &str, patch: &[Hunk], is_name: impl Fn(&str) -> bool) -> anyhow::Result<()> {
    let mut unused = patch.iter().peekable();
    for hunk in hunks(before, after) {
        let shown = write_patch(std::slice::from_ref(&hunk), &[]);
        let next = unused.next().with_context(|| format!("a difference that the patch does not list:\n{shown}"))?;
        ensure!(
            next.removed == hunk.removed && next.added == hunk.added,
            "the difference is\n{shown}and the patch has in its place\n{}",
            write_patch(std::slice::from_ref(next), patch)
        );
        for name in next.name.split([' ', ',']).filter(|name| !name.is_empty()) {
            ensure!(is_name(name), "\"{name}\" is the name of no quirk and of no difference:\n{shown}");
        }
        ensure!(!next.name.is_empty(), "a hunk without a name:\n{shown}");
    }
    match unused.next() {
        None => Ok(()),
        Some(hunk) => {
            bail!("a hunk that is no difference any more:\n{}", write_patch(std::slice::from_ref(hunk), patch))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "a\nb\nc\nd\n";
    const AFTER: &str = "a\nx\nc\nd\ny\n";

    #[test]
    fn hunks_are_runs_of_changed_lines() {
        let found = hunks(BEFORE, AFTER);
        let texts: Vec<_> = found.iter().map(|hunk| (hunk.removed.join(","), hunk.added.join(","))).collect();
        assert_eq!(texts, [("b".to_owned(), "x".to_owned()), (String::new(), "y".to_owned())]);
        assert!(hunks(BEFORE, BEFORE).is_empty());
    }

    #[test]
    fn a_patch_must_list_every_hunk_by_a_known_name_and_no_other() {
        let is_name = |name: &str| name == "Q1";
        let check =
            |text: &str| check_patch(BEFORE, AFTER, &parse_patch(text).unwrap(), is_name).map_err(|e| e.to_string());
        assert_eq!(check("# why\n@ Q1\n-b\n+x\n\n@ Q1\n+y\n"), Ok(()));
        for (text, part) in [
            ("@ Q1\n-b\n+x\n", "does not list"),
            ("@ Q1\n-b\n+z\n@ Q1\n+y\n", "in its place"),
            ("@ Q1\n-b\n+x\n@ Q2\n+y\n", "of no quirk"),
            ("@ Q1\n-b\n+x\n@ Q1\n+y\n@ Q1\n+z\n", "no difference any more"),
        ] {
            assert!(check(text).unwrap_err().contains(part), "{text}");
        }
    }

    #[test]
    fn a_rewritten_patch_keeps_its_names() {
        let known = parse_patch("@ Q1\n-b\n+x\n").unwrap();
        let text = write_patch(&hunks(BEFORE, AFTER), &known);
        assert_eq!(text, "@ Q1\n-b\n+x\n\n@ UNNAMED\n+y\n\n");
    }
}
