//! Solder joints as an inspection camera sees them: 28x28 grey, one joint an image, drawn from keyed noise.
//!
//! The scene is a small two-terminal component seen from above under a ring light: a grey-green board, a bright pad, on it the
//! solder fillet (a dome: bright rim where the slope throws the ring light back, darker flank, a highlight on
//! top), and at the edge of the picture the neighbouring pad. Defects follow the classes of IPC-A-610:
//!
//! | class | what is drawn | severity 0 to 1 means |
//! |---|---|---|
//! | good | a full, centred, smooth fillet | always 0 |
//! | bridge | solder runs across the gap to the neighbouring pad | width of the bridge |
//! | void | one to three dark round cavities in the fillet | area of the cavities |
//! | insufficient | a small, flat, dull fillet that leaves the pad bare | missing solder |
//! | misaligned | fillet and component are shifted and turned off the pad | size of the shift |
//!
//! Position, size, brightness, light direction, blur and camera noise vary from picture to picture, in every class.

use crate::noise::{Draws, Noise, stream};
use crate::plant::PlantError;
use dfdx::prelude::*;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// What a picture of a solder joint shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Joint {
    /// A sound joint.
    Good,
    /// Solder between two pads: a short circuit.
    Bridge,
    /// Cavities in the solder.
    Void,
    /// Too little solder.
    Insufficient,
    /// Off the pad.
    Misaligned,
}

impl Joint {
    /// All classes.
    pub const ALL: [Self; 5] = [Self::Good, Self::Bridge, Self::Void, Self::Insufficient, Self::Misaligned];

    /// A lower-case word.
    pub fn name(self) -> &'static str {
        ["good", "bridge", "void", "insufficient", "misaligned"][self as usize]
    }
}

/// Pictures of solder joints with their labels.
#[derive(Clone, Debug, PartialEq)]
pub struct SolderImages {
    pixels: Vec<f32>,
    labels: Vec<Joint>,
    severity: Vec<f32>,
}

/// Width and height of a picture.
const SIDE: usize = 28;
/// Pixels of a picture.
const PIXELS: usize = SIDE * SIDE;

/// `n` pictures, the classes in turn (good, bridge, void, insufficient, misaligned, good, ...). Picture `i` of a seed is the
/// same whatever `n` is.
///
/// ```
/// use data::images::{Joint, solder_joints};
/// use dfdx::prelude::*;
/// let images = solder_joints(7, 100);
/// assert_eq!(images.label(0), Some(Joint::Good));
/// assert!(images.image(3).iter().all(|v| (0.0..=1.0).contains(v)));
/// let bridges = images.only(Joint::Bridge);
/// let batch: Tensor<(usize, Const<784>), f32, Cpu> = bridges.batch(&(0..8).collect::<Vec<_>>(), &Cpu::default())?;
/// assert_eq!(batch.shape().0, 8);
/// # Ok::<(), data::plant::PlantError>(())
/// ```
pub fn solder_joints(seed: u64, n: usize) -> SolderImages {
    let noise = Noise::new(seed, stream::SOLDER, 0);
    let grain = Noise::new(seed, stream::SOLDER, 1);
    let labels: Vec<Joint> = (0..n).map(|i| Joint::ALL[i % Joint::ALL.len()]).collect();
    let drawn: Vec<(Vec<f32>, f32)> = labels
        .par_iter()
        .enumerate()
        .map(|(i, &joint)| draw(joint, noise.at(i as u64), |row| grain.at((i * SIDE + row) as u64)))
        .collect();
    let severity = drawn.iter().map(|d| d.1).collect();
    SolderImages { pixels: drawn.into_iter().flat_map(|d| d.0).collect(), labels, severity }
}

impl SolderImages {
    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// True without pictures.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The 784 grey values of one picture, row after row, 0 (black) to 1 (white); empty for a number that does not exist.
    pub fn image(&self, index: usize) -> &[f32] {
        self.pixels.get(index * PIXELS..(index + 1) * PIXELS).unwrap_or(&[])
    }

    /// All grey values, picture after picture.
    pub fn pixels(&self) -> &[f32] {
        &self.pixels
    }

    /// What one picture shows.
    pub fn label(&self, index: usize) -> Option<Joint> {
        self.labels.get(index).copied()
    }

    /// What each picture shows.
    pub fn labels(&self) -> &[Joint] {
        &self.labels
    }

    /// How bad each picture is: 0 (good) to 1.
    pub fn severity(&self) -> &[f32] {
        &self.severity
    }

