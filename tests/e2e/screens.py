"""Takes screenshots of what the kernel shows in a real JupyterLab, light and dark: frame, image grid, live training curve
while it runs, compile error, panic, interrupted training, slider.

usage: screens.py FOLDER [light|dark]...   (with the Python of the environment that `cargo lathe lab` makes)
Needs chromium and chromedriver. For looking at; it checks only that each thing appears.
"""
import json
import pathlib
import sys
import time

from lab import Lab, wait_for

CELLS = {
    "frame": '''let plant = Plant::simulate(&PlantConfig::default())?;
let sensors = plant.observed().sensors()?;
sensors''',
    "plot": '''let m1 = sensors.clone().lazy().filter(col("machine").eq(lit("M1")));
let week = m1.slice(7 * 1440, 7 * 1440).collect()?;
lines(&week, "time", "vibration")?.title("Press M1, one week").y_label("vibration, mm/s RMS")''',
    "grid": '''let pictures: Vec<Picture> = (0..12).map(|n| {
    let pixels: Vec<f32> = (0..32 * 32).map(|i| {
        let (x, y) = ((i % 32) as f32 / 31.0 - 0.5, (i / 32) as f32 / 31.0 - 0.5);
        0.5 + 0.5 * ((x * x + y * y).sqrt() * (6.0 + 3.0 * n as f32)).cos()
    }).collect();
    Picture::grey(32, 32, &pixels)
}).collect();
image_grid(pictures, 6)?
    .title("Twelve rings")
    .captions((0..12).map(|n| format!("{} rings", n + 1)).collect::<Vec<_>>())''',
    "live": '''type Day = SensorWindows<24, 4>;
let days = Day::cut(plant.observed(), Channel::ALL, &WindowSpec { stride: 4, ..WindowSpec::default() })?;
let scaler = Scaler::fit(&days);
let device = Cpu::default();
let x: Tensor<(usize, Const<96>), f32, Cpu> = scaler.transform(&days).flat(&device)?;
let mut vae = DenseVae::<96, 64, 8>::new(VaeConfig { epochs: 120, ..VaeConfig::default() })?;
let history = vae.fit(&x, &mut live("VAE on healthy days"))?;''',
    "compile": '''let wrong: Tensor<(usize, Const<100>), f32, Cpu> = scaler.transform(&days).flat(&device)?;''',
    "panic": '''let temperatures = vec![81.5, 82.0, 79.9];
let pressed = temperatures.iter().filter(|t| **t > 90.0).count();
println!("{pressed} presses above 90 degrees");
temperatures[pressed + 3]''',
    "interrupted": '''let mut longer = DenseVae::<96, 64, 8>::new(VaeConfig { epochs: 5_000, ..VaeConfig::default() })?;
let history = longer.fit(&x, &mut live("VAE, five thousand epochs"))?;''',
    "slider": '''interact(slider(0..=9).initial(3).label("days"), |n| text("*".repeat(n as usize + 1)))''',
}

STATE = """
const cells = [...document.querySelectorAll('.jp-CodeCell')], cell = cells[arguments[0]];
cell.scrollIntoView({block: 'start'});
const text = [...cell.querySelectorAll('.jp-OutputArea-output')].map(e => e.innerHTML).join('');
let hash = 0;
for (let i = 0; i < text.length; i++) hash = (hash * 31 + text.charCodeAt(i)) | 0;
return {prompt: cell.querySelector('.jp-InputPrompt').textContent, hash: hash, length: text.length,
        figure: !!cell.querySelector('.jp-RenderedSVG, .jp-RenderedImage, .jp-RenderedHTMLCommon img, svg'),
        wrong: !!cell.querySelector('[data-mime-type="application/vnd.jupyter.error"], [data-mime-type="application/vnd.jupyter.stderr"]')}"""
FAILING = ("compile", "panic", "interrupted")


def run(lab, shots, theme):
    browser = lab.browser
    notebook = {"cells": [{"cell_type": "code", "metadata": {}, "source": code, "outputs": [], "execution_count": None, "id": name}
                          for name, code in CELLS.items()],
                "metadata": {"kernelspec": {"name": "lathe", "display_name": "Rust (Lathe)", "language": "rust"}}, "nbformat": 4, "nbformat_minor": 5}
    (lab.desk / "screens.ipynb").write_text(json.dumps(notebook))
    lab.open("screens.ipynb")
    browser.click(".jp-CodeCell .jp-InputArea-editor")
    for place, name in enumerate(CELLS):
        browser.js("document.querySelectorAll('.jp-CodeCell')[arguments[0]].scrollIntoView({block: 'start'})", place)
        browser.click(f".jp-CodeCell:nth-of-type({place + 1}) .cm-content, .jp-Cell:nth-child({place + 1}) .cm-content")
        lab.menu("Run", "runmenu:run")
        state = lambda: browser.js(STATE, place)
        seen, done, shot, start, pressed = set(), None, False, time.monotonic(), False
        while time.monotonic() - start < 240:
            now = state()
            if now["figure"]:
                seen.add(now["hash"])
            # The long one: on a busy machine the other may be done before a second look.
            if name == "interrupted" and len(seen) >= 3 and not shot:
                browser.screenshot(shots / f"{theme}-live-while-running.png")
                shot = True
            if name == "interrupted" and len(seen) >= 3 and not pressed:
                lab.menu("Kernel", "kernelmenu:interrupt")
                pressed = True
            if any(c.isdigit() for c in now["prompt"]):
                done = time.monotonic() - start
                break
            time.sleep(0.1)
        time.sleep(1)
        done = done if state()["wrong"] == (name in FAILING) else None
        time.sleep(0.3)
        browser.screenshot(shots / f"{theme}-{name}.png")
        print(f"{'ok     ' if done else 'FAILED '} {theme} {name}: {f'{done:.1f} s' if done else 'not done, or failed where it should not'}, {len(seen)} pictures", flush=True)


def main(folder, themes):
    shots = pathlib.Path(folder)
    shots.mkdir(parents=True, exist_ok=True)
    for theme in themes or ["light", "dark"]:
        with Lab(dark=theme == "dark", environment={"LATHE_QUICK": "1"}) as lab:
            try:
                run(lab, shots, theme)
            except BaseException:
                lab.browser.screenshot(shots / f"{theme}-failure.png")
                raise


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
