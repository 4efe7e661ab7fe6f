//! What figures and tables say, to eyes and to screen readers, and how they fail.

use display::{
    Bundle, Figure, FigureError, Picture, Rich as _, Table, bars, heatmap, histogram, image_grid, lines, lines_xy,
    scatter,
};
use polars::prelude::{DataFrame, DataType, IntoColumn as _, NamedFrom as _, Series, TimeUnit, df};

type Tested = Result<(), Box<dyn std::error::Error>>;

fn text(bundle: &Bundle) -> &str {
    bundle.data["text/plain"].as_str().unwrap()
}

fn png(bundle: &Bundle) -> image::RgbaImage {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(bundle.data["image/png"].as_str().unwrap()).unwrap();
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    image::load_from_memory(&bytes).unwrap().to_rgba8()
}

fn training() -> DataFrame {
    df!["epoch" => [1, 2, 3, 4], "loss" => [2.0, 1.0, 0.5, 0.25], "val" => [Some(2.1), None, Some(0.75), Some(0.5)], "name" => ["a", "b", "c", "d"]].unwrap()
}

#[test]
fn a_bundle_has_svg_png_and_words() -> Tested {
    let figure = lines(&training(), "epoch", ["loss", "val"])?
        .title("Training")
        .y_label("nats")
        .size(400, 250)
        .hline(0.3, "target");
    let bundle = figure.bundle();
    let words = text(&bundle);
    for part in [
        "Line plot “Training”",
        "x: epoch from 1 to 4",
        "y: nats from 0.25 to 2.1",
        "loss: 4 points, first 2, last 0.25",
        "1 missing",
        "target at y = 0.3",
    ] {
        assert!(words.contains(part), "{part} is not in {words}");
    }
    let picture = png(&bundle);
    assert_eq!((picture.width(), picture.height()), (800, 500));
    assert_eq!(bundle.metadata["image/png"]["width"], 400);
    assert_eq!(bundle.metadata["image/png"]["alt"], words);
    // Near-white ground with transparent corners: legible on a dark page.
    assert_eq!(picture.get_pixel(0, 0)[3], 0);
    assert!(picture.get_pixel(400, 20).0[..3].iter().all(|c| *c > 240));
    let svg = bundle.data["image/svg+xml"].as_str().unwrap();
    assert!(svg.contains("role=\"img\"") && svg.contains("aria-label=\"Line plot"), "{svg}");
    assert!(svg.matches("<polyline").count() >= 3);
    Ok(())
}

#[test]
fn every_kind_draws_something_and_twice_the_same() -> Tested {
    let df = training();
    let figures: Vec<(&str, Figure)> = vec![
        ("Line plot", lines(&df, "epoch", "loss")?),
        ("Scatter plot", scatter(&df, "epoch", ["loss", "val"])?),
        ("Bar chart", bars(&df, "name", "loss")?),
        ("Histogram", histogram(&df, "loss")?),
        ("Heat map", heatmap(&[[1.0, -2.0], [f64::NAN, 4.0]])?),
        ("Confusion matrix", display::confusion_matrix(&["good", "bad"], &[[9, 1], [2, 8]])?),
        ("Image grid", image_grid([Picture::grey(2, 2, &[0.0, 0.3, 0.6, 1.0])], 1)?),
        ("Line plot", lines_xy(&[1, 2, 3], &[("flat", &[f64::NAN, 5.0, 5.0][..])])?.log_y()),
    ];
    for (kind, figure) in figures {
        let bundle = figure.bundle();
        assert!(text(&bundle).starts_with(kind), "{}", text(&bundle));
        let colors: std::collections::HashSet<_> = png(&bundle).pixels().copied().collect();
        assert!(colors.len() > 3, "{kind}: only {} colours", colors.len());
        assert_eq!(bundle, figure.clone().bundle(), "{kind}");
    }
    Ok(())
}

#[test]
fn names_from_data_cannot_break_svg_or_html() -> Tested {
    let evil = "</svg><script>alert(1)</script>\"&'\u{1}";
    let df = DataFrame::new(
        2,
        vec![
            Series::new("x".into(), [1.0, 2.0]).into_column(),
            Series::new(evil.into(), [1.0, 3.0]).into_column(),
            Series::new("s".into(), [evil, "b"]).into_column(),
        ],
    )?;
    let svg = lines(&df, "x", evil)?.title(evil).x_label(evil).events(&[1.5], evil).svg();
    for text in [svg, Table::new(&df).caption(evil).html(), bars(&df, "s", "x")?.svg()] {
        assert!(!text.contains("<script") && !text.contains('\u{1}'), "{text}");
        assert!(text.contains("&lt;script&gt;"), "{text}");
    }
    Ok(())
}