    /// The pictures of one class.
    pub fn only(&self, joint: Joint) -> Self {
        let mut picked = Self { pixels: Vec::new(), labels: Vec::new(), severity: Vec::new() };
        for i in (0..self.len()).filter(|&i| self.labels[i] == joint) {
            picked.pixels.extend_from_slice(self.image(i));
            picked.labels.push(joint);
            picked.severity.push(self.severity[i]);
        }
        picked
    }

    /// The pictures at these positions as a tensor, grey values 0 to 1; positions that do not exist are skipped.
    ///
    /// # Errors
    /// [`PlantError::Tensor`].
    pub fn batch(&self, indices: &[usize], dev: &Cpu) -> Result<Tensor<(usize, Const<784>), f32, Cpu>, PlantError> {
        let values: Vec<f32> = indices.iter().flat_map(|&i| self.image(i).iter().copied()).collect();
        let rows = values.len() / PIXELS;
        let refused = |e: CpuError| PlantError::Tensor { rows, width: PIXELS, reason: format!("{e:?}") };
        dev.try_tensor_from_vec(values, (rows, Const::<784>)).map_err(refused)
    }

    /// All pictures as a tensor.
    ///
    /// # Errors
    /// [`PlantError::Tensor`].
    pub fn tensor(&self, dev: &Cpu) -> Result<Tensor<(usize, Const<784>), f32, Cpu>, PlantError> {
        let all: Vec<usize> = (0..self.len()).collect();
        self.batch(&all, dev)
    }
}

/// 1 inside, 0 outside, smooth over about a pixel; `d` is the distance to the edge, positive outside.
fn inside(d: f64) -> f64 {
    (0.5 - d / 1.2).clamp(0.0, 1.0)
}

/// Distance to a rectangle with round corners around the origin.
fn rectangle(x: f64, y: f64, half_x: f64, half_y: f64, corner: f64) -> f64 {
    let (qx, qy) = (x.abs() - half_x + corner, y.abs() - half_y + corner);
    let outside = libm::hypot(qx.max(0.0), qy.max(0.0));
    outside + qx.max(qy).min(0.0) - corner
}

fn mix(a: f64, b: f64, share: f64) -> f64 {
    a + (b - a) * share
}

/// The solder of one joint: where it lies and how it throws the light back.
struct Fillet {
    x: f64,
    y: f64,
    half_x: f64,
    half_y: f64,
    cos: f64,
    sin: f64,
    height: f64,
    shine: f64,
}

impl Fillet {
    /// Distance to the edge and height of the surface, 0 at the edge to `height` on top.
    fn surface(&self, x: f64, y: f64) -> (f64, f64) {
        let (dx, dy) = (x - self.x, y - self.y);
        let (u, v) = (dx * self.cos + dy * self.sin, dy * self.cos - dx * self.sin);
        let d = rectangle(u, v, self.half_x, self.half_y, self.half_x.min(self.half_y) * 0.75);
        let depth = (-d / self.half_x.min(self.half_y)).clamp(0.0, 1.0);
        (d, self.height * libm::sqrt(depth * (2.0 - depth)))
    }
}

