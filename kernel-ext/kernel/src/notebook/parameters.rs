//! Parameters as papermill has them: the cell tagged `parameters` holds the defaults, a cell behind it the values of a run.

use super::{Cell, CellKind, Notebook, NotebookError};
use std::str::FromStr;
use syn::{Expr, Lit, Pat, Stmt, UnOp};

/// Tag of the cell with the defaults.
const DECLARED: &str = "parameters";
/// Tag, and id, of the cell with the values.
const INJECTED: &str = "injected-parameters";

/// A value for a variable of the notebook, from `name=value`.
///
/// ```
/// let parameter: lathe_kernel::notebook::Parameter = "epochs=3".parse()?;
/// assert_eq!((parameter.name.as_str(), parameter.value.as_str()), ("epochs", "3"));
/// assert!("3=epochs".parse::<lathe_kernel::notebook::Parameter>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// The variable.
    pub name: String,
    /// The value as it was written.
    pub value: String,
}

impl FromStr for Parameter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE, for example epochs=3")?;
        match syn::parse_str::<syn::Ident>(name.trim()) {
            Ok(name) => Ok(Self { name: name.to_string(), value: value.to_owned() }),
            Err(_) => Err(format!("{name:?} is not the name of a variable")),
        }
    }
}

/// A variable of the cell with the defaults.
struct Declared {
    name: String,
    mutable: bool,
    /// The type, as it is written there.
    annotation: Option<String>,
    default: Option<Expr>,
}

/// Puts a cell with these values behind the cell tagged `parameters` (without one: first), tagged `injected-parameters`; one
/// that an earlier run left is replaced. A value is written with the type that the default has: a number, `true` or
/// `false`, a text, or for any other type an expression in Rust. Returns the names that the notebook does not declare.
///
/// # Errors
/// [`NotebookError::Parameter`], when a value does not fit its type; `name` is the notebook's, for the message.
pub fn inject(notebook: &mut Notebook, parameters: &[Parameter], name: &str) -> Result<Vec<String>, NotebookError> {
    if parameters.is_empty() {
        return Ok(Vec::new());
    }
    let declared = notebook.cells.iter().position(|cell| cell.kind == CellKind::Code && cell.has_tag(DECLARED));
    let variables = declared.map(|at| declarations(&notebook.cells[at].source)).unwrap_or_default();
    let mut source = String::from("// Parameters of this run");
    let mut unknown = Vec::new();
    for Parameter { name: variable, value } in parameters {
        let known = variables.iter().find(|declared| declared.name == *variable);
        let (annotation, text) = typed(known, value).map_err(|reason| NotebookError::Parameter {
            name: name.to_owned(),
            parameter: format!("{variable}={value}"),
            reason,
        })?;
        let mutable = if known.is_some_and(|declared| declared.mutable) { "mut " } else { "" };
        source.push_str(&format!("\nlet {mutable}{variable}{annotation} = {text};"));
        if known.is_none() {
            unknown.push(variable.clone());
        }
    }
    let mut cell = Cell::code(INJECTED, source);
    cell.add_tag(INJECTED);
    match notebook.cells.iter().position(|cell| cell.has_tag(INJECTED)) {
        Some(old) => {
            cell.id.clone_from(&notebook.cells[old].id);
            notebook.cells[old] = cell;
        }
        None => notebook.cells.insert(declared.map_or(0, |at| at + 1), cell),
    }
    Ok(unknown)
}

/// The `let`s of a cell; none when it is not Rust.
fn declarations(source: &str) -> Vec<Declared> {
    // Commands such as `:dep` are not.
    let rust: String =
        source.lines().filter(|line| !line.trim_start().starts_with(':')).map(|l| format!("{l}\n")).collect();
    let Ok(block) = syn::parse_str::<syn::Block>(&format!("{{\n{rust}\n}}")) else { return Vec::new() };
    let declaration = |statement: Stmt| {
        let Stmt::Local(local) = statement else { return None };
        let (pattern, annotation) = match local.pat {
            Pat::Type(typed) => {
                let start = proc_macro2::Span::source_text(&syn::spanned::Spanned::span(&typed.ty));
                (*typed.pat, start.map(|text| text.trim().to_owned()))
            }
            pattern => (pattern, None),
        };
        let Pat::Ident(ident) = pattern else { return None };
        let default = local.init.map(|init| *init.expr);
        Some(Declared { name: ident.ident.to_string(), mutable: ident.mutability.is_some(), annotation, default })
    };
    block.stmts.into_iter().filter_map(declaration).collect()
}

