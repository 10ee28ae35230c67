//! Keys as text: PEM.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Most bytes of a key's text.
const BYTES_MAX: usize = 16 << 10;

/// One block of PEM.
pub(super) struct Block {
    pub(super) label: String,
    pub(super) bytes: Vec<u8>,
}

/// The first block of a text. A block with headers, as encrypted keys have them, has a label and no bytes.
pub(super) fn first_block(text: &str) -> Option<Block> {
    if text.len() > BYTES_MAX {
        return None;
    }
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let digits: String = body.split_ascii_whitespace().collect();
    // Headers have colons, which base64 has not.
    let bytes = if digits.contains(':') { Vec::new() } else { STANDARD.decode(digits).ok()? };
    Some(Block { label: label.to_owned(), bytes })
}
