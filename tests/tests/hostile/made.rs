//! The bytes of every hostile guest: read from beside its source, or made here of a few instructions.

use crate::guests::Guest;
use crate::roster::Hostile;
use crate::sandbox::guest;

impl Hostile {
    /// The component, or what is handed over as one.
    pub(crate) fn bytes(self) -> Vec<u8> {
        match self.file() {
            Some(name) => guest(name),
            None => self.made(),
        }
    }

    /// What is made here and not compiled from a source.
    fn made(self) -> Vec<u8> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Garbage => (0..5000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect(),
            Self::Mangled => {
                let mut bytes = Guest::timeouts("(unreachable)").build();
                let middle = bytes.len() / 2;
                bytes[middle..middle + 512].fill(0xff);
                bytes
            }
            Self::Truncated => {
                let mut bytes = Guest::timeouts("(unreachable)").build();
                bytes.truncate(bytes.len() * 2 / 3);
                bytes
            }
            Self::DeepTypes => deep_types(200_000),
            Self::DeepNesting => deep_nesting(5000),
            Self::Multiplied => multiplied(9, 10),
            Self::CoreModule => wat::parse_str("(module (memory 1))").expect("a module"),
            Self::Gigantic => {
                // Zeroed memory that nobody reads is not backed by any.
                let mut bytes = vec![0; 200 << 20];
                bytes[..8].copy_from_slice(b"\0asm\x0d\0\x01\0");
                bytes
            }
            other => other.assembled().build(),
        }
    }

    /// What is made of a few instructions.
    fn assembled(self) -> Guest {
        const TRAP: &str = "(unreachable)";
        match self {
            Self::WrongWorld => {
                let world = "package test:guest; world guest { export other: interface { evaluate: func() -> u32; } }";
                Guest::new(world).without_meta().without_prelude(
                    "(memory (export \"memory\") 1) (func (export \"other#evaluate\") (result i32) (i32.const 1))",
                )
            }
            Self::WrongVersion => Guest::timeouts(TRAP).version("0.2.0"),
            Self::StartLoop => Guest::timeouts(TRAP).part("(func $begin (loop $on (br $on))) (start $begin)"),
            Self::StartTrap => Guest::timeouts(TRAP).part("(func $begin (unreachable)) (start $begin)"),
            Self::DescribeLoop => Guest::timeouts(TRAP).describe("(loop $on (br $on)) (unreachable)"),
            Self::HugeMemory => Guest::timeouts(TRAP).memory("65536"),
            Self::ManyMemories => Guest::timeouts(TRAP).part(&"(memory 1)".repeat(99)),
            Self::ManyTables => Guest::timeouts(TRAP).part(&"(table 1 funcref)".repeat(99)),
            Self::HugeTable => Guest::timeouts(TRAP).part("(table 9000000 funcref)"),
            Self::TableGrowth => Guest::timeouts(
                "(loop $on (drop (table.grow $grown (ref.null func) (i32.const 1000))) (br $on)) (unreachable)",
            )
            .part("(table $grown 1 funcref)"),
            Self::MemoryGrowth => {
                Guest::timeouts("(loop $on (drop (memory.grow (i32.const 16))) (br $on)) (unreachable)")
            }
            Self::Graffiti => graffiti(),
            // Sound for the few bytes of an empty config, so that it strikes in a decision.
            Self::FalseRoom => Guest::timeouts(TRAP)
                .realloc("(select (i32.const -16) (i32.const 786432) (i32.gt_u (local.get 3) (i32.const 16)))"),
            Self::BrokenText => {
                let mut guest = Guest::new("timeouts-policy");
                let address = u32::try_from(guest.bytes(b"\xff\xfe\xc0\xaf")).expect("an address");
                let (schedule, _) = guest.schedule([address, 4]);
                guest.slot("timeouts", &format!("(i32.const {schedule})"))
            }
            Self::Sulks => {
                let mut guest = Guest::new("timeouts-policy");
                let failure = guest.failure(&"Sulk\n".repeat(100), &"no\n".repeat(10_000));
                guest.slot("timeouts", &format!("(i32.const {failure})"))
            }
            Self::FarAnswer => Guest::timeouts("(i32.const -8)"),
            Self::GiantList => {
                let mut guest = Guest::new("timeouts-policy");
                let rule = guest.text("R");
                let (schedule, _) = guest.schedule(rule);
                let lengthen = format!("(i32.store (i32.const {}) (i32.const 40000))", schedule + 16);
                guest.slot("timeouts", &format!("{lengthen} (i32.const {schedule})"))
            }
            Self::BulkWork => Guest::timeouts(
                "(loop $on (memory.fill (i32.const 524288) (i32.const 7) (i32.const 262144)) (br $on)) (unreachable)",
            ),
            Self::SchemaBomb => Guest::timeouts(TRAP).schema(&schema_bomb()),
            Self::SchemaLoop => Guest::timeouts(TRAP).schema(r##"{"allOf":[{"$ref":"#"},{"$ref":"#"}]}"##),
            other => panic!("{other:?} is not made of instructions"),
        }
    }
}

