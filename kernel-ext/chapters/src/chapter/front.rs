//! The comment at the top of a chapter: how long it takes and what the reader can do afterwards.

/// Front matter.
///
/// ```text
/// <!--
/// minutes: 40
/// goals:
/// - Say what a VAE learns from healthy machines.
/// - Measure an alarm by its AUROC.
/// -->
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Front {
    /// How long a reader needs, about.
    pub minutes: Option<u32>,
    /// What the reader can do after the chapter.
    pub goals: Vec<String>,
}

/// Reads the inside of a comment; `None` when it is no front matter (a note among authors). Errors carry the line's offset.
pub(super) fn parse(inside: &str) -> Option<Result<Front, (usize, String)>> {
    let known = |line: &str| ["minutes:", "goals:", "title:"].iter().any(|key| line.trim_start().starts_with(key));
    if !inside.lines().any(known) {
        return None;
    }
    Some(read(inside))
}

fn read(inside: &str) -> Result<Front, (usize, String)> {
    let mut front = Front::default();
    let mut in_goals = false;
    for (offset, line) in inside.lines().enumerate() {
        let line = line.trim();
        if let Some(goal) = line.strip_prefix("- ") {
            if !in_goals {
                return Err((offset, String::from("a goal stands before `goals:`")));
            }
            front.goals.push(goal.trim().to_owned());
            continue;
        }
        match line.split_once(':') {
            _ if line.is_empty() => {}
            Some(("minutes", value)) => {
                in_goals = false;
                let minutes = value.trim().parse();
                front.minutes =
                    Some(minutes.map_err(|_| (offset, format!("'{}' is not a number of minutes", value.trim())))?);
            }
            Some(("goals", rest)) if rest.trim().is_empty() => in_goals = true,
            Some(("title", _)) => {
                return Err((offset, String::from("the title is the first heading, it has no place here")));
            }
            // A goal that runs over several lines.
            _ if in_goals && !front.goals.is_empty() => {
                if let Some(goal) = front.goals.last_mut() {
                    goal.push(' ');
                    goal.push_str(line);
                }
            }
            _ => return Err((offset, format!("'{line}' is not understood here"))),
        }
    }
    Ok(front)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_may_run_over_lines() {
        let front = parse("\nminutes: 25\ngoals:\n- one\n  and a half\n- two: b\n").unwrap().unwrap();
        assert_eq!(front, Front { minutes: Some(25), goals: vec!["one and a half".into(), "two: b".into()] });
    }

    #[test]
    fn a_note_is_no_front_matter_and_nonsense_names_its_line() {
        assert!(parse(" remember to shorten this ").is_none());
        assert_eq!(parse("\nminutes: soon\n").unwrap().unwrap_err().0, 1);
        assert_eq!(parse("\nminutes: 3\nauthor: x\n").unwrap().unwrap_err().0, 2);
    }
}
