//! Types as the compiler writes them in its messages.

use std::fmt;

/// A type, or a part of one; whatever is not understood is kept as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ty {
    /// `Tensor<..>`: the last part of the path, and its arguments.
    Path(String, Vec<Ty>),
    Tuple(Vec<Ty>),
    /// `&T` or `&mut T`; the sign and the type.
    Ref(&'static str, Box<Ty>),
    /// `[T; N]`, closures, `dyn ..`, and what was cut off.
    Other(String),
}

/// One size of a shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Size {
    /// Known when the cell is compiled.
    Fixed(usize),
    /// `usize`: known when the cell runs.
    Free,
    /// Not known from the message.
    Unknown,
}

/// What the type of a tensor says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tensor {
    pub shape: Vec<Size>,
    pub dtype: String,
    pub device: String,
    /// `NoneTape` or `OwnedTape`.
    pub tape: String,
}

impl Ty {
    /// Reads a type; `None` when something follows that is no part of it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parser = Parser { rest: text.trim() };
        let ty = parser.ty()?;
        parser.rest.trim().is_empty().then_some(ty)
    }

    pub fn name(&self) -> &str {
        match self {
            Self::Path(name, _) => name,
            _ => "",
        }
    }

    pub fn args(&self) -> &[Self] {
        match self {
            Self::Path(_, args) | Self::Tuple(args) => args,
            _ => &[],
        }
    }

    /// The type behind references.
    pub fn peeled(&self) -> &Self {
        match self {
            Self::Ref(_, inner) => inner.peeled(),
            other => other,
        }
    }

    /// A number among the arguments, as in `Linear<784, 64, f32, Cpu>`.
    pub fn number(&self, index: usize) -> Option<usize> {
        self.args().get(index)?.name().parse().ok()
    }

    /// The sizes, if this is a shape.
    pub fn shape(&self) -> Option<Vec<Size>> {
        let Self::Tuple(sizes) = self else { return None };
        sizes.iter().map(Self::size).collect()
    }

    fn size(&self) -> Option<Size> {
        match self.name() {
            "Const" => Some(self.number(0).map_or(Size::Unknown, Size::Fixed)),
            "usize" => Some(Size::Free),
            "_" => Some(Size::Unknown),
            _ => None,
        }
    }

    /// What it says as a tensor.
    pub fn tensor(&self) -> Option<Tensor> {
        let Self::Path(name, args) = self else { return None };
        if name != "Tensor" {
            return None;
        }
        let text = |index: usize| args.get(index).map_or_else(String::new, |ty| ty.name().to_owned());
        let tape = Some(text(3)).filter(|tape| !tape.is_empty());
        Some(Tensor {
            shape: args.first()?.shape()?,
            dtype: text(1),
            device: text(2),
            tape: tape.unwrap_or_else(|| String::from("NoneTape")),
        })
    }

    /// A layer as a learner writes it: `Linear<784, 64>`, without number type and device.
    pub fn layer(&self) -> String {
        match self {
            Self::Path(name, args) => {
                let own = |ty: &&Self| !matches!(ty.name(), "f32" | "f64" | "Cpu" | "Cuda" | "AutoDevice" | "_");
                let args: Vec<String> = args.iter().filter(own).map(Self::layer).collect();
                if args.is_empty() { name.clone() } else { format!("{name}<{}>", args.join(", ")) }
            }
            Self::Tuple(layers) => format!("({})", layers.iter().map(Self::layer).collect::<Vec<_>>().join(", ")),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Ty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |types: &[Self]| types.iter().map(Self::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::Path(name, args) if args.is_empty() => f.write_str(name),
            Self::Path(name, args) => write!(f, "{name}<{}>", list(args)),
            Self::Tuple(types) if types.len() == 1 => write!(f, "({},)", types[0]),
            Self::Tuple(types) => write!(f, "({})", list(types)),
            Self::Ref(sign, inner) => write!(f, "{sign}{inner}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => write!(f, "{size}"),
            Self::Free => f.write_str("usize"),
            Self::Unknown => f.write_str("_"),
        }
    }
}

/// `(128, 784)`, `(10,)`, `()`.
pub(super) fn show_shape(shape: &[Size]) -> String {
    match shape {
        [only] => format!("({only},)"),
        sizes => format!("({})", sizes.iter().map(Size::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// Takes the paths off the names of types in a text: `lathe::prelude::Tensor` is `Tensor`.
pub(super) fn without_paths(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    let flush = |word: &mut String, out: &mut String| {
        let short = word.rsplit("::").next().unwrap_or_default();
        let is_type = short.starts_with(|c: char| c.is_uppercase());
        let ours = ["lathe::", "std::", "core::", "alloc::", "dfdx::", "polars"].iter().any(|p| word.starts_with(p));
        out.push_str(if is_type && ours { short } else { word });
        word.clear();
    };
    for c in text.chars() {
        if c.is_alphanumeric() || c == '_' || c == ':' {
            word.push(c);
        } else {
            flush(&mut word, &mut out);
            out.push(c);
        }
    }
    flush(&mut word, &mut out);
    out
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn eat(&mut self, sign: &str) -> bool {
        self.rest = self.rest.trim_start();
        let found = self.rest.strip_prefix(sign);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    fn ty(&mut self) -> Option<Ty> {
        if self.eat("&mut ") {
            return Some(Ty::Ref("&mut ", Box::new(self.ty()?)));
        }
        if self.eat("&") {
            return Some(Ty::Ref("&", Box::new(self.ty()?)));
        }
        if self.eat("(") {
            return Some(Ty::Tuple(self.list(")")?));
        }
        if self.eat("...") {
            return Some(Ty::Other(String::from("...")));
        }
        let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let end = self.rest.find(|c: char| !is_path(c)).unwrap_or(self.rest.len());
        let (path, rest) = self.rest.split_at(end);
        let path = path.trim_end_matches(':');
        if path.is_empty() || matches!(path, "dyn" | "impl" | "fn" | "for") {
            return self.other();
        }
        self.rest = rest;
        let args = if self.eat("<") { self.list(">")? } else { Vec::new() };
        // `<T as Trait>::Output` and the like are no plain types.
        Some(Ty::Path(path.rsplit("::").next()?.to_owned(), args))
    }

    fn list(&mut self, close: &str) -> Option<Vec<Ty>> {
        let mut types = Vec::new();
        loop {
            if self.eat(close) {
                return Some(types);
            }
            types.push(self.ty()?);
            if !self.eat(",") && !self.rest.trim_start().starts_with(close) {
                return None;
            }
        }
    }

    /// Text up to the next comma or closing bracket of this level.
    fn other(&mut self) -> Option<Ty> {
        let mut depth = 0;
        let mut end = self.rest.len();
        for (at, c) in self.rest.char_indices() {
            match c {
                '(' | '[' | '{' | '<' => depth += 1,
                ',' | ')' | ']' | '}' | '>' if depth == 0 => {
                    end = at;
                    break;
                }
                ')' | ']' | '}' | '>' => depth -= 1,
                _ => {}
            }
        }
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!text.is_empty()).then(|| Ty::Other(text.trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_are_read() {
        let text =
            "lathe::prelude::Tensor<(lathe::prelude::Const<128>, usize, Const<_>), f32, Cpu, OwnedTape<f32, Cpu>>";
        let tensor = Ty::parse(text).unwrap().tensor().unwrap();
        assert_eq!(show_shape(&tensor.shape), "(128, usize, _)");
        assert_eq!((tensor.dtype.as_str(), tensor.tape.as_str()), ("f32", "OwnedTape"));
        let scalar = Ty::parse("&Tensor<(), f64, Cpu>").unwrap();
        assert_eq!(scalar.tensor(), None);
        assert_eq!(scalar.peeled().tensor().map(|t| (t.shape.len(), t.tape)), Some((0, String::from("NoneTape"))));
    }

    #[test]
    fn layers_are_shown_as_they_are_written() {
        let text = "((lathe::lab::nn::Linear<784, 64, f32, Cpu>, ReLU), Residual<Linear<64, 64, f32, Cpu>>)";
        assert_eq!(Ty::parse(text).unwrap().layer(), "((Linear<784, 64>, ReLU), Residual<Linear<64, 64>>)");
    }

    #[test]
    fn what_is_strange_is_kept() {
        assert_eq!(Ty::parse("[[f32; 784]; 128]"), Some(Ty::Other(String::from("[[f32; 784]; 128]"))));
        assert_eq!(Ty::parse("Box<dyn Fn(i32) -> i32>").map(|ty| ty.to_string()).as_deref(), None);
        assert_eq!(Ty::parse("Tensor<..."), None);
        assert_eq!(Ty::parse("Tensor<(Const<1>, ...), f32>").and_then(|ty| ty.tensor()), None);
        assert_eq!(Ty::parse(""), None);
    }

    #[test]
    fn texts_lose_paths_of_types_only() {
        assert_eq!(
            without_paths("`lathe::prelude::Tensor<(A,), std::vec::Vec<u8>>` needs std::mem::take and `my::Type`"),
            "`Tensor<(A,), Vec<u8>>` needs std::mem::take and `my::Type`"
        );
    }
}