/// Adds up every word of its memory above its own data into its answer, old pages and new ones, then writes over all
/// of them, over its global and into its table.
fn graffiti() -> Guest {
    let mut guest = Guest::new("timeouts-policy");
    let rule = guest.text("Found");
    let (schedule, duration) = guest.schedule(rule);
    let add =
        |value: &str| format!("(i64.store (i32.const {duration}) (i64.add (i64.load (i32.const {duration})) {value}))");
    let body = format!(
        "(local $at i32) (drop (memory.grow (i32.const 16)))
         (local.set $at (i32.const 8192))
         (loop $on
           {}
           (i64.store (local.get $at) (i64.const -6148914691236517206))
           (local.set $at (i32.add (local.get $at) (i32.const 64)))
           (br_if $on (i32.lt_u (local.get $at) (i32.const 65536))))
         (local.set $at (i32.const 1114112))
         (loop $on
           {}
           (i64.store (local.get $at) (i64.const -6148914691236517206))
           (local.set $at (i32.add (local.get $at) (i32.const 64)))
           (br_if $on (i32.lt_u (local.get $at) (i32.mul (memory.size) (i32.const 65536)))))
         {} (global.set $mark (i64.const 77))
         {} (table.set $spots (i32.const 3) (ref.func $begin))
         (i32.const {schedule})",
        add("(i64.load (local.get $at))"),
        add("(i64.load (local.get $at))"),
        add("(global.get $mark)"),
        add("(i64.extend_i32_u (i32.eqz (ref.is_null (table.get $spots (i32.const 3)))))"),
    );
    guest.slot("timeouts", &body).part(
        "(global $mark (mut i64) (i64.const 0)) (table $spots 8 funcref) (func $begin) (elem declare func $begin)",
    )
}

/// Thirty definitions, each of which asks the next one twice.
fn schema_bomb() -> String {
    let step = |number: u32| {
        format!(r##""s{number}":{{"allOf":[{{"$ref":"#/$defs/s{0}"}},{{"$ref":"#/$defs/s{0}"}}]}}"##, number + 1)
    };
    let steps: Vec<_> = (0..30).map(step).collect();
    format!(r##"{{"$ref":"#/$defs/s0","$defs":{{{},"s30":{{"type":"object"}}}}}}"##, steps.join(","))
}

/// Begins every component.
const HEAD: [u8; 8] = *b"\0asm\x0d\0\x01\0";

/// A number as WebAssembly writes it.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).expect("seven bits");
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A section of a component.
fn with_section(id: u8, content: &[u8]) -> Vec<u8> {
    [HEAD.as_slice(), &[id], &leb(content.len()), content].concat()
}

/// A component with a type of a component with a type of a component, so deep: three bytes for each.
fn deep_types(depth: usize) -> Vec<u8> {
    with_section(7, &[vec![1], [0x41, 1, 1].repeat(depth), vec![0x41, 0]].concat())
}

/// A component within a component, so deep.
fn deep_nesting(depth: usize) -> Vec<u8> {
    (0..depth).fold(HEAD.to_vec(), |inner, _| with_section(4, &inner))
}

/// A component of a few hundred bytes with this many instances to the power of its levels.
fn multiplied(levels: usize, often: usize) -> Vec<u8> {
    let mut text = "(core module $m) (core instance (instantiate $m))".to_owned();
    for level in 0..levels {
        let instances = format!("(instance (instantiate $c{level}))").repeat(often);
        text = format!("(component $c{level} {text}) {instances}");
    }
    wat::parse_str(format!("(component {text})")).expect("a component")
}
