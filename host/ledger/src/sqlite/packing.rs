//! How bodies and blobs are compressed: zstd, with a dictionary of what decisions are like.
//!
//! The dictionary halves a decision's bytes and is faster than none. It is part of the file's format: a frame names the one
//! that it was made with, so this one never changes, and one from before there was any is read as well. It was made of the
//! 317 decisions that the demo recorded, the body of each in a file of its own, with
//! `zstd --train BODIES/* --maxdict=32768 --dictID=1 -o packing.zdict`.

use std::sync::{LazyLock, Mutex, PoisonError};

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::get_frame_content_size;

use super::fault::StoreFault;

const DICTIONARY: &[u8] = include_bytes!("packing.zdict");

/// Little more space than the slowest levels, at a fraction of their time.
const LEVEL: i32 = 1;

/// Most bytes before they are compressed.
const BYTES_MAX: usize = 64 << 20;

/// Most tools that are kept.
const TOOLS_KEPT: usize = 2;

/// Most bytes to be packed that each keeps room for.
const ROOM_KEPT: usize = 64 << 10;

static TO_PACK: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static TO_UNPACK: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

/// What packing needs. Making it costs more than packing a body with it, and it takes most of a megabyte: so a few are kept for
/// all threads.
struct Tools {
    compressor: Compressor<'static>,
    decompressor: Decompressor<'static>,
    /// What is to be packed, while it is written.
    written: Vec<u8>,
}

static TOOLS: Mutex<Vec<Tools>> = Mutex::new(Vec::new());

impl Tools {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            compressor: Compressor::with_prepared_dictionary(&TO_PACK)?,
            decompressor: Decompressor::with_prepared_dictionary(&TO_UNPACK)?,
            written: Vec::new(),
        })
    }
}

/// Works with tools that nobody else uses meanwhile.
fn with_tools<T>(work: impl FnOnce(&mut Tools) -> Result<T, StoreFault>) -> Result<T, StoreFault> {
    let kept = TOOLS.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut tools = match kept {
        Some(tools) => tools,
        None => {
            Tools::new().map_err(|error| StoreFault::Body(format!("there is no room to pack anything: {error}")))?
        }
    };
    let done = work(&mut tools);
    tools.written.clear();
    tools.written.shrink_to(ROOM_KEPT);
    let mut all = TOOLS.lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() < TOOLS_KEPT {
        all.push(tools);
    }
    done
}

/// Packs up to 64 MiB.
pub(crate) fn pack(bytes: &[u8]) -> Result<Vec<u8>, StoreFault> {
    with_tools(|tools| packed(&mut tools.compressor, bytes))
}

/// Packs what is written, up to 64 MiB; the result has with it what the writing returned.
pub(crate) fn pack_written<T>(
    write: impl FnOnce(&mut Vec<u8>) -> Result<T, StoreFault>,
) -> Result<(Vec<u8>, T), StoreFault> {
    with_tools(|Tools { compressor, written, .. }| {
        let returned = write(written)?;
        Ok((packed(compressor, written)?, returned))
    })
}

fn packed(compressor: &mut Compressor<'_>, bytes: &[u8]) -> Result<Vec<u8>, StoreFault> {
    if bytes.len() > BYTES_MAX {
        let text = format!("it has {} bytes, more than the {BYTES_MAX} that are kept", bytes.len());
        return Err(StoreFault::Body(text));
    }
    compressor.compress(bytes).map_err(|error| StoreFault::Body(format!("it cannot be compressed: {error}")))
}

/// What was packed, up to 64 MiB.
pub(crate) fn unpack(packed: &[u8]) -> Result<Vec<u8>, StoreFault> {
    let failed = |why: &dyn std::fmt::Display| StoreFault::Body(format!("its body cannot be decompressed: {why}"));
    let length = match get_frame_content_size(packed) {
        Ok(Some(length)) => usize::try_from(length).unwrap_or(usize::MAX),
        // Frames of this crate say their length.
        Ok(None) => return Err(failed(&"it does not say how long it is")),
        Err(_) => return Err(failed(&"it is no zstd frame")),
    };
    if length > BYTES_MAX {
        return Err(failed(&format_args!("it has {length} bytes, more than the {BYTES_MAX} that are kept")));
    }
    with_tools(|tools| tools.decompressor.decompress(packed, length).map_err(|error| failed(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::tests::fixture;
    use trimtab_core::phase::Phase;

    fn step() -> Vec<u8> {
        let objects = fixture::objects();
        let plan = fixture::plan(&objects, "a", 1, Phase::Executing);
        serde_json::to_vec(&fixture::step(&objects, &plan)).unwrap()
    }

    #[test]
    fn the_dictionary_halves_a_decision() {
        let (step, mut without) = (step(), Compressor::new(LEVEL).unwrap());
        let [with, without] = [pack(&step).unwrap(), without.compress(&step).unwrap()].map(|packed| packed.len());
        assert!(with * 2 <= without, "{} bytes: {with} with, {without} without", step.len());
    }

    #[test]
    fn what_was_packed_is_unpacked_and_so_is_what_was_packed_without_a_dictionary() {
        for text in [step(), Vec::new(), b"short".to_vec(), vec![0; 1 << 20]] {
            assert_eq!(unpack(&pack(&text).unwrap()).unwrap(), text);
            assert_eq!(unpack(&Compressor::new(LEVEL).unwrap().compress(&text).unwrap()).unwrap(), text);
        }
        // A release's ledger is read by every later one: the dictionary never changes.
        assert_eq!(
            crate::sqlite::digest_of(DICTIONARY),
            "sha256:0818cebd364e2d04616bb96e6776ff428a0b9f3864f28fb777e910eccf7fbac0"
        );
    }

    #[test]
    fn what_is_damaged_is_refused() {
        let packed = pack(&step()).unwrap();
        let torn = packed.get(..packed.len() - 1).unwrap();
        let mut other = packed.clone();
        // The number of the dictionary follows four bytes that say what it is, and one of how the rest is laid out.
        *other.get_mut(5).unwrap() ^= 2;
        for damaged in [&[][..], b"{}", torn, &other] {
            let refused = unpack(damaged).unwrap_err().to_string();
            assert!(refused.contains("its body cannot be decompressed"), "{refused}");
        }
        // The length that a frame tells is bounded before there is room made for it.
        let huge = Compressor::new(LEVEL).unwrap().compress(&vec![0; BYTES_MAX + 1]).unwrap();
        assert!(unpack(&huge).unwrap_err().to_string().contains("more than the"), "it was unpacked");
    }
}