#[test]
fn times_are_read_from_columns_of_any_unit() -> Tested {
    let start = 1_735_689_600_i64; // 2025-01-01
    let mut seen = Vec::new();
    for (unit, factor) in
        [(TimeUnit::Milliseconds, 1_000), (TimeUnit::Microseconds, 1_000_000), (TimeUnit::Nanoseconds, 1_000_000_000)]
    {
        let time: Vec<i64> = (0..48).map(|h| (start + h * 3600) * factor).collect();
        let time = Series::new("time".into(), time).cast(&DataType::Datetime(unit, None))?;
        let value = Series::new("value".into(), (0..48).collect::<Vec<i32>>());
        let df = DataFrame::new(48, vec![time.into_column(), value.into_column()])?;
        let events = df.slice(24, 1);
        let figure = lines(&df, "time", "value")?.events_from(&events, "time", "failure")?;
        assert!(figure.describe().contains("from 2025-01-01 00:00 to 2025-01-02 23:00"), "{}", figure.describe());
        assert!(figure.describe().contains("failure at 2025-01-02 00:00"));
        seen.push(figure.svg());
    }
    assert!(seen[0].contains(">12:00</text>") && seen[0].contains(">2 Jan</text>"), "{}", seen[0]);
    assert!(seen.iter().all(|svg| *svg == seen[0]));
    Ok(())
}

#[test]
fn errors_name_the_column_and_the_choice() {
    let df = training();
    let error = lines(&df, "epoch", ["loss", "lost"]).unwrap_err();
    assert!(matches!(&error, FigureError::MissingColumn { column, .. } if column == "lost"));
    assert_eq!(error.to_string(), "there is no column \"lost\"; the frame has: \"epoch\", \"loss\", \"val\", \"name\"");
    let error = lines(&df, "epoch", "name").unwrap_err();
    assert!(matches!(&error, FigureError::NotNumeric { column, dtype, .. } if column == "name" && dtype == "str"));
    assert!(error.to_string().ends_with("\"epoch\", \"loss\", \"val\""), "{error}");
    assert!(lines(&df.clear(), "epoch", "loss").unwrap_err().to_string().contains("frame is empty"));
    assert!(matches!(lines(&df, "epoch", Vec::<String>::new()), Err(FigureError::Empty { .. })));
    let error = lines_xy(&[1.0, 2.0], &[("loss", &[1.0][..])]).unwrap_err();
    assert_eq!(error.to_string(), "series \"loss\" has 1 values and 2 are needed: one for each x value");
    assert!(heatmap(&[vec![1.0, 2.0], vec![1.0]]).unwrap_err().to_string().starts_with("row 1 has 1 values"));
    assert!(display::confusion_matrix(&["a", "b"], &[[1, 2, 3]]).is_err());
    assert!(histogram(&DataFrame::empty(), "x").is_err());
    assert!(image_grid(Vec::<Picture>::new(), 3).is_err());
    let broken = Picture { width: 3, height: 3, channels: 1, pixels: vec![0.0; 8] };
    assert!(image_grid([&broken], 1).unwrap_err().to_string().starts_with("picture 0 has 8 values and 9"));
}

