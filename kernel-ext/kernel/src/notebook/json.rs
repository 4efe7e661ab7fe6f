//! Between [`Notebook`] and JSON, laid out as Python's nbformat lays it out.

use super::{Cell, CellKind, Notebook, NotebookError, Output};
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashSet;

/// The `kernelspec` entry of a notebook for our kernel.
pub(super) fn kernelspec() -> Value {
    json!({"display_name": "Rust (Lathe)", "language": "rust", "name": "lathe"})
}

/// The `language_info` entry; without a version, so that an update of Rust changes no notebook.
pub(super) fn language_info(version: Option<&str>) -> Value {
    let mut info = json!({
        "codemirror_mode": "rust", "file_extension": ".rs", "mimetype": "text/x-rust", "name": "rust", "pygments_lexer": "rust",
    });
    if let Some(version) = version {
        info["version"] = Value::from(version);
    }
    info
}

pub(super) fn parse(text: &str, name: &str) -> Result<Notebook, NotebookError> {
    let not = |reason: String| NotebookError::NotANotebook { name: name.to_owned(), reason };
    let value: Value = serde_json::from_str(text).map_err(|error| NotebookError::Json {
        name: name.to_owned(),
        line: error.line(),
        column: error.column(),
        message: error.to_string().split(" at line ").next().unwrap_or_default().to_owned(),
    })?;
    let Value::Object(mut top) = value else { return Err(not("its JSON is not an object".into())) };
    let major =
        top.remove("nbformat").and_then(|v| v.as_u64()).ok_or_else(|| not("it has no field `nbformat`".into()))?;
    if major != 4 {
        return Err(NotebookError::Version { name: name.to_owned(), major });
    }
    top.remove("nbformat_minor");
    let metadata = object(top.remove("metadata"));
    let Some(Value::Array(cells)) = top.remove("cells") else { return Err(not("it has no list `cells`".into())) };
    let mut notebook = Notebook { cells: Vec::with_capacity(cells.len()), metadata, extra: top };
    let mut ids = HashSet::new();
    for (index, cell) in cells.into_iter().enumerate() {
        let mut cell = parse_cell(cell).map_err(|reason| not(format!("cell {}: {reason}", index + 1)))?;
        if cell.id.is_empty() || !ids.insert(cell.id.clone()) {
            cell.id = fresh_id(&cell.source, index, &ids);
            ids.insert(cell.id.clone());
        }
        notebook.cells.push(cell);
    }
    Ok(notebook)
}

/// An id that is the same each time the same old file is read.
fn fresh_id(source: &str, index: usize, taken: &HashSet<String>) -> String {
    let mut salt = 0_u64;
    loop {
        let hash = Sha256::digest(format!("{index} {salt} {source}"));
        let id: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        if !taken.contains(&id) {
            return id;
        }
        salt += 1;
    }
}

fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// A text that the file holds as a string or as a list of lines.
fn text(value: Option<Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text),
        Value::Array(lines) => lines.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

fn parse_cell(value: Value) -> Result<Cell, String> {
    let Value::Object(mut fields) = value else { return Err("is not an object".into()) };
    let kind = match fields.remove("cell_type") {
        Some(Value::String(kind)) => CellKind::from_name(&kind),
        _ => return Err("has no `cell_type`".into()),
    };
    let source = text(fields.remove("source")).ok_or("has no `source`")?;
    let id = text(fields.remove("id")).unwrap_or_default();
    let metadata = object(fields.remove("metadata"));
    let (mut outputs, mut execution_count) = (Vec::new(), None);
    if kind == CellKind::Code {
        execution_count = fields.remove("execution_count").and_then(|v| v.as_u64());
        if let Some(Value::Array(list)) = fields.remove("outputs") {
            outputs = list.into_iter().map(parse_output).collect();
        }
    }
    Ok(Cell { kind, id, source, metadata, outputs, execution_count, extra: fields })
}

