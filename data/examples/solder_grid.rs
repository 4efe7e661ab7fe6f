//! A grid of solder joints as a PGM picture on standard output: `cargo run -p lathe-data --example solder_grid > grid.pgm`

use std::io::Write;

fn main() -> std::io::Result<()> {
    let (columns, rows, side) = (10, 10, 28);
    let images = data::images::solder_joints(7, columns * rows / 2 * 2);
    let mut out = std::io::stdout().lock();
    write!(out, "P5\n{} {}\n255\n", columns * side, rows * side)?;
    for y in 0..rows * side {
        for x in 0..columns * side {
            let image = images.image(y / side * columns + x / side);
            out.write_all(&[(image[y % side * side + x % side] * 255.0) as u8])?;
        }
    }
    out.flush()
}
