//! QR codes as SVG and PNG.

use std::fmt::Write as _;

use qrcode::{Color, EcLevel, QrCode};

use crate::{Error, Result};

/// Blank modules around the code that the standard asks for.
const QUIET: usize = 4;

fn matrix(text: &str) -> Result<(usize, Vec<bool>)> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M)
        .map_err(|_| Error::InvalidInput("the text is too long for a QR code".into()))?;
    Ok((
        code.width(),
        code.to_colors()
            .into_iter()
            .map(|c| c == Color::Dark)
            .collect(),
    ))
}

/// An SVG image without script or style, one path, scalable.
///
/// # Errors
/// [`Error::InvalidInput`] for a text over about 2300 bytes.
pub fn svg(text: &str) -> Result<String> {
    let (width, dark) = matrix(text)?;
    let size = width + 2 * QUIET;
    let mut path = String::new();
    for y in 0..width {
        let mut x = 0;
        while x < width {
            let run = (x..width).take_while(|x| dark[y * width + x]).count();
            if run > 0 {
                // Writing to a string does not fail.
                let _ = write!(path, "M{} {}h{run}v1h-{run}z", x + QUIET, y + QUIET);
            }
            x += run.max(1);
        }
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" shape-rendering=\"crispEdges\">\
         <rect width=\"{size}\" height=\"{size}\" fill=\"#fff\"/><path d=\"{path}\" fill=\"#000\"/></svg>"
    ))
}

/// A PNG image with `scale` (1 to 64) pixels for each module.
///
/// # Errors
/// [`Error::InvalidInput`].
pub fn png(text: &str, scale: usize) -> Result<Vec<u8>> {
    if !(1..=64).contains(&scale) {
        return Err(Error::InvalidInput("the scale is 1 to 64".into()));
    }
    let (width, dark) = matrix(text)?;
    let size = (width + 2 * QUIET) * scale;
    let mut pixels = vec![255u8; size * size];
    for (i, _) in dark.iter().enumerate().filter(|d| *d.1) {
        let (x, y) = ((i % width + QUIET) * scale, (i / width + QUIET) * scale);
        for row in y..y + scale {
            pixels[row * size + x..row * size + x + scale].fill(0);
        }
    }
    let failed = |_| Error::InvalidInput("the image is too large".into());
    let mut out = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut out, size as u32, size as u32);
    encoder.set_color(::png::ColorType::Grayscale);
    encoder.set_depth(::png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images() {
        let text = "otpauth://totp/Shop:ada?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Shop";
        let image = svg(text).unwrap();
        assert!(
            image.starts_with("<svg ") && image.ends_with("</svg>") && !image.contains("script")
        );
        assert!(png(text, 4).unwrap().starts_with(b"\x89PNG"));
        assert!(svg(&"x".repeat(5000)).is_err() && png(text, 0).is_err() && png(text, 65).is_err());
    }
}
