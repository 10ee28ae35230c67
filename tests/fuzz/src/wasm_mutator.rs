//! Changes WebAssembly by its sections, so that what comes out is not cut off at its first byte.

use crate::chance::Chance;

/// Magic and version.
const HEADER_BYTES: usize = 8;
/// How deep modules and components within components are looked into.
const DEPTH_MAX: usize = 4;
/// Sections of a component that hold a module or component.
const NESTED: [u8; 2] = [1, 4];
/// Most sections of one binary that are told apart.
const SECTIONS_MAX: usize = 4096;

/// Changes bytes in place, up to this many; libFuzzer's own mutator.
pub type Raw<'a> = &'a mut dyn FnMut(&mut Vec<u8>, usize);

#[derive(Debug, Clone)]
struct Section {
    id: u8,
    payload: Vec<u8>,
}

/// A changed binary of at most `bytes_max` bytes; `None` where the input has no sections.
pub fn mutate(input: &[u8], bytes_max: usize, seed: u32, raw: Raw<'_>) -> Option<Vec<u8>> {
    let mut chance = Chance::new(seed);
    let changed = change(input, bytes_max, &mut chance, raw, DEPTH_MAX)?;
    (changed.len() <= bytes_max).then_some(changed)
}

fn change(input: &[u8], bytes_max: usize, chance: &mut Chance, raw: Raw<'_>, depth: usize) -> Option<Vec<u8>> {
    let (header, mut sections) = split(input)?;
    let is_component = header.get(6) == Some(&1);
    let nested: Vec<usize> = (0..sections.len())
        .filter(|place| is_component && sections.get(*place).is_some_and(|section| NESTED.contains(&section.id)))
        .collect();
    let inner = chance.one_of(&nested).copied().filter(|_| depth > 0 && chance.below(2) == 0);
    if let Some(section) = inner.and_then(|place| sections.get_mut(place))
        && let Some(changed) = change(&section.payload, bytes_max, chance, raw, depth - 1)
    {
        section.payload = changed;
        return Some(join(header, &sections));
    }
    let (one, other) = (chance.below(sections.len()), chance.below(sections.len() + 1));
    match chance.below(8) {
        0 => drop(sections.remove(one)),
        1 => sections.insert(other, sections.get(one)?.clone()),
        2 => sections.swap(one, other.saturating_sub(1)),
        3 => sections.get_mut(one)?.id = u8::try_from(chance.below(14)).ok()?,
        _ => {
            let section = sections.get_mut(one)?;
            let room = bytes_max.saturating_sub(input.len()).saturating_add(section.payload.len());
            raw(&mut section.payload, room);
        }
    }
    Some(join(header, &sections))
}

fn split(input: &[u8]) -> Option<(&[u8], Vec<Section>)> {
    let (header, mut rest) = input.split_at_checked(HEADER_BYTES)?;
    if !header.starts_with(b"\0asm") {
        return None;
    }
    let mut sections = Vec::new();
    while let Some((id, after)) = rest.split_first() {
        let (size, after) = leb(after)?;
        let (payload, after) = after.split_at_checked(size)?;
        sections.push(Section { id: *id, payload: payload.to_vec() });
        rest = after;
    }
    (1..=SECTIONS_MAX).contains(&sections.len()).then_some((header, sections))
}

fn join(header: &[u8], sections: &[Section]) -> Vec<u8> {
    let mut bytes = header.to_vec();
    for section in sections {
        bytes.push(section.id);
        put_leb(section.payload.len(), &mut bytes);
        bytes.extend_from_slice(&section.payload);
    }
    bytes
}

fn leb(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_usize;
    for (place, byte) in bytes.iter().take(5).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(place + 1..)?));
        }
    }
    None
}

fn put_leb(mut value: usize, bytes: &mut Vec<u8>) {
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_joined_to_what_they_were() {
        let component = crate::guest::echo();
        let (header, sections) = split(&component).expect("a component has sections");
        assert!(sections.iter().any(|section| NESTED.contains(&section.id)));
        let (_, again) =
            split(&join(header, &sections)).map(|(header, sections)| (header.to_vec(), sections)).expect("joined");
        assert_eq!(again.len(), sections.len());
    }

    #[test]
    fn a_changed_component_still_has_sections() {
        let component = crate::guest::echo();
        let mut raw = |bytes: &mut Vec<u8>, _: usize| {
            if let Some(byte) = bytes.first_mut() {
                *byte ^= 1;
            }
        };
        for seed in 0..200 {
            let changed = mutate(&component, 1 << 20, seed, &mut raw).expect("it has sections");
            assert!(split(&changed).is_some(), "seed {seed}");
        }
    }
}
