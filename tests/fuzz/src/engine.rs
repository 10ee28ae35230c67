//! libFuzzer's side: a target's own mutator, with libFuzzer's as its tool and its fallback.

use libfuzzer_sys::fuzzer_mutate;

use crate::wasm_mutator::Raw;

/// Changes the first `size` bytes of `data` in place; at most `size_max` remain. Gives the new size.
pub fn mutate(
    data: &mut [u8],
    size: usize,
    size_max: usize,
    change: impl FnOnce(&[u8], Raw<'_>) -> Option<Vec<u8>>,
) -> usize {
    let input = data.get(..size).unwrap_or_default().to_vec();
    let changed = change(&input, &mut |bytes, bytes_max| {
        let bytes_max = bytes_max.max(1);
        let size = bytes.len().min(bytes_max);
        bytes.resize(bytes_max, 0);
        let size = fuzzer_mutate(bytes, size, bytes_max);
        bytes.truncate(size);
    });
    match changed {
        Some(changed) if changed.len() <= size_max && changed != input => {
            let size = changed.len().min(data.len());
            data.iter_mut().zip(&changed).for_each(|(byte, new)| *byte = *new);
            size
        }
        Some(_) | None => fuzzer_mutate(data, size, size_max),
    }
}
