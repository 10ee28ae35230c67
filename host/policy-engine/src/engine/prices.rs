//! What each WebAssembly operator costs in fuel.
//!
//! The list is ours, so that the same component uses the same fuel whatever the engine's own defaults
//! become. Work that the engine does in a library call is priced by what it takes, or fuel would not
//! strike before the clock.

use serde_json::Value;
use wasmtime::OperatorCost;

use super::EngineError;

/// Every operator that is not named below.
const PRICE: u8 = 1;

/// Operators that generate no code, or only a branch.
const FREE: [&str; 8] = ["Nop", "Drop", "Block", "Loop", "Unreachable", "Return", "Else", "End"];

/// Operators that are library calls.
const LIBRARY: [(&str, u8); 14] = [
    ("MemoryGrow", 250),
    ("MemoryCopy", 20),
    ("MemoryFill", 20),
    ("MemoryInit", 20),
    ("DataDrop", 20),
    ("TableGrow", 250),
    ("TableCopy", 20),
    ("TableFill", 20),
    ("TableInit", 20),
    ("TableGet", 10),
    ("TableSet", 10),
    ("ElemDrop", 20),
    ("CallIndirect", 5),
    ("ReturnCallIndirect", 5),
];

/// Surcharge for each byte, element or page, by the fields of `VariableOperatorCost`.
const BY_SIZE: [(&str, u8); 8] = [
    ("memory_copy_per_byte", 1),
    ("memory_fill_per_byte", 1),
    ("memory_init_per_byte", 1),
    ("memory_grow_per_page", 250),
    ("table_copy_per_element", 1),
    ("table_fill_per_element", 1),
    ("table_init_per_element", 1),
    ("table_grow_per_element", 1),
];

/// The price list.
pub(super) fn prices() -> Result<OperatorCost, EngineError> {
    let unusable = |detail: String| EngineError::Prices { detail };
    let mut table = serde_json::to_value(OperatorCost::new()).map_err(|error| unusable(error.to_string()))?;
    let fields = table.as_object_mut().ok_or_else(|| unusable("the engine's list is no table".to_owned()))?;
    for (_, price) in fields.iter_mut().filter(|(name, _)| *name != "variable") {
        *price = Value::from(PRICE);
    }
    let named = FREE.iter().map(|name| (*name, 0)).chain(LIBRARY);
    for (name, price) in named {
        let field = fields.get_mut(name).ok_or_else(|| unusable(format!("no operator is called {name}")))?;
        *field = Value::from(price);
    }
    let variable = fields.get_mut("variable").ok_or_else(|| unusable("there are no prices by size".to_owned()))?;
    for (name, price) in BY_SIZE {
        let field = variable.get_mut(name).ok_or_else(|| unusable(format!("no price by size is called {name}")))?;
        *field = Value::from(price);
    }
    serde_json::from_value(table).map_err(|error| unusable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_has_our_price_and_none_the_engines_default() {
        let prices = prices().unwrap();
        assert_eq!((prices.Nop, prices.I32Add, prices.MemoryGrow, prices.Call), (0, 1, 250, 1));
        assert_eq!((prices.variable.memory_copy_per_byte, prices.variable.memory_grow_per_page), (1, 250));
    }
    /// Every operator and surcharge with its price, one a line.
    fn listed() -> String {
        let table = serde_json::to_value(prices().unwrap()).unwrap();
        let mut lines: Vec<String> = Vec::new();
        for (name, price) in table.as_object().unwrap() {
            let rows = match price {
                Value::Object(by_size) => by_size.iter().collect(),
                one => vec![(name, one)],
            };
            lines.extend(rows.into_iter().map(|(name, price)| format!("{name}\t{price}\n")));
        }
        lines.sort();
        lines.concat()
    }

    /// A price that changes makes every recorded decision another one, and an operator that is new would have a price
    /// that nobody has thought about.
    #[test]
    fn the_price_list_is_the_committed_one() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/prices.tsv");
        if std::env::var("UPDATE").is_ok() {
            std::fs::write(&path, listed()).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap();
        let (found, committed): (Vec<_>, Vec<_>) =
            (listed().lines().map(str::to_owned).collect(), committed.lines().collect());
        let differing: Vec<_> = found.iter().filter(|line| !committed.contains(&line.as_str())).collect();
        assert!(differing.is_empty(), "not priced in tests/corpus/prices.tsv (UPDATE=1 writes it): {differing:?}");
        assert_eq!(found.len(), committed.len(), "an operator is gone: UPDATE=1 writes tests/corpus/prices.tsv");
    }
}
