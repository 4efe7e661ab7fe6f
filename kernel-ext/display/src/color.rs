//! The theme's colours: distinguishable with every common colour blindness, legible on their own near-white ground.

/// A colour with opacity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Color {
    /// Red, green, blue.
    pub rgb: [u8; 3],
    /// 0 (invisible) to 1.
    pub alpha: f64,
}

impl Color {
    /// An opaque colour from `0xRRGGBB`.
    pub const fn hex(value: u32) -> Self {
        Self { rgb: [(value >> 16) as u8, (value >> 8) as u8, value as u8], alpha: 1.0 }
    }

    /// The same colour with another opacity.
    #[must_use]
    pub const fn fade(self, alpha: f64) -> Self {
        Self { rgb: self.rgb, alpha }
    }

    pub(crate) fn css(self) -> String {
        let [r, g, b] = self.rgb;
        format!("#{r:02x}{g:02x}{b:02x}")
    }

    /// Is black text on it easier to read than white text?
    pub(crate) fn is_light(self) -> bool {
        let linear = self.rgb.map(|c| (f64::from(c) / 255.0).powf(2.2));
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.18
    }
}

pub(crate) const GROUND: Color = Color::hex(0xfc_fc_fb);
pub(crate) const INK: Color = Color::hex(0x1f_24_2a);
pub(crate) const SOFT: Color = Color::hex(0x55_5e_68);
pub(crate) const GRID: Color = Color::hex(0xe3_e6_e9);
pub(crate) const AXIS: Color = Color::hex(0x9a_a2_ab);

/// Okabe and Ito's palette, darkened where it is too pale on white; series take them in this order.
pub(crate) const PALETTE: [Color; 8] = [
    Color::hex(0x00_72_b2), // blue
    Color::hex(0xd5_5e_00), // vermilion
    Color::hex(0x00_9e_73), // green
    Color::hex(0xcc_79_a7), // purple
    Color::hex(0xe6_9f_00), // orange
    Color::hex(0x56_b4_e9), // sky
    Color::hex(0x3d_3d_3d), // near-black
    Color::hex(0xb8_a9_00), // yellow, darkened
];

/// Marks of failures and other events.
pub(crate) const ALERT: Color = Color::hex(0xb0_21_2b);

/// Anchors of a sequential map whose lightness rises evenly (read with all colour blindnesses and in grey).
const SEQUENTIAL: [u32; 9] =
    [0x44_01_54, 0x47_2d_7b, 0x3b_52_8b, 0x2c_72_8e, 0x21_91_8c, 0x28_ae_80, 0x5e_c9_62, 0xad_dc_30, 0xfd_e7_25];
/// Anchors of a diverging map: blue below, white at the middle, vermilion above.
const DIVERGING: [u32; 7] = [0x05_46_7a, 0x2f_80_bd, 0x9c_c6_e2, 0xf7_f7_f7, 0xf5_bd_8c, 0xdd_74_22, 0x99_3d_00];
/// White to blue, for counts.
const COUNTS: [u32; 5] = [0xf6_f9_fc, 0xc4_dc_ee, 0x7f_b3_d8, 0x2f_80_bd, 0x06_4a_80];

/// How a matrix value becomes a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ramp {
    Sequential,
    Diverging,
    Counts,
}

impl Ramp {
    /// The colour at `t` in `[0, 1]`.
    pub(crate) fn at(self, t: f64) -> Color {
        let anchors: &[u32] = match self {
            Self::Sequential => &SEQUENTIAL,
            Self::Diverging => &DIVERGING,
            Self::Counts => &COUNTS,
        };
        let place = t.clamp(0.0, 1.0) * (anchors.len() - 1) as f64;
        let low = (place as usize).min(anchors.len() - 2);
        let (a, b) = (Color::hex(anchors[low]).rgb, Color::hex(anchors[low + 1]).rgb);
        let part = place - low as f64;
        let rgb = std::array::from_fn(|i| (f64::from(a[i]) + part * (f64::from(b[i]) - f64::from(a[i]))).round() as u8);
        Color { rgb, alpha: 1.0 }
    }
}
