//! From a place in the generated source back to the cell it came from.

/// The cells from which a generated source was made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sources<'a> {
    pub generated: &'a str,
    /// The cell that runs.
    pub cell: &'a str,
    /// Its number, when another one runs now.
    pub number: Option<u64>,
    /// Number and text of earlier cells that define something.
    pub earlier: &'a [(u64, String)],
}

/// A place in a cell: 1-based line and character column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    /// Index in [`Sources::earlier`]; `None` is the cell that runs.
    pub earlier: Option<usize>,
    pub line: usize,
    pub column: usize,
}

impl<'a> Sources<'a> {
    /// Where a place of the generated source stands in a cell, if a user wrote it.
    pub fn spot(&self, line: usize, column: usize) -> Option<Spot> {
        // evcxr puts the last expression into parentheses, and a call in it is then a call there.
        let (line, column) = if self.is_opening(line) { (line + 1, 1) } else { (line, column) };
        let own = find(self.generated, self.cell, line).map(|found| (None, found));
        let others = self.earlier.iter().enumerate().rev().filter_map(|(index, (_, text))| {
            let found = find(self.generated, text, line)?;
            Some((Some(index), found))
        });
        // The cell with the longest piece around the line; of equal ones the cell that runs, then the newest.
        let (earlier, found) = own.into_iter().chain(others).reduce(|a, b| if b.1.run > a.1.run { b } else { a })?;
        let generated = self.generated.lines().nth(line - 1)?;
        let indent = generated.chars().take_while(|c| c.is_whitespace()).count();
        let column = (found.start + column).saturating_sub(indent);
        Some(Spot { earlier, line: found.line, column: column.max(1) })
    }

    fn is_opening(&self, line: usize) -> bool {
        let mut lines = self.generated.lines().skip(line.saturating_sub(1));
        lines.next() == Some("(") && lines.any(|line| line == ").evcxr_display();")
    }

    /// The text of the cell in which a spot lies.
    pub fn text(&self, spot: Spot) -> &'a str {
        spot.earlier.and_then(|index| self.earlier.get(index)).map_or(self.cell, |(_, text)| text)
    }

    /// `cell`, or `cell [3]` for an earlier one.
    pub fn name(&self, spot: Spot) -> String {
        match spot.earlier.and_then(|index| self.earlier.get(index)) {
            Some((number, _)) => format!("cell [{number}]"),
            None => self.number.map_or_else(|| String::from("cell"), |number| format!("cell [{number}]")),
        }
    }
}

struct Found {
    line: usize,
    /// Characters of the cell's line before the text.
    start: usize,
    /// How well its neighbours match.
    run: usize,
}

/// The line of `cell` that became the 1-based `line` of `generated`.
///
/// evcxr copies statements line by line; the indentation and comments before a statement are dropped, and two statements
/// of one line become two lines. Equal lines are told apart by their neighbours, and if those are equal too, by their order.
fn find(generated: &str, cell: &str, line: usize) -> Option<Found> {
    let generated: Vec<&str> = generated.lines().map(str::trim).collect();
    let lines: Vec<&str> = cell.lines().collect();
    let cell: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    let at = line.checked_sub(1)?;
    let text = *generated.get(at)?;
    if text.is_empty() {
        return None;
    }
    let whole = |cell_line: &str, text: &str| cell_line == text || (!text.is_empty() && cell_line.ends_with(text));
    let part = |cell_line: &str, text: &str| text.len() > 2 && cell_line.contains(text);
    let run = |candidate: usize| {
        let down = generated[at..].iter().zip(&cell[candidate..]).take_while(|(g, c)| whole(c, g)).count();
        let up =
            generated[..at].iter().rev().zip(cell[..candidate].iter().rev()).take_while(|(g, c)| whole(c, g)).count();
        2 * (up + down)
    };
    let mut candidates: Vec<(usize, usize)> =
        (0..cell.len()).filter(|&i| whole(cell[i], text)).map(|i| (i, run(i))).collect();
    if candidates.is_empty() {
        candidates = (0..cell.len()).filter(|&i| part(cell[i], text)).map(|i| (i, 1)).collect();
    }
    let best = candidates.iter().map(|(_, run)| *run).max()?;
    let ties: Vec<usize> = candidates.into_iter().filter(|(_, run)| *run == best).map(|(i, _)| i).collect();
    // The n-th such line of the source is the n-th such line of the cell, counted from the end.
    let later = generated[at + 1..].iter().filter(|g| **g == text).count();
    let index = *ties.iter().rev().nth(later).or(ties.first())?;
    // Statements before it in the same line.
    let mut before = Vec::new();
    for line in generated[..at].iter().rev().take_while(|g| part(cell[index], g)) {
        before.push(*line);
    }
    let mut from = 0;
    for earlier in before.iter().rev() {
        if let Some(found) = lines[index][from..].find(earlier) {
            from += found + earlier.len();
        }
    }
    let byte = lines[index][from..].find(text).map(|found| from + found).or_else(|| lines[index].rfind(text))?;
    Some(Found { line: index + 1, start: lines[index][..byte].chars().count(), run: best })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATED: &str = "fn f() {\n    panic!(\"in f\")\n}\npub extern \"C\" fn run_user_code_1(\nx\nlet a = 1;\nf();\nif a == 1 {\n    f();\n}\nf();\n(\na + f2()\n).evcxr_display();\n}";
    const CELL: &str = "// start\nfn f() {\n    panic!(\"in f\")\n}\nlet a = 1; \n  f();\nif a == 1 {\n    f();\n}\n/* x */ f();\na + f2()";

    fn line(generated: &str, cell: &str, line: usize) -> Option<usize> {
        let sources = Sources { generated, cell, number: None, earlier: &[] };
        sources.spot(line, 1).map(|spot| spot.line)
    }

    #[test]
    fn lines_come_back() {
        for (generated, cell) in [(2, 3), (6, 5), (7, 6), (8, 7), (9, 8), (11, 10), (12, 11), (13, 11)] {
            assert_eq!(line(GENERATED, CELL, generated), Some(cell), "generated line {generated}");
        }
    }

    #[test]
    fn lines_of_other_cells_do_not() {
        assert_eq!(line("fn old() {\n    x.unwrap()\n}\nnew();", "new();", 2), None);
        assert_eq!(line("a", "a", 0), None);
        assert_eq!(line("a", "a", 9), None);
    }

    #[test]
    fn statements_of_one_line_have_their_columns() {
        let generated = "let q = one(1);\nlet w = one(1);\nq + w";
        let cell = "\n  let q = one(1); let w = one(1); q + w";
        let sources = Sources { generated, cell, number: None, earlier: &[] };
        for (line, column) in [(1, 3), (2, 19), (3, 35)] {
            assert_eq!(sources.spot(line, 1), Some(Spot { earlier: None, line: 2, column }), "line {line}");
        }
    }

    #[test]
    fn an_earlier_cell_is_named() {
        let earlier = vec![(3, String::from("// why\nfn old() {\n    let x = 1;\n    x.unwrap()\n}"))];
        let generated = "fn old() {\n    let x = 1;\n    x.unwrap()\n}\nlet x = 1;\nold();";
        let sources = Sources { generated, cell: "let x = 1;\nold();", number: None, earlier: &earlier };
        let spot = sources.spot(2, 9).expect("it is known");
        assert_eq!((sources.name(spot).as_str(), spot.line, spot.column), ("cell [3]", 3, 9));
        assert_eq!(sources.spot(5, 5), Some(Spot { earlier: None, line: 1, column: 5 }));
        assert!(sources.text(spot).starts_with("// why"));
    }
}
