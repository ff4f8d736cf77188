//! A contact sheet: one picture in several styles side by side, each with its name below.

use font8x8::UnicodeFonts;
use image::imageops::{self, FilterType};
use image::{DynamicImage, Rgb, RgbImage};

/// No tile is wider or higher.
const TILE_PX: u32 = 480;

/// Between the tiles, and around all of them.
const GAP_PX: u32 = 12;

/// A letter of the font has 8 x 8 dots, each so many pixels wide and high.
const DOT_PX: u32 = 2;
const LABEL_PX: u32 = 8 * DOT_PX + GAP_PX;

const PAPER: Rgb<u8> = Rgb([24, 24, 24]);
const INK: Rgb<u8> = Rgb([232, 232, 232]);

/// Lays the tiles out in rows of `columns`; without, nearly as many as fit into a square.
pub fn lay_out(tiles: &[(String, DynamicImage)], columns: Option<usize>) -> DynamicImage {
    let small: Vec<_> = tiles.iter().map(|(label, picture)| (label, fit(picture))).collect();
    let [width, height] =
        [small.iter().map(|(_, tile)| tile.width()).max(), small.iter().map(|(_, tile)| tile.height()).max()]
            .map(Option::unwrap_or_default);
    let square = (tiles.len() as f64).sqrt().ceil() as usize;
    let columns = columns.unwrap_or(square).max(1) as u32;
    let rows = (tiles.len() as u32).div_ceil(columns);
    let (step_x, step_y) = (width + GAP_PX, height + LABEL_PX + GAP_PX);
    let mut sheet = RgbImage::from_pixel(columns * step_x + GAP_PX, rows * step_y + GAP_PX, PAPER);
    for (number, (label, tile)) in small.iter().enumerate() {
        let (column, row) = (number as u32 % columns, number as u32 / columns);
        let (x, y) = (GAP_PX + column * step_x, GAP_PX + row * step_y);
        imageops::replace(&mut sheet, tile, i64::from(x), i64::from(y));
        write(&mut sheet, label, (x, y + height + GAP_PX / 2), width);
    }
    DynamicImage::ImageRgb8(sheet)
}

/// The picture as a tile; a small one stays as it is.
fn fit(picture: &DynamicImage) -> RgbImage {
    match picture.width().max(picture.height()) > TILE_PX {
        true => picture.resize(TILE_PX, TILE_PX, FilterType::Triangle).into_rgb8(),
        false => picture.to_rgb8(),
    }
}

/// Writes one line, as much of it as fits; what the font lacks is left out.
fn write(sheet: &mut RgbImage, text: &str, (x, y): (u32, u32), width: u32) {
    for (place, letter) in text.chars().take((width / (8 * DOT_PX)) as usize).enumerate() {
        let rows = font8x8::BASIC_FONTS.get(letter).or_else(|| font8x8::LATIN_FONTS.get(letter)).unwrap_or_default();
        for (row, dots) in (0u32..).zip(rows) {
            for dot in (0..8).filter(|dot| dots >> dot & 1 == 1) {
                let (left, top) = (x + (place as u32 * 8 + dot) * DOT_PX, y + row * DOT_PX);
                for (right, down) in (0..DOT_PX).flat_map(|right| (0..DOT_PX).map(move |down| (right, down))) {
                    sheet.put_pixel(left + right, top + down, INK);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tile_has_its_place_and_its_name() {
        let grey = |level| DynamicImage::ImageRgb8(RgbImage::from_pixel(960, 540, Rgb([level; 3])));
        let tiles = [("as it is".to_string(), grey(50)), ("a style".into(), grey(100)), ("ümläut".into(), grey(150))];
        let sheet = lay_out(&tiles, None).into_rgb8();
        let (step_x, step_y) = (480 + GAP_PX, 270 + LABEL_PX + GAP_PX);
        assert_eq!((sheet.width(), sheet.height()), (2 * step_x + GAP_PX, 2 * step_y + GAP_PX));
        for (level, column, row) in [(50, 0, 0), (100, 1, 0), (150, 0, 1)] {
            let (x, y) = (GAP_PX + column * step_x, GAP_PX + row * step_y);
            assert_eq!(sheet.get_pixel(x + 240, y + 135), &Rgb([level; 3]));
            let below = (x..x + 200).flat_map(|x| (y + 270..y + 270 + LABEL_PX).map(move |y| (x, y)));
            assert!(below.filter(|(x, y)| sheet.get_pixel(*x, *y) == &INK).count() > 100, "a name of {level}");
        }
        assert_eq!(sheet.get_pixel(GAP_PX + step_x + 240, GAP_PX + step_y + 135), &PAPER);
    }
}