fn draw(joint: Joint, mut draws: Draws, grain: impl Fn(usize) -> Draws) -> (Vec<f32>, f32) {
    let severity = if joint == Joint::Good { 0.0 } else { 0.15 + 0.85 * draws.uniform() };
    let (light_x, light_y) = (0.35 * draws.normal(), -0.5 + 0.3 * draws.normal());
    let exposure = libm::exp(0.07 * draws.normal());
    let board = draws.between(0.16, 0.24);
    let bare = draws.between(0.52, 0.62);
    let camera = draws.between(0.015, 0.035);
    let centre = (9.6 + 0.5 * draws.normal(), 13.5 + 0.5 * draws.normal());
    let pad = (draws.between(6.0, 6.9), draws.between(8.2, 9.2));
    let gap = draws.between(4.2, 5.2);
    let neighbour_x = centre.0 + 2.0 * pad.0 + gap;
    let mut fillet = Fillet {
        x: centre.0 + 0.3 * draws.normal(),
        y: centre.1 + 0.3 * draws.normal(),
        half_x: pad.0 - draws.between(0.7, 1.3),
        half_y: pad.1 - draws.between(0.7, 1.3),
        cos: 1.0,
        sin: 0.0,
        height: draws.between(0.85, 1.1),
        shine: draws.between(0.85, 1.0),
    };
    let healthy = (fillet.height, fillet.shine);
    let turn = match joint {
        Joint::Insufficient => {
            fillet.half_x *= mix(0.85, 0.45, severity);
            fillet.half_y *= mix(0.85, 0.40, severity);
            fillet.height *= mix(0.7, 0.25, severity);
            fillet.shine *= mix(0.9, 0.55, severity);
            fillet.y += mix(0.5, 3.0, severity) * if draws.uniform() < 0.5 { -1.0 } else { 1.0 };
            0.1 * draws.normal()
        }
        Joint::Misaligned => {
            let direction = draws.between(0.0, core::f64::consts::TAU);
            fillet.x += mix(1.5, 5.0, severity) * libm::cos(direction);
            fillet.y += mix(1.5, 5.0, severity) * libm::sin(direction);
            mix(0.08, 0.45, severity) * if draws.uniform() < 0.5 { -1.0 } else { 1.0 }
        }
        _ => 0.03 * draws.normal(),
    };
    (fillet.sin, fillet.cos) = libm::sincos(turn);
    let other = Fillet {
        x: neighbour_x,
        y: centre.1,
        half_x: pad.0 - 1.0,
        half_y: pad.1 - 1.0,
        cos: 1.0,
        sin: 0.0,
        height: healthy.0,
        shine: healthy.1,
    };
    let bridge = (joint == Joint::Bridge).then(|| Fillet {
        x: (centre.0 + neighbour_x) / 2.0,
        y: centre.1 + draws.between(-4.5, 4.5),
        half_x: gap / 2.0 + 3.6,
        half_y: mix(0.9, 4.2, severity),
        cos: 1.0,
        sin: 0.0,
        height: 0.7,
        shine: fillet.shine,
    });
    let cavities: Vec<(f64, f64, f64)> = if joint == Joint::Void {
        let n = 1 + draws.below(3);
        let radius = mix(0.9, 3.6, severity) / libm::sqrt(n as f64);
        let place = |draws: &mut Draws, half: f64| draws.between(-1.0, 1.0) * (half - radius - 0.8).max(0.3);
        let cavity =
            |_| (fillet.x + place(&mut draws, fillet.half_x), fillet.y + place(&mut draws, fillet.half_y), radius);
        (0..n).map(cavity).collect()
    } else {
        Vec::new()
    };
    let height = |x: f64, y: f64| {
        let (d, h) = fillet.surface(x, y);
        let (d2, h2) = other.surface(x, y);
        let (d3, h3) = bridge.as_ref().map_or((9.0, 0.0), |b| b.surface(x, y));
        // The bridge flows into both fillets.
        (d.min(d2).min(d3), h.max(h2).max(h3))
    };
    let mut pixels = Vec::with_capacity(PIXELS);
    for row in 0..SIDE {
        let mut grains = grain(row);
        for column in 0..SIDE {
            let (x, y) = (column as f64, row as f64);
            let mut grey = board;
            let pads = rectangle(x - centre.0, y - centre.1, pad.0, pad.1, 1.5).min(rectangle(
                x - neighbour_x,
                y - centre.1,
                pad.0,
                pad.1,
                1.5,
            ));
            grey = mix(grey, bare, inside(pads));
            let (d, h) = height(x, y);
            let solder = inside(d);
            if solder > 0.0 {
                // Slope of the surface: the ring light comes back from steep rims and from the flat top, not from the flank.
                let (sx, sy) =
                    (height(x + 0.7, y).1 - height(x - 0.7, y).1, height(x, y + 0.7).1 - height(x, y - 0.7).1);
                let slope = libm::sqrt(sx * sx + sy * sy);
                let lamp = libm::exp(
                    -12.0
                        * ((sx - 0.25 * light_x) * (sx - 0.25 * light_x)
                            + (sy - 0.25 * light_y) * (sy - 0.25 * light_y)),
                );
                let rim = (slope * 1.1).min(1.0);
                let metal = fillet.shine * (0.34 + 0.42 * lamp + 0.34 * rim * rim + 0.12 * h);
                grey = mix(grey, metal, solder);
            }
            for &(cx, cy, r) in &cavities {
                let distance = libm::hypot(x - cx, y - cy) - r;
                grey = mix(grey, 0.12, 0.85 * inside(distance));
                // The lower lip of a cavity catches light.
                let lip =
                    libm::exp(-(distance - 0.7) * (distance - 0.7) * 2.0) * ((y - cy) / (r + 0.7)).clamp(0.0, 1.0);
                grey += 0.22 * lip;
            }
            let noisy = grey * exposure + camera * grains.normal();
            pixels.push(noisy.clamp(0.0, 1.0) as f32);
        }
    }
    (pixels, severity as f32)
}