fn parse_output(value: Value) -> Output {
    let field = |key: &str| text(value.get(key).cloned());
    let known = match value.get("output_type").and_then(Value::as_str) {
        Some("stream") => (|| Some(Output::Stream { name: field("name")?, text: field("text")? }))(),
        Some("display_data") => Some(Output::Display {
            data: join_lines(object(value.get("data").cloned())),
            metadata: object(value.get("metadata").cloned()),
        }),
        Some("execute_result") => Some(Output::Result {
            data: join_lines(object(value.get("data").cloned())),
            metadata: object(value.get("metadata").cloned()),
            execution_count: value.get("execution_count").and_then(Value::as_u64),
        }),
        Some("error") => (|| {
            let traceback = value.get("traceback")?.as_array()?;
            Some(Output::Error {
                ename: field("ename")?,
                evalue: field("evalue")?,
                traceback: traceback.iter().map(|line| line.as_str().map(str::to_owned)).collect::<Option<_>>()?,
            })
        })(),
        _ => None,
    };
    // A known kind with fields that we do not know is kept whole as well: nothing of a file gets lost.
    match known {
        Some(output) if write_output(&output) == split_output(&value) => output,
        _ => Output::Other(value),
    }
}

/// The same output with all its texts as lists of lines, to compare files that write them differently.
fn split_output(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(joined) = text(value.get("text").cloned()) {
        value["text"] = lines(&joined);
    }
    if let Some(Value::Object(data)) = value.get("data").cloned() {
        value["data"] = split_lines(&join_lines(data));
    }
    value
}

fn is_json(mime: &str) -> bool {
    mime == "application/json" || (mime.starts_with("application/") && mime.ends_with("+json"))
}

/// In files, text formats are lists of lines; in memory they are strings, as in messages.
fn join_lines(data: Map<String, Value>) -> Map<String, Value> {
    data.into_iter()
        .map(|(mime, value)| match value {
            Value::Array(_) if !is_json(&mime) => {
                let joined = text(Some(value.clone())).map_or(value, Value::from);
                (mime, joined)
            }
            _ => (mime, value),
        })
        .collect()
}

fn split_lines(data: &Map<String, Value>) -> Value {
    let is_text = |mime: &str| mime.starts_with("text/") || mime == "application/javascript" || mime == "image/svg+xml";
    let split = data.iter().map(|(mime, value)| match value {
        Value::String(content) if is_text(mime) => (mime.clone(), lines(content)),
        _ => (mime.clone(), value.clone()),
    });
    Value::Object(split.collect())
}

/// Cuts after each line end, with the characters that Python's `splitlines` takes for one.
fn lines(text: &str) -> Value {
    let mut list = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let ends = match c {
            '\r' => !matches!(chars.peek(), Some((_, '\n'))),
            '\n' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}' => true,
            _ => false,
        };
        if ends {
            let end = at + c.len_utf8();
            list.push(Value::from(&text[start..end]));
            start = end;
        }
    }
    if start < text.len() {
        list.push(Value::from(&text[start..]));
    }
    Value::Array(list)
}

fn write_output(output: &Output) -> Value {
    match output {
        Output::Stream { name, text } => json!({"name": name, "output_type": "stream", "text": lines(text)}),
        Output::Display { data, metadata } => {
            json!({"data": split_lines(data), "metadata": metadata, "output_type": "display_data"})
        }
        Output::Result { data, metadata, execution_count } => json!({
            "data": split_lines(data), "metadata": metadata, "execution_count": execution_count, "output_type": "execute_result",
        }),
        Output::Error { ename, evalue, traceback } => {
            json!({"ename": ename, "evalue": evalue, "output_type": "error", "traceback": traceback})
        }
        Output::Other(value) => value.clone(),
    }
}

fn write_cell(cell: &Cell) -> Value {
    let mut fields = cell.extra.clone();
    fields.insert("cell_type".into(), cell.kind.as_name().into());
    fields.insert("id".into(), cell.id.clone().into());
    fields.insert("metadata".into(), Value::Object(cell.metadata.clone()));
    fields.insert("source".into(), lines(&cell.source));
    if cell.kind == CellKind::Code {
        fields.insert("execution_count".into(), cell.execution_count.into());
        fields.insert("outputs".into(), cell.outputs.iter().map(write_output).collect());
    }
    Value::Object(fields)
}

pub(super) fn write(notebook: &Notebook) -> String {
    let mut top = notebook.extra.clone();
    top.insert("cells".into(), notebook.cells.iter().map(write_cell).collect());
    top.insert("metadata".into(), Value::Object(notebook.metadata.clone()));
    top.insert("nbformat".into(), 4.into());
    top.insert("nbformat_minor".into(), 5.into());
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    // A `Value` has string keys and the sink is memory: this cannot fail.
    let written = top.serialize(&mut serializer);
    debug_assert!(written.is_ok());
    bytes.push(b'\n');
    String::from_utf8(bytes).unwrap_or_default()
}
