//! Pictures, sound and film that exist already as bytes, and figures of other libraries.

use lathe_events::frame::Bundle;
use serde_json::{Value, json};

use crate::Rich;
use crate::axes::{Axes, Look, Series};
use crate::figure::{Body, Figure};
use crate::kinds::Number;
use crate::picture_file::base64;
use crate::scale::{Kind, number};

/// The bytes of a PNG file.
///
/// ```no_run
/// display::display(display::png(std::fs::read("joint.png")?));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn png(bytes: impl AsRef<[u8]>) -> Bundle {
    file("image/png", bytes.as_ref())
}

/// The bytes of a JPEG file.
pub fn jpeg(bytes: impl AsRef<[u8]>) -> Bundle {
    file("image/jpeg", bytes.as_ref())
}

fn file(mime: &str, bytes: &[u8]) -> Bundle {
    let reader = image::ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format();
    let size = reader.ok().filter(|r| r.format().is_some_and(|f| f.to_mime_type() == mime));
    match size.and_then(|reader| reader.into_dimensions().ok()) {
        Some((width, height)) => {
            let words = format!("A picture of {width} by {height} pixels.");
            let mut bundle = Bundle::text(words.as_str()).with(mime, base64(bytes));
            bundle.metadata.insert(mime.into(), json!({"alt": words}));
            bundle
        }
        None => Bundle::text(format!("{} bytes that are no {mime}", bytes.len())),
    }
}

/// Sound from samples in `[-1, 1]`, with a player: a machine's vibration can be heard. `rate` is in samples a second.
///
/// ```
/// let hum: Vec<f32> = (0..8000).map(|i| (i as f32 * 0.05).sin() * 0.5).collect();
/// display::display(display::audio(&hum, 8000));
/// ```
pub fn audio<N: Number>(samples: &[N], rate: u32) -> Bundle {
    // WAV: 16 bits, one channel.
    let length = 2 * samples.len() as u32;
    let mut wav = Vec::with_capacity(44 + length as usize);
    wav.extend(b"RIFF");
    wav.extend((36 + length).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend([1, 0, 1, 0]);
    wav.extend(rate.to_le_bytes());
    wav.extend((2 * rate).to_le_bytes());
    wav.extend([2, 0, 16, 0]);
    wav.extend(b"data");
    wav.extend(length.to_le_bytes());
    // NaN becomes 0, silence.
    wav.extend(samples.iter().flat_map(|v| ((v.number().clamp(-1.0, 1.0) * 32_767.0) as i16).to_le_bytes()));
    let words =
        format!("Sound of {} s, {rate} samples a second.", number(samples.len() as f64 / f64::from(rate.max(1))));
    player("audio", "audio/wav", &wav, &words)
}

/// The bytes of an MP4 or WebM film, with a player.
pub fn video(bytes: impl AsRef<[u8]>) -> Bundle {
    let bytes = bytes.as_ref();
    let mime = if bytes.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) { "video/webm" } else { "video/mp4" };
    player("video", mime, bytes, &format!("A film of {} kB.", bytes.len() / 1000))
}

/// Front ends have no renderer of their own for sound and film; HTML has.
fn player(tag: &str, mime: &str, bytes: &[u8], words: &str) -> Bundle {
    let data = base64(bytes);
    let html = format!("<{tag} controls aria-label=\"{words}\" src=\"data:{mime};base64,{data}\">{words}</{tag}>");
    Bundle::text(words).with("text/html", html)
}

/// A Plotly figure: `{"data": [..], "layout": {..}}`.
///
/// VS Code draws it; JupyterLab does when the Python package `plotly` is installed beside it. Elsewhere, and in a saved page,
/// lines, dots and bars are drawn by this crate as a picture. Nothing is loaded from the net.
///
/// ```
/// let spec = serde_json::json!({"data": [{"type": "bar", "x": ["A", "B"], "y": [3, 5]}], "layout": {"title": "Failures"}});
/// assert!(display::plotly(spec).data.contains_key("image/png"));
/// ```
pub fn plotly(spec: Value) -> Bundle {
    let kinds: Vec<&str> = traces(&spec).map(|trace| trace["type"].as_str().unwrap_or("scatter")).collect();
    let words =
        format!("A Plotly figure: {}.", if kinds.is_empty() { String::from("no data") } else { kinds.join(", ") });
    let bundle = redrawn(&spec).map_or_else(
        || Bundle::text(words),
        |figure| {
            let mut bundle = figure.bundle();
            // The interactive form is preferred to SVG by every front end that has it; a PNG is enough for the others.
            bundle.data.remove("image/svg+xml");
            bundle
        },
    );
    bundle.with("application/vnd.plotly.v1+json", spec)
}

