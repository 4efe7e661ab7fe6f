//! PNG bytes and base64.

use base64::Engine as _;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder as _};

/// Encodes pixels; empty when the encoder refuses them (a side of zero).
pub(crate) fn encode(pixels: &[u8], width: usize, height: usize, kind: ExtendedColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive);
    if encoder.write_image(pixels, width as u32, height as u32, kind).is_err() {
        bytes.clear();
    }
    bytes
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
