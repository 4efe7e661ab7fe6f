use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;

#[derive(Clone, Default)]
struct Recorded {
    frames: Arc<Mutex<Vec<Frame>>>,
    lines: Arc<Mutex<Vec<String>>>,
}

struct Recorder(Place, Recorded);

impl Sink for Recorder {
    fn place(&self) -> Place {
        self.0
    }
    fn frame(&mut self, frame: Frame) {
        self.1.frames.lock().unwrap().push(frame);
    }
    fn line(&mut self, text: &str) {
        self.1.lines.lock().unwrap().push(format!("{text}\n"));
    }
    fn overwrite(&mut self, text: &str) {
        self.1.lines.lock().unwrap().push(format!("\r{text}"));
    }
}

/// A watcher whose clock moves only when told.
fn watched(place: Place) -> (LiveCurves, Recorded, Arc<Mutex<Duration>>) {
    let (record, clock) = (Recorded::default(), Arc::new(Mutex::new(Duration::ZERO)));
    let hands = Arc::clone(&clock);
    let live =
        LiveCurves::with("VAE", Box::new(Recorder(place, record.clone())), Pace::new(move || *hands.lock().unwrap()));
    (live, record, clock)
}

fn train(live: &mut LiveCurves, clock: &Mutex<Duration>, steps: u32, step_time: Duration) {
    live.on(&Event::Started { task: "fit", total: Some(u64::from(steps)), unit: "step" });
    for step in 0..steps {
        *clock.lock().unwrap() += step_time;
        live.on(&Event::Scalar { series: "loss", step: f64::from(step), value: 1.0 / f64::from(step + 1) });
        live.on(&Event::Progress { done: u64::from(step) + 1 });
    }
    live.on(&Event::Finished);
}

#[test]
fn ten_updates_a_second_and_the_last_state_in_full() {
    let (mut live, record, clock) = watched(Place::Kernel);
    train(&mut live, &clock, 10_000, Duration::from_millis(1));
    drop(live);
    let frames = record.frames.lock().unwrap();
    // 10 s of training: the first display, 100 updates, the final state.
    assert_eq!(frames.len(), 102);
    let Frame::Display { id: Some(first), bundle } = &frames[0] else { panic!("{:?}", frames[0]) };
    assert!(bundle.data["text/html"].as_str().unwrap().contains("<progress"));
    assert!(frames[1..].iter().all(|frame| matches!(frame, Frame::Update { id, .. } if id == first)));
    let Frame::Update { bundle: light, .. } = &frames[50] else { panic!() };
    assert!(light.data.contains_key("image/svg+xml") && !light.data.contains_key("image/png"));
    let Frame::Update { bundle: last, .. } = &frames[101] else { panic!() };
    assert!(last.data.contains_key("image/png"));
    let text = last.data["text/plain"].as_str().unwrap();
    assert!(text.contains("VAE") && text.contains("step 10000/10000 · 1000/s · took 10 s"), "{text}");
}

#[test]
fn the_kept_picture_does_not_tell_how_fast_the_machine_was() {
    let last = |step: u64| {
        let (mut live, record, clock) = watched(Place::Kernel);
        train(&mut live, &clock, 50, Duration::from_millis(step));
        let frames = record.frames.lock().unwrap();
        let Some(Frame::Update { bundle, .. }) = frames.last() else { panic!("{frames:?}") };
        bundle.clone()
    };
    let (fast, slow) = (last(1), last(700));
    assert_ne!(fast.data["text/plain"], slow.data["text/plain"]);
    assert!(slow.data["text/plain"].as_str().unwrap().contains("took 35 s"));
    assert_eq!(fast.data["image/png"], slow.data["image/png"]);
    assert_eq!(fast.data["image/svg+xml"], slow.data["image/svg+xml"]);
    assert_eq!(fast.metadata, slow.metadata);
    assert!(fast.metadata["image/png"]["alt"].as_str().unwrap().contains("step 50/50"));
}

#[test]
fn slow_drawing_is_done_less_often() {
    let (time, record) = (Arc::new(Mutex::new(Duration::ZERO)), Recorded::default());
    let hands = Arc::clone(&time);
    let mut pace = Pace::new(move || *hands.lock().unwrap());
    let begin = pace.now();
    *time.lock().unwrap() += Duration::from_millis(20);
    pace.drew(begin);
    *time.lock().unwrap() += Duration::from_millis(2999);
    assert!(!pace.due());
    *time.lock().unwrap() += Duration::from_millis(1);
    assert!(pace.due());
    drop(record);
}

