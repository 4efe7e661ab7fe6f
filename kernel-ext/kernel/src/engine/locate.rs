//! From a line of the generated source back to the line of the cell.

/// The 1-based line of `cell` that became the 1-based `line` of `generated`, if it is from this cell.
///
/// evcxr copies statements line by line; only the indentation and comments before a statement are dropped. Equal lines
/// are told apart by their neighbours, and if those are equal too, by their order.
pub(super) fn cell_line(generated: &str, cell: &str, line: usize) -> Option<usize> {
    let generated: Vec<&str> = generated.lines().map(str::trim).collect();
    let cell: Vec<&str> = cell.lines().map(str::trim).collect();
    let at = line.checked_sub(1)?;
    let text = *generated.get(at)?;
    if text.is_empty() {
        return None;
    }
    let same = |cell_line: &str, text: &str| cell_line == text || (!text.is_empty() && cell_line.ends_with(text));
    let run = |candidate: usize| {
        let down = generated[at..].iter().zip(&cell[candidate..]).take_while(|(g, c)| same(c, g)).count();
        let up =
            generated[..at].iter().rev().zip(cell[..candidate].iter().rev()).take_while(|(g, c)| same(c, g)).count();
        up + down
    };
    let candidates: Vec<usize> = (0..cell.len()).filter(|&i| same(cell[i], text)).collect();
    let best = candidates.iter().map(|&i| run(i)).max()?;
    let best: Vec<usize> = candidates.into_iter().filter(|&i| run(i) == best).collect();
    // The n-th such line of the source is the n-th such line of the cell, counted from the end.
    let later = generated[at + 1..].iter().filter(|g| **g == text).count();
    best.iter().rev().nth(later).or(best.first()).map(|index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATED: &str = "fn f() {\n    panic!(\"in f\")\n}\npub extern \"C\" fn run_user_code_1(\nx\nlet a = 1;\nf();\nif a == 1 {\n    f();\n}\nf();\n(\na + f2()\n).evcxr_display();\n}";
    const CELL: &str = "// start\nfn f() {\n    panic!(\"in f\")\n}\nlet a = 1; \n  f();\nif a == 1 {\n    f();\n}\n/* x */ f();\na + f2()";

    #[test]
    fn lines_come_back() {
        for (generated, cell) in [(2, 3), (6, 5), (7, 6), (8, 7), (9, 8), (11, 10), (13, 11)] {
            assert_eq!(cell_line(GENERATED, CELL, generated), Some(cell), "generated line {generated}");
        }
    }

    #[test]
    fn lines_of_other_cells_do_not() {
        assert_eq!(cell_line("fn old() {\n    x.unwrap()\n}\nnew();", "new();", 2), None);
        assert_eq!(cell_line("a", "a", 0), None);
        assert_eq!(cell_line("a", "a", 9), None);
    }
}
