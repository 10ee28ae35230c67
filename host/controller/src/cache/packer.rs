//! Objects of one kind, compressed against each other: those of one cluster are much alike.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use zstd::bulk::{Compressor, Decompressor};

/// zstd's level: higher ones gain little on objects this small.
const LEVEL: i32 = 3;

/// Most bytes of objects that others are compressed against.
const DICTIONARY_MAX: usize = 16 << 10;

/// Largest share of a dictionary that one object may take, in bytes.
const SAMPLE_MAX: usize = DICTIONARY_MAX / 2;

/// How often as many objects are packed as ever before when a new dictionary is made of those at hand: what is like most
/// objects is known better then.
const GROWTH: u64 = 8;

/// A compressed object.
#[derive(Debug)]
pub(super) struct Packed {
    bytes: Box<[u8]>,
    /// Bytes of its JSON.
    length: u32,
    dictionary: Arc<[u8]>,
}

impl Packed {
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// Packs and unpacks.
#[derive(Debug, Default)]
pub(super) struct Packer {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    dictionary: Arc<[u8]>,
    packed: u64,
    /// Packed objects at which the dictionary is made anew.
    renewed_at: u64,
}

impl Packer {
    /// Packs objects, in their order.
    pub(super) fn pack<K>(&self, objects: &[(K, Arc<Value>)]) -> Vec<Option<Arc<Packed>>> {
        if objects.is_empty() {
            return Vec::new();
        }
        let texts: Vec<Vec<u8>> = objects.iter().map(|(_, json)| json.to_string().into_bytes()).collect();
        let dictionary = self.dictionary(&texts);
        let mut compressor = Compressor::with_dictionary(LEVEL, &dictionary).ok();
        let mut pack = |text: &Vec<u8>| {
            let bytes = compressor.as_mut()?.compress(text).ok()?.into_boxed_slice();
            let length = u32::try_from(text.len()).ok()?;
            Some(Arc::new(Packed { bytes, length, dictionary: Arc::clone(&dictionary) }))
        };
        texts.iter().map(&mut pack).collect()
    }

    /// The object; `None` where it cannot be read, which is said in the log.
    pub(super) fn unpack(packed: &Packed) -> Option<Value> {
        let text = Decompressor::with_dictionary(&packed.dictionary)
            .and_then(|mut decompressor| decompressor.decompress(&packed.bytes, packed.length as usize));
        match text.map(|text| serde_json::from_slice(&text)) {
            Ok(Ok(json)) => Some(json),
            Ok(Err(error)) => said(&error),
            Err(error) => said(&error),
        }
    }

    /// What these are compressed against.
    fn dictionary(&self, texts: &[Vec<u8>]) -> Arc<[u8]> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.packed += texts.len() as u64;
        if state.packed > state.renewed_at {
            state.renewed_at = state.packed * GROWTH;
            state.dictionary = sample(texts);
        }
        Arc::clone(&state.dictionary)
    }
}

/// The longest of these, shortest first: what stands last in a dictionary is found at the smallest price.
fn sample(texts: &[Vec<u8>]) -> Arc<[u8]> {
    let mut by_length: Vec<&Vec<u8>> = texts.iter().filter(|text| text.len() <= SAMPLE_MAX).collect();
    by_length.sort_by_key(|text| std::cmp::Reverse(text.len()));
    let mut room = DICTIONARY_MAX;
    let chosen: Vec<&Vec<u8>> = by_length
        .into_iter()
        .take_while(|text| {
            let fits = text.len() <= room;
            room = room.saturating_sub(text.len());
            fits
        })
        .collect();
    chosen.into_iter().rev().flatten().copied().collect()
}

fn said(error: &dyn std::fmt::Display) -> Option<Value> {
    tracing::error!(%error, "a packed object could not be unpacked");
    None
}