#[test]
fn pictures_have_their_own_display_and_keep_the_last_state() {
    let (mut live, record, clock) = watched(Place::Kernel);
    live.on(&Event::Started { task: "gan", total: Some(3), unit: "epoch" });
    for i in 0..3_u8 {
        *clock.lock().unwrap() += Duration::from_millis(30);
        live.on(&Event::Progress { done: u64::from(i) + 1 });
        let pixels = [f32::from(i) / 3.0; 16];
        let image = lathe_events::Image { width: 4, height: 4, channels: 1, pixels: &pixels };
        live.on(&Event::Images { name: "drawn", images: &[image; 4] });
    }
    live.on(&Event::Finished);
    let frames = record.frames.lock().unwrap();
    let grids: Vec<(&String, &Bundle, bool)> = frames
        .iter()
        .filter_map(|frame| match frame {
            Frame::Display { bundle, id: Some(id) } => Some((id, bundle, false)),
            Frame::Update { bundle, id } => Some((id, bundle, true)),
            _ => None,
        })
        .filter(|(_, bundle, _)| bundle.data["text/plain"].as_str().unwrap().contains("Image grid"))
        .collect();
    assert_eq!(grids.len(), 2, "shown at once, then once at the end");
    assert!(!grids[0].2 && grids[1].2 && grids[0].0 == grids[1].0);
    assert!(grids[1].1.data["text/plain"].as_str().unwrap().contains("epoch 3/3"));
    assert_ne!(grids[0].1.data["image/png"], grids[1].1.data["image/png"]);
}

#[test]
fn an_unfinished_training_leaves_its_last_state() {
    let (mut live, record, clock) = watched(Place::Kernel);
    live.on(&Event::Started { task: "fit", total: Some(9), unit: "epoch" });
    *clock.lock().unwrap() += Duration::from_millis(10);
    live.on(&Event::Scalar { series: "loss", step: 1.0, value: 0.5 });
    live.on(&Event::Progress { done: 1 });
    drop(live);
    let frames = record.frames.lock().unwrap();
    let Some(Frame::Update { bundle, .. }) = frames.last() else { panic!("{frames:?}") };
    assert!(bundle.data["text/plain"].as_str().unwrap().contains("stopped after"));
}

#[test]
fn a_terminal_gets_one_line_and_a_pipe_a_summary() {
    let (mut live, record, clock) = watched(Place::Terminal);
    train(&mut live, &clock, 1000, Duration::from_millis(1));
    let lines = record.lines.lock().unwrap();
    assert!(lines.len() <= 12 && lines[3].starts_with("\rVAE: step "), "{lines:?}");
    assert!(lines.last().unwrap().ends_with("loss 0.001\n"), "{lines:?}");
    let (mut live, record, clock) = watched(Place::Plain);
    train(&mut live, &clock, 1000, Duration::from_millis(1));
    assert_eq!(record.lines.lock().unwrap().len(), 1);
    assert!(record.frames.lock().unwrap().is_empty());
}

#[test]
fn stock_evcxr_gets_one_block_with_everything() {
    let (mut live, record, clock) = watched(Place::Evcxr);
    train(&mut live, &clock, 100, Duration::from_millis(1));
    let frames = record.frames.lock().unwrap();
    let [frame @ Frame::Display { bundle, .. }] = &frames[..] else { panic!("{frames:?}") };
    assert!(bundle.data["text/html"].as_str().unwrap().contains("data:image/png;base64,iVBOR"));
    let text = crate::stock::blocks(frame);
    assert!(text.contains("EVCXR_BEGIN_CONTENT text/html\n<img") && text.ends_with("EVCXR_END_CONTENT\n"));
}

#[test]
fn a_million_points_stay_few_and_keep_their_extremes() {
    let (mut live, _, _) = watched(Place::Plain);
    for step in 0..200_000_u32 {
        let value = if step == 77_777 { -5.0 } else { f64::from(step % 97) };
        live.on(&Event::Scalar { series: "loss", step: f64::from(step), value });
    }
    let series = &live.series[0];
    assert!(series.xs.len() <= POINTS, "{}", series.xs.len());
    assert!(series.ys.contains(&-5.0) && series.ys.contains(&96.0));
    assert!((series.xs.last().unwrap() - 199_999.0).abs() < 1e-6 && series.xs[0] == 0.0);
    assert!(series.xs.windows(2).all(|pair| pair[0] <= pair[1]));
}