fn traces(spec: &Value) -> impl Iterator<Item = &Value> {
    spec["data"].as_array().into_iter().flatten()
}

/// A still picture of the traces that have two plain axes; `None` when one of them is of another kind.
fn redrawn(spec: &Value) -> Option<Figure> {
    let words = |value: &Value| value.as_str().or_else(|| value["text"].as_str()).unwrap_or_default().to_owned();
    let (mut groups, mut series): (Option<Vec<String>>, Vec<Series>) = (None, Vec::new());
    for (i, trace) in traces(spec).enumerate() {
        let ys: Vec<f64> = trace["y"].as_array()?.iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect();
        let look = match (trace["type"].as_str().unwrap_or("scatter"), trace["mode"].as_str()) {
            ("bar", _) => Look::Bars,
            ("scatter" | "scattergl", Some("markers")) => Look::Dots,
            ("scatter" | "scattergl", _) => Look::Line,
            _ => return None,
        };
        let counted = (0..ys.len()).map(|i| i as f64);
        let xs: Vec<f64> = match trace["x"].as_array() {
            Some(xs) if look != Look::Bars && xs.iter().all(Value::is_number) => {
                xs.iter().filter_map(Value::as_f64).collect()
            }
            Some(xs) => {
                let names: Vec<String> =
                    xs.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
                if groups.get_or_insert_with(|| names.clone()) != &names {
                    return None;
                }
                counted.collect()
            }
            None => counted.collect(),
        };
        if xs.len() != ys.len() || ys.is_empty() {
            return None;
        }
        let name = trace["name"].as_str().map_or_else(|| format!("trace {i}"), str::to_owned);
        series.push(Series::new(name, xs, ys, look));
    }
    let bars = series.first()?.look == Look::Bars;
    if series.iter().any(|s| (s.look == Look::Bars) != bars) {
        return None;
    }
    let kind = match groups {
        Some(names) => Kind::Names(names),
        None if bars => Kind::Names((0..series[0].ys.len()).map(|i| i.to_string()).collect()),
        None => Kind::Linear,
    };
    let mut axes = Axes::new(kind, series);
    axes.x_label = words(&spec["layout"]["xaxis"]["title"]);
    axes.y_label = words(&spec["layout"]["yaxis"]["title"]);
    Some(Figure::new(Body::Axes(axes), 680, 340).title(words(&spec["layout"]["title"])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_checked_before_they_are_called_a_picture() {
        let drawn = image::RgbImage::new(3, 2);
        let mut bytes = std::io::Cursor::new(Vec::new());
        drawn.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
        let shown = jpeg(bytes.get_ref());
        assert_eq!(shown.data["text/plain"], "A picture of 3 by 2 pixels.");
        assert!(shown.data["image/jpeg"].as_str().unwrap().starts_with("/9j/"));
        assert!(!png(bytes.get_ref()).data.contains_key("image/png"), "a JPEG is no PNG");
    }

    #[test]
    fn sound_is_a_playable_wav() {
        let html = audio(&[0.0, 1.0, -1.0, f64::NAN], 8000).data["text/html"].as_str().unwrap().to_owned();
        let data = html.split("base64,").nth(1).unwrap().split('"').next().unwrap();
        let wav = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, data).unwrap();
        assert_eq!(wav.len(), 44 + 8);
        assert_eq!((&wav[..4], &wav[44..]), (&b"RIFF"[..], &[0, 0, 0xff, 0x7f, 0x01, 0x80, 0, 0][..]));
    }

    #[test]
    fn plotly_has_a_picture_for_front_ends_without_it() {
        let lines = json!({"data": [{"x": [1, 2, 3], "y": [3.0, null, 1.0], "name": "loss"}], "layout": {"title": {"text": "Run"}}});
        let bundle = plotly(lines.clone());
        assert_eq!(bundle.data["application/vnd.plotly.v1+json"], lines);
        let words = bundle.data["text/plain"].as_str().unwrap();
        assert!(words.contains("Line plot “Run”") && words.contains("loss: 3 points, 1 missing"), "{words}");
        let other = plotly(json!({"data": [{"type": "sankey"}]}));
        assert_eq!(other.data["text/plain"], "A Plotly figure: sankey.");
        assert!(!other.data.contains_key("image/png"));
    }
}
