//! What an error says that ends a cell by `?`, with what caused it.
//!
//! The kernel compiles a call of one of these into a cell with a `?`: [`error`] where every error of the cell is a real one,
//! [`boxed`] where one is a text or a box, [`plain`] where one borrows.

use std::any::Any;
use std::error::Error;
use std::fmt::Display;

/// Stands between an error and its cause; no error's text holds it.
pub const CAUSE: char = '\u{1f}';

/// The error and its causes, each behind [`CAUSE`]; those that the text before already tells are left out.
pub fn error(error: &(dyn Error + 'static)) -> String {
    let mut told = error.to_string();
    let mut text = told.clone();
    let mut next = error.source();
    // An error may name itself as its cause.
    for _ in 0..20 {
        let Some(cause) = next else { break };
        let says = cause.to_string();
        if !told.contains(says.trim()) {
            text.push(CAUSE);
            text.push_str(&says);
            told = says;
        }
        next = cause.source();
    }
    text
}

/// The same for what may be an error in a box, or only a text.
pub fn boxed<T: Display + 'static>(value: &T) -> String {
    let any: &dyn Any = value;
    if let Some(inner) = any.downcast_ref::<Box<dyn Error + Send + Sync>>() {
        return error(&**inner);
    }
    if let Some(inner) = any.downcast_ref::<Box<dyn Error>>() {
        return error(&**inner);
    }
    plain(value)
}

/// What it says, and nothing else. Errors of `anyhow` and `eyre` tell their causes in this form.
pub fn plain<T: Display>(value: &T) -> String {
    let name = std::any::type_name::<T>();
    if name.starts_with("anyhow::") || name.starts_with("eyre::") { format!("{value:#}") } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;

    #[derive(Debug)]
    struct Link(&'static str, Option<Box<dyn Error + Send + Sync>>);

    impl Display for Link {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Link {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_ref().map(|cause| &**cause as &(dyn Error + 'static))
        }
    }

    fn chain() -> Link {
        let parse = "12a".parse::<i32>().unwrap_err();
        let repeated = Link("row 3: invalid digit found in string", Some(Box::new(parse)));
        Link("the table is not readable", Some(Box::new(repeated)))
    }

    #[test]
    fn causes_are_told_once() {
        let told = format!("the table is not readable{CAUSE}row 3: invalid digit found in string");
        assert_eq!(error(&chain()), told);
        let in_box: Box<dyn Error + Send + Sync> = Box::new(chain());
        assert_eq!(boxed(&in_box), told);
        let in_box: Box<dyn Error> = Box::new(chain());
        assert_eq!(boxed(&in_box), told);
    }

    #[test]
    fn texts_stay_texts() {
        assert_eq!(boxed(&"no scores"), "no scores");
        assert_eq!(plain(&String::from("no scores")), "no scores");
    }
}
