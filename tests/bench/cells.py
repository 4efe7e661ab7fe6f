"""The cells of the bench, for our kernel and for stock evcxr_jupyter."""
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_manifest = (ROOT / "Cargo.toml").read_text()
# The same polars, with the same features, as our cells have.
POLARS = " ".join(re.search(r"^polars = (\{.*?\] \})", _manifest, re.S | re.M)[1].split())
FONT = next(iter(sorted(ROOT.glob("kernel-ext/display/**/*.ttf"))), Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"))

# What a user of stock writes at the top of a notebook; a frame as HTML is his own function there.
STOCK_START = f"""
:dep polars = {POLARS}
:dep dfdx = {{ version = "=0.13.0", features = ["safetensors"] }}
:dep plotters = {{ version = "=0.3.7", default-features = false, features = ["ab_glyph", "evcxr", "line_series"] }}
use polars::prelude::{{DataFrame, df}};
use dfdx::optim::{{Adam, AdamConfig}};
use dfdx::prelude::{{Cpu, DeviceBuildExt, HasErr, Linear, Module, Optimizer, Rank2, ReLU, SampleTensor, Tensor, Trace, ZeroGrads, Backward, mse_loss, Gradients, AsArray}};
use plotters::prelude::{{ChartBuilder, IntoDrawingArea, LineSeries, BLUE, WHITE, evcxr_figure, SVGBackend}};
struct Html(String);
impl Html {{ fn evcxr_display(&self) {{ println!("EVCXR_BEGIN_CONTENT text/html\\n{{}}\\nEVCXR_END_CONTENT", self.0); }} }}
fn html_table(frame: &DataFrame) -> Html {{
    let mut text = String::from("<table><tr>");
    for name in frame.get_column_names() {{ text += &format!("<th>{{name}}</th>"); }}
    for i in 0..frame.height().min(10) {{
        text += "</tr><tr>";
        for column in frame.columns() {{ text += &format!("<td>{{}}</td>", column.get(i).unwrap()); }}
    }}
    Html(text + "</tr></table>")
}}
"""

_first = 'let frame = df!("a" => [1i64, 2, 3], "b" => [0.5, 0.25, 0.125]).unwrap();\n'
FIRST = {"ours": _first + "frame", "stock": STOCK_START + _first + "html_table(&frame)"}

# Needs types that only inference knows.
WARM = "let warm = vec![1.0_f32].iter().map(|x| x * 2.0).collect::<Vec<f32>>();"

_model = """
type Net = (Linear<64, 64>, ReLU, Linear<64, 10>);
let dev = Cpu::default();
let mut net = dev.build_module::<Net, f32>();
let mut adam: Adam<_, f32, Cpu> = Adam::new(&net, AdamConfig::default());
"""
_state = _model + 'let rows = df!("t" => (0..1000i64).collect::<Vec<_>>(), "x" => vec![0.5f64; 1000]).unwrap();\n'
STATE = {"ours": _state, "stock": _state}

PLOT = {
    "ours": """
let points = (0..200).map(|i| (i as f64 / 20.0).sin()).collect::<Vec<f64>>();
let curve = df!("t" => (0..200i64).collect::<Vec<_>>(), "x" => points).unwrap();
lines(&curve, "t", ["x"]).unwrap().title("sine")
""",
    "stock": """
evcxr_figure((640, 400), |root| {
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root).margin(10).build_cartesian_2d(0f64..200f64, -1f64..1f64)?;
    chart.draw_series(LineSeries::new((0..200).map(|i| (i as f64, (i as f64 / 20.0).sin())), &BLUE))?;
    Ok(())
})
""",
}

_frame = 'let sums = df!("k" => (0..100i64).map(|i| i % 7).collect::<Vec<_>>(), "v" => vec![1.5f64; 100]).unwrap();\n'
FRAME = {"ours": _frame + "sums", "stock": _frame + "html_table(&sums)"}

# Defined anew each time, as when a learner changes a layer; prints what the steps alone took.
TRAIN = """
let dev = Cpu::default();
let mut model = dev.build_module::<(Linear<64, 96>, ReLU, Linear<96, 96>, ReLU, Linear<96, 10>), f32>();
let mut opt: Adam<_, f32, Cpu> = Adam::new(&model, AdamConfig::default());
let x: Tensor<Rank2<128, 64>, f32, Cpu> = dev.sample_normal();
let y: Tensor<Rank2<128, 10>, f32, Cpu> = dev.sample_normal();
let mut grads = model.alloc_grads();
let clock = std::time::Instant::now();
for _ in 0..20 {
    let loss = mse_loss(model.forward(x.clone().traced(grads)), y.clone());
    grads = loss.backward();
    opt.update(&mut model, &grads).unwrap();
    model.zero_grads(&mut grads);
}
drop(grads);
println!("{}", clock.elapsed().as_secs_f64());
"""
