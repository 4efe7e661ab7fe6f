//! PNG bytes and base64.

use std::collections::HashMap;

use base64::Engine as _;
use image::ExtendedColorType;
use png::{BitDepth, ColorType, Compression, Encoder, Filter};

/// Encodes pixels as they are; empty when the encoder refuses them (a side of zero).
pub(crate) fn encode(pixels: &[u8], width: usize, height: usize, kind: ExtendedColorType) -> Vec<u8> {
    let color = match kind {
        ExtendedColorType::L8 => ColorType::Grayscale,
        ExtendedColorType::Rgb8 => ColorType::Rgb,
        _ => ColorType::Rgba,
    };
    write(width, height, color, pixels, None)
}

/// Encodes a drawing with at most 256 colours, which makes it a quarter as large: notebooks store figures.
/// Pictures with many more colours stay as they are.
pub(crate) fn encode_drawing(rgba: &[u8], width: usize, height: usize) -> Vec<u8> {
    let Some((palette, indices)) = index(rgba) else {
        return write(width, height, ColorType::Rgba, rgba, None);
    };
    write(width, height, ColorType::Indexed, &indices, Some(&palette))
}

fn write(width: usize, height: usize, color: ColorType, data: &[u8], palette: Option<&[[u8; 4]]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    // Indexed drawings are small already, and saved in notebooks; the rest is embedded or replaced within seconds.
    encoder.set_compression(if palette.is_some() { Compression::Balanced } else { Compression::Fast });
    encoder.set_filter(if palette.is_some() { Filter::NoFilter } else { Filter::Adaptive });
    if let Some(palette) = palette {
        encoder.set_palette(palette.iter().flat_map(|c| [c[0], c[1], c[2]]).collect::<Vec<u8>>());
        encoder.set_trns(palette.iter().map(|c| c[3]).collect::<Vec<u8>>());
    }
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(data)?;
        writer.finish()
    });
    if written.is_err() {
        bytes.clear();
    }
    bytes
}

/// Colours coarser than this many bits a channel would show.
const FEWEST_BITS: u32 = 5;
/// More colour classes than this at the fewest bits: a photograph, not a drawing.
const DRAWING: usize = 1500;

/// A palette of at most 256 colours and each pixel's place in it: the finest classes of colours of which 256 suffice, or the
/// most frequent ones. Each class is shown by its most frequent member, so flat areas keep their exact colour.
fn index(rgba: &[u8]) -> Option<(Vec<[u8; 4]>, Vec<u8>)> {
    let mut counts: HashMap<u32, u32> = HashMap::new();
    let pixel = |p: &[u8]| u32::from_le_bytes([p[0], p[1], p[2], p[3]]);
    // Long runs of one colour are the rule: count runs, not pixels.
    for run in rgba.as_chunks::<4>().0.chunk_by(|a, b| a == b) {
        *counts.entry(pixel(&run[0])).or_default() += run.len() as u32;
    }
    let mut colors: Vec<(u32, u32)> = counts.iter().map(|(c, n)| (*n, *c)).collect();
    colors.sort_unstable_by_key(|(n, c)| (std::cmp::Reverse(*n), *c));
    let mut bits = 8;
    let classes = loop {
        let mask = u32::from_ne_bytes([(0xff00_u32 >> bits) as u8; 4]);
        // The most frequent colour of each class, in order of frequency.
        let mut classes: HashMap<u32, u8> = HashMap::new();
        let mut palette: Vec<[u8; 4]> = Vec::new();
        for (_, color) in &colors {
            if palette.len() < 256 && !classes.contains_key(&(color & mask)) {
                classes.insert(color & mask, palette.len() as u8);
                palette.push(color.to_le_bytes());
            }
        }
        let all: std::collections::HashSet<u32> = colors.iter().map(|(_, c)| c & mask).collect();
        if all.len() <= 256 || bits == FEWEST_BITS {
            if all.len() > DRAWING {
                return None;
            }
            break (palette, classes, mask);
        }
        bits -= 1;
    };
    let (palette, classes, mask) = classes;
    let mut place: HashMap<u32, u8> = HashMap::with_capacity(colors.len());
    for (_, color) in &colors {
        let at = classes.get(&(color & mask)).copied().unwrap_or_else(|| nearest(&palette, color.to_le_bytes()));
        place.insert(*color, at);
    }
    let mut indices = Vec::with_capacity(rgba.len() / 4);
    for run in rgba.as_chunks::<4>().0.chunk_by(|a, b| a == b) {
        let at = place.get(&pixel(&run[0])).copied().unwrap_or(0);
        indices.resize(indices.len() + run.len(), at);
    }
    Some((palette, indices))
}

fn nearest(palette: &[[u8; 4]], color: [u8; 4]) -> u8 {
    let distance = |other: &[u8; 4]| {
        other.iter().zip(color).map(|(a, b)| i32::from(*a).abs_diff(i32::from(b)).pow(2)).sum::<u32>()
    };
    palette.iter().enumerate().min_by_key(|(_, other)| distance(other)).map_or(0, |(at, _)| at as u8)
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_colours_are_kept_exactly() {
        let pixels: Vec<u8> = (0..64_u8).flat_map(|i| [i, 255 - i, 7, 255]).collect();
        let decoded = image::load_from_memory(&encode_drawing(&pixels, 8, 8)).unwrap().to_rgba8();
        assert_eq!(decoded.as_raw(), &pixels);
    }

    #[test]
    fn many_colours_are_kept_nearly_and_flat_ones_exactly() {
        let mut pixels: Vec<u8> = [252, 252, 251, 255].repeat(4000);
        for i in 0..4000_u32 {
            pixels.extend([(i % 250) as u8, (i % 250 / 2) as u8, (i % 7) as u8, 255]);
        }
        let bytes = encode_drawing(&pixels, 80, 100);
        let decoded = image::load_from_memory(&bytes).unwrap().to_rgba8();
        assert_eq!(decoded.as_raw()[..16_000], pixels[..16_000]);
        let worst = decoded.as_raw().iter().zip(&pixels).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(16), "{worst:?}");
    }

    #[test]
    fn a_photograph_is_not_reduced() {
        let pixels: Vec<u8> = (0..10_000_u32)
            .flat_map(|i| [((i * 7919) >> 3) as u8, ((i * 104_729) >> 5) as u8, ((i * 31) >> 1) as u8, 255])
            .collect();
        assert_eq!(image::load_from_memory(&encode_drawing(&pixels, 100, 100)).unwrap().to_rgba8().as_raw(), &pixels);
    }
}
