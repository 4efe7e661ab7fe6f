"""Lets papermill write parameters in Rust: `pip install kernel-ext/papermill`, then `papermill in.ipynb out.ipynb -p epochs 3`.

papermill has no entry point for languages; it loads its engines from entry points, and loading this one registers Rust.
A whole number becomes an `i32` (an `i64` when it does not fit), as in Rust itself. `cargo lathe run --parameter` needs no Python and reads the types
in the cell tagged `parameters`.
"""
import math

from papermill.engines import NBClientEngine
from papermill.exceptions import PapermillException
from papermill.translators import Translator, papermill_translators


class Engine(NBClientEngine):
    """papermill's own engine; only here to be loaded."""


class RustTranslator(Translator):
    """Values as Rust literals."""

    @classmethod
    def translate_escaped_str(cls, value):
        text = "".join(c if c.isprintable() and c not in '"\\' else f"\\u{{{ord(c):x}}}" for c in str(value))
        return f'String::from("{text}")'

    @classmethod
    def translate_none(cls, value):
        raise PapermillException("None has no type in Rust: leave the parameter out")

    @classmethod
    def translate_bool(cls, value):
        return "true" if value else "false"

    @classmethod
    def translate_int(cls, value):
        return f"{value}" if -(2**31) <= value < 2**31 else f"{value}_i64"

    @classmethod
    def translate_float(cls, value):
        if math.isnan(value):
            return "f64::NAN"
        if math.isinf(value):
            return "f64::INFINITY" if value > 0 else "f64::NEG_INFINITY"
        return f"{value!r}_f64"

    @classmethod
    def translate_list(cls, value):
        return f"vec![{', '.join(cls.translate(item) for item in value)}]"

    @classmethod
    def translate_dict(cls, value):
        items = ", ".join(f"({cls.translate_escaped_str(k)}, {cls.translate(v)})" for k, v in value.items())
        return f"std::collections::BTreeMap::from([{items}])"

    @classmethod
    def comment(cls, text):
        return f"// {text}".strip()

    @classmethod
    def assign(cls, name, value):
        return f"let {name} = {value};"


papermill_translators.register("rust", RustTranslator)