/// `: Type` and the value in Rust.
fn typed(declared: Option<&Declared>, value: &str) -> Result<(String, String), String> {
    let trimmed = value.trim();
    let quoted = || format!("{value:?}");
    if let Some(annotation) = declared.and_then(|declared| declared.annotation.as_deref()) {
        let text = match annotation {
            "bool" => boolean(trimmed).ok_or("true or false is expected")?.to_owned(),
            "String" => format!("String::from({})", quoted()),
            "f32" | "f64" => float(trimmed).ok_or("a number is expected")?,
            "i8" | "i16" | "i32" | "i64" | "i128" | "isize" | "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => {
                integer(trimmed, annotation)?
            }
            text if text.starts_with('&') && text.ends_with("str") => quoted(),
            other => match syn::parse_str::<Expr>(trimmed) {
                Ok(_) => trimmed.to_owned(),
                Err(_) => return Err(format!("a Rust expression of type {other} is expected")),
            },
        };
        return Ok((format!(": {annotation}"), text));
    }
    let text = match declared.and_then(|declared| declared.default.as_ref()) {
        Some(default) => match literal(default) {
            Some(Lit::Str(_)) => quoted(),
            Some(Lit::Bool(_)) => boolean(trimmed).ok_or("true or false is expected")?.to_owned(),
            Some(Lit::Float(old)) => format!("{}{}", float(trimmed).ok_or("a number is expected")?, old.suffix()),
            Some(Lit::Int(old)) if !old.suffix().is_empty() => {
                format!("{}{}", integer(trimmed, old.suffix())?, old.suffix())
            }
            Some(Lit::Int(_)) => guessed(value),
            _ if is_string(default) => format!("String::from({})", quoted()),
            _ => match syn::parse_str::<Expr>(trimmed) {
                Ok(_) => trimmed.to_owned(),
                Err(_) => quoted(),
            },
        },
        None => guessed(value),
    };
    Ok((String::new(), text))
}

/// A number or truth value when it looks like one, else a text.
fn guessed(value: &str) -> String {
    let trimmed = value.trim();
    if let Some(truth) = boolean(trimmed) {
        return truth.to_owned();
    }
    match (trimmed.parse::<i128>(), float(trimmed)) {
        // `let n = 9999999999;` would not compile as an i32.
        (Ok(n), _) if i32::try_from(n).is_err() && i64::try_from(n).is_ok() => format!("{n}_i64"),
        (Ok(n), _) => n.to_string(),
        (_, Some(number)) => number,
        _ => format!("{value:?}"),
    }
}

fn boolean(text: &str) -> Option<&'static str> {
    match text {
        "true" | "True" => Some("true"),
        "false" | "False" => Some("false"),
        _ => None,
    }
}

fn float(text: &str) -> Option<String> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite()).map(|number| format!("{number:?}"))
}

fn integer(text: &str, kind: &str) -> Result<String, String> {
    let wrong = || format!("a whole number of type {kind} is expected");
    let number: i128 = text.parse().map_err(|_| wrong())?;
    let (min, max) = match kind {
        "i8" => (i8::MIN.into(), i8::MAX.into()),
        "i16" => (i16::MIN.into(), i16::MAX.into()),
        "i32" => (i32::MIN.into(), i32::MAX.into()),
        "i64" | "isize" => (i64::MIN.into(), i64::MAX.into()),
        "u8" => (0, u8::MAX.into()),
        "u16" => (0, u16::MAX.into()),
        "u32" => (0, u32::MAX.into()),
        "u64" | "usize" => (0, u64::MAX.into()),
        "u128" => (0, i128::MAX),
        _ => (i128::MIN, i128::MAX),
    };
    if (min..=max).contains(&number) { Ok(number.to_string()) } else { Err(wrong()) }
}