#[test]
fn saving_is_whole_or_not_at_all() -> Tested {
    let folder = std::env::temp_dir().join(format!("lathe-display-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let figure = lines(&training(), "epoch", "loss")?;
    for name in ["a.png", "b.SVG", "a.png"] {
        figure.save(folder.join(name))?;
    }
    assert_eq!(std::fs::read(folder.join("a.png"))?, figure.png());
    assert_eq!(std::fs::read_to_string(folder.join("b.SVG"))?, figure.svg());
    assert!(matches!(figure.save(folder.join("c.jpg")), Err(FigureError::FileKind(_))));
    let error = figure.save(folder.join("missing/d.png")).unwrap_err().to_string();
    assert!(error.contains("missing/d.png"), "{error}");
    assert_eq!(std::fs::read_dir(&folder)?.count(), 2, "no temporary file is left");
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}

#[test]
fn tables_align_numbers_show_nulls_and_leave_out_the_middle() -> Tested {
    let df = df!["n" => (0..1200).collect::<Vec<i32>>(), "value" => (0..1200).map(|i| (i != 3).then(|| f64::from(i) / 8.0)).collect::<Vec<_>>(), "tag" => vec!["<b>"; 1200]]?;
    let table = Table::new(&df);
    let html = table.html();
    assert!(html.contains("<caption") && html.contains("1,200 rows × 3 columns, 1 null<"), "{html}");
    assert_eq!(html.matches("scope=\"col\"").count(), 3);
    assert_eq!(html.matches("<tr>").count(), 12);
    assert!(html.contains("text-align:right;padding:2px 10px;opacity:.75;font-style:italic\">null</td>"));
    assert!(html.contains("<td style=\"text-align:left;padding:2px 10px\">&lt;b&gt;</td>"));
    let text = table.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[2], " i32  f64, 1 null  str");
    assert_eq!(lines[4], "   1        0.125  <b>");
    assert_eq!(lines[6], "   3         null  <b>");
    assert_eq!(lines[8], "   …            …  …");
    assert_eq!(lines[13], "1199      149.875  <b>");
    let wide = DataFrame::new(1, (0..40).map(|i| Series::new(format!("c{i}").into(), [i]).into_column()).collect())?;
    let html = Table::new(&wide).html();
    assert!(
        html.contains(">c7<") && html.contains(">c32<") && !html.contains(">c8<") && html.contains("columns left out")
    );
    assert!(text_of_empty().contains("0 rows × 0 columns"));
    Ok(())
}

fn text_of_empty() -> String {
    Table::new(&DataFrame::empty()).text()
}

#[test]
fn a_long_series_stays_small_and_keeps_its_spike() -> Tested {
    let n = 300_000;
    let values: Vec<f64> = (0..n).map(|i| if i == 123_456 { 100.0 } else { f64::from(i % 10) }).collect();
    let steps: Vec<f64> = (0..n).map(f64::from).collect();
    let figure = lines_xy(&steps, &[("v", &values[..])])?;
    let svg = figure.svg();
    assert!(svg.len() < 60_000, "{}", svg.len());
    // The spike reaches the top of the plot area: its smallest y coordinate is far above the rest.
    let points = svg.lines().find(|line| line.starts_with("<polyline") && line.len() > 1000).unwrap();
    let heights: Vec<f64> =
        points.split('"').nth(1).unwrap().split(' ').map(|p| p.split(',').nth(1).unwrap().parse().unwrap()).collect();
    let top = heights.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(heights.iter().filter(|h| **h < top + 100.0).count(), 1);
    assert!(figure.describe().contains("highest 100 at 123456"), "{}", figure.describe());
    Ok(())
}

#[test]
fn series_differ_in_shape_and_hatching_not_only_in_colour() -> Tested {
    let xs: Vec<f64> = (0..400).map(f64::from).collect();
    let a: Vec<f64> = xs.iter().map(|x| x.sin()).collect();
    let two = lines_xy(&xs, &[("a", &a), ("b", &xs)])?.svg();
    let one = lines_xy(&xs, &[("a", &a)])?.svg();
    // Six beads a line and one in the legend: circles, then squares on their rims.
    assert_eq!(two.matches("<circle").count(), 7 + 7 + 7, "rims of both, markers of the first");
    assert_eq!(one.matches("<circle").count(), 0, "a single line needs no marker");
    let bars = bars(&df!["m" => ["x", "y"], "a" => [1, 2], "b" => [2, 3]]?, "m", ["a", "b"])?.svg();
    assert!(bars.matches("stroke-opacity=\"0.60\"").count() > 10, "the second series is hatched");
    Ok(())
}

#[test]
fn runs_become_a_mean_with_a_band() -> Tested {
    let runs = [vec![1.0, 2.0, 9.0], vec![3.0, 4.0, 11.0]];
    let figure = display::lines_runs(&[0, 1, 2], &[("VAE", &runs[..])])?;
    let words = figure.describe();
    assert!(words.contains("first 2, last 10"), "{words}");
    // The sample's deviation of 9 and 11 is the root of 2.
    assert!(words.contains("mean ± 1 std of 2 runs from 8.586 to 11.41 at the end"), "{words}");
    assert!(figure.svg().contains("<polygon"));
    let error = display::lines_runs(&[0, 1], &[("VAE", &runs[..])]).unwrap_err().to_string();
    assert!(error.contains("run 0 of \"VAE\"") && error.contains("3 values and 2"), "{error}");
    let error = lines(&training(), "epoch", "loss")?.spread("los", &[1.0; 4], &[2.0; 4], "band").unwrap_err();
    assert!(error.to_string().contains("it has: \"loss\""), "{error}");
    Ok(())
}

#[test]
fn dates_can_be_written_on_a_time_axis() -> Tested {
    let time: Vec<i64> = (0..365).map(|d| (1_735_689_600 + d * 86_400) * 1000).collect();
    let time = Series::new("time".into(), time).cast(&DataType::Datetime(TimeUnit::Milliseconds, None))?;
    let value = Series::new("value".into(), (0..365).map(|d| f64::from(d % 60)).collect::<Vec<f64>>());
    let df = DataFrame::new(365, vec![time.into_column(), value.into_column()])?;
    let words = lines(&df, "time", "value")?
        .event("2025-03-12", "failure")
        .event("2025-07-01 06:00", "failure")
        .event("2025-13-40", "repair")
        .span("2025-04-06", "2025-05-01", "maintenance")
        .x_range("2025-03-01", "2025-06-01")
        .describe();
    assert!(words.contains("failure at 2025-03-12 00:00, 2025-07-01 06:00"), "{words}");
    assert!(words.contains("maintenance from 2025-04-06 00:00 to 2025-05-01 00:00"), "{words}");
    assert!(words.contains("“2025-13-40” is not a date"), "{words}");
    Ok(())
}

#[test]
fn panels_hold_every_kind_and_can_share_axes() -> Tested {
    let low = lines_xy(&[0, 1], &[("low", &[0.0, 1.0][..])])?;
    let high = lines_xy(&[5, 9], &[("high", &[100.0, 200.0][..])])?;
    let grid = image_grid([Picture::grey(2, 2, &[0.0, 0.3, 0.6, 1.0])], 1)?;
    let free = display::plot(100, 80, "drawn", |area| Ok(area.fill(&plotters::style::RED)?))?;
    let apart = display::figures([low.clone(), high.clone(), grid, free, heatmap(&[[1.0, 2.0]])?])?.title("All");
    let words = apart.describe();
    assert!(words.starts_with("Figure “All”. 5 panels in 2 columns.\n1. Line plot"), "{words}");
    for (i, part) in ["2. Line plot", "3. Image grid", "4. drawn", "5. Heat map"].into_iter().enumerate() {
        assert!(words.contains(part), "{i}: {words}");
    }
    let picture = png(&apart.bundle());
    assert!(picture.pixels().any(|p| p.0 == [255, 0, 0, 255]), "the plotters drawing is in it");
    let ticks = |figure: &Figure| figure.svg().matches(">200</text>").count();
    let both = display::figures([low, high])?;
    assert_eq!((ticks(&both), ticks(&both.share_x().share_y())), (1, 2));
    assert!(display::figures([]).is_err());
    Ok(())
}

#[test]
fn image_grids_name_rows_and_say_what_grey_means() -> Tested {
    let joint = Picture::between(3, 3, &[0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0], 0.0, 80.0);
    let mask = [false, false, false, true, true, true, true, true, true];
    let marked = joint.with_mask(&mask);
    assert_eq!(marked.pixels[..3], [0.0, 0.0, 0.0], "outside the mask nothing changes");
    assert!(marked.pixels[9] > marked.pixels[11] + 0.3, "inside it is tinted");
    let figure = image_grid([&joint, &marked], 1)?.names(["seen", "masked"]).scale_bar(0, 80, "°C");
    let words = figure.describe();
    assert!(words.contains("rows: seen, masked") && words.contains("black is 0, white is 80 °C"), "{words}");
    Ok(())
}

#[test]
fn tables_show_every_type_missing_values_and_whole_texts() -> Tested {
    let long = format!("start {} <end>", "word ".repeat(30));
    let days = Series::new("day".into(), [20_000_i32, 20_001]).cast(&DataType::Date)?;
    let took = Series::new("took".into(), [90_000_i64, 1_500]).cast(&DataType::Duration(TimeUnit::Milliseconds))?;
    let lists = Series::new("list".into(), [Series::new("".into(), [1, 2]), Series::new("".into(), [3; 100])]);
    let text = Series::new("text".into(), [Some(long.as_str()), None]);
    let float = Series::new("x".into(), [f64::NAN, 1.25]);
    let columns = [days, took, lists, text, float].map(|s| s.into_column()).to_vec();
    let df = DataFrame::new(2, columns)?;
    let (plain, html) = (Table::new(&df).text(), Table::new(&df).html());
    for part in ["2024-10-04", "1m 30s", "1s 500ms", "[1, 2]", "str, 1 null", "f64, 1 NaN", "NaN"] {
        assert!(plain.contains(part), "{part} is not in {plain}");
    }
    assert!(html.contains("word  &lt;end&gt;\">start word") && html.contains("…</td>"), "{html}");
    assert!(plain.lines().all(|line| line.chars().count() < 200), "{plain}");
    let empty = Table::new(&df.head(Some(0))).text();
    assert!(empty.starts_with("0 rows × 5 columns") && empty.contains("duration[ms]"), "{empty}");
    let wide = DataFrame::new(1, (0..60).map(|i| Series::new(format!("c{i}").into(), [i]).into_column()).collect())?;
    let text = Table::new(&wide).text();
    assert!(text.contains("c7  …") && text.contains("c52") && !text.contains("c20"), "{text}");
    assert!(Table::new(&wide).html().contains("columns left out"));
    Ok(())
}