fn literal(expression: &Expr) -> Option<&Lit> {
    match expression {
        Expr::Lit(literal) => Some(&literal.lit),
        Expr::Unary(unary) if matches!(unary.op, UnOp::Neg(_)) => literal(&unary.expr),
        _ => None,
    }
}

/// `String::from("x")`, `"x".to_string()` and their like.
fn is_string(expression: &Expr) -> bool {
    match expression {
        Expr::MethodCall(call) => {
            ["to_string", "to_owned"].contains(&call.method.to_string().as_str())
                && matches!(literal(&call.receiver), Some(Lit::Str(_)))
        }
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) => path.path.segments.first().is_some_and(|first| first.ident == "String"),
            _ => false,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn injected(declared: Option<&str>, parameters: &[&str]) -> Result<(String, Vec<String>), String> {
        let mut notebook = Notebook::new();
        notebook.cells.push(Cell::markdown("m", "# prose"));
        if let Some(source) = declared {
            let mut cell = Cell::code("p", source);
            cell.add_tag("parameters");
            notebook.cells.push(cell);
        }
        notebook.cells.push(Cell::code("c", "epochs"));
        let parameters = parameters.iter().map(|text| text.parse()).collect::<Result<Vec<_>, _>>()?;
        // The second run replaces the cell of the first.
        inject(&mut notebook, &parameters, "n").map_err(|error| error.to_string())?;
        let unknown = inject(&mut notebook, &parameters, "n").map_err(|error| error.to_string())?;
        let at = notebook.cells.iter().position(|cell| cell.has_tag("injected-parameters")).ok_or("no cell")?;
        assert_eq!((at, notebook.cells.len()), if declared.is_some() { (2, 4) } else { (0, 3) });
        Ok((notebook.cells[at].source.lines().skip(1).collect::<Vec<_>>().join("\n"), unknown))
    }

    #[test]
    fn values_take_the_type_of_their_default() {
        let declared = "let epochs: usize = 20;\nlet mut rate = 1e-3_f32;\nlet name = \"a\";\nlet path = String::from(\"x\");\n\
            let shift = -2;\nlet flag: bool = false;\nlet sizes: Vec<usize> = vec![1];\nlet seed = 7_u64;\n:dep x";
        let (source, unknown) = injected(
            Some(declared),
            &[
                "epochs=3",
                "rate=2",
                "name=3",
                "path=a \"b\"=\\c",
                "shift=-1",
                "flag=True",
                "sizes=vec![4, 5]",
                "seed=9",
            ],
        )
        .expect("all fit");
        assert_eq!(
            source,
            "let epochs: usize = 3;\nlet mut rate = 2.0f32;\nlet name = \"3\";\nlet path = String::from(\"a \\\"b\\\"=\\\\c\");\n\
             let shift = -1;\nlet flag: bool = true;\nlet sizes: Vec<usize> = vec![4, 5];\nlet seed = 9u64;"
        );
        assert!(unknown.is_empty());
    }

    #[test]
    fn without_a_default_the_value_says_its_type() {
        let (source, unknown) =
            injected(None, &["a=1", "b=0.5", "c=true", "d=1.2.3", "e=3000000000", "f=nan", "g=1e3"]).expect("all fit");
        assert_eq!(
            source,
            "let a = 1;\nlet b = 0.5;\nlet c = true;\nlet d = \"1.2.3\";\nlet e = 3000000000_i64;\nlet f = \"nan\";\nlet g = 1000.0;"
        );
        assert_eq!(unknown.len(), 7);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_name() {
        for (declared, parameter, words) in [
            ("let n: usize = 1;", "n=-1", "whole number of type usize"),
            ("let n = 1_u8;", "n=300", "whole number of type u8"),
            ("let x: f64 = 1.0;", "x=fast", "a number is expected"),
            ("let b = true;", "b=1", "true or false"),
            ("let v: Vec<u8> = vec![];", "v=[1", "a Rust expression of type Vec<u8>"),
        ] {
            let error = injected(Some(declared), &[parameter]).expect_err(parameter);
            assert!(error.contains(words) && error.contains(parameter), "{error}");
        }
        for wrong in ["epochs", "a b=1", "let=1", "=1"] {
            assert!(wrong.parse::<Parameter>().is_err(), "{wrong}");
        }
    }
}
