# Stands after the commands for authors, in the project that they have made: the other examples of that README, numbered
# by their language in $examples. $checkout is where the README lies.

# Documents: a case has steps, the other is an observation; the JSON is a config of the default policy.
for document in "$examples"/*.yaml; do
  kind=observation
  ! grep -q '^steps:' "$document" || kind=test
  trimtab policy lint --kind "$kind" "$document"
done
trimtab policy lint --kind config --component "$checkout/policies/kubernaut/kubernaut.wasm" "$examples"/*.json

# The first program is the heart of the project, word for word.
grep -v '// …' "$examples/0.rs" | while IFS= read -r line; do
  grep -qxF -- "$line" src/lib.rs || { echo "README: the new project has no line: $line" >&2; exit 1; }
done

# The other two are functions and a test that an author adds to it.
first_of() { sed '/^$/q' "$1"; }
{
  sed "/^impl Policy for Patience {/r $examples/1.rs" src/lib.rs
  echo '#[cfg(test)]'
  echo 'mod examples {'
  echo '    use super::*;'
  sed '1,/^$/d' "$examples/2.rs"
  echo '}'
} > src/changed.rs
first_of "$examples/2.rs" > src/schema.txt
sed "/^impl Policy for Patience {/r src/schema.txt" src/changed.rs > src/lib.rs
rm src/changed.rs src/schema.txt
echo '{}' > config.schema.json
# The first run writes the schema, the build after it has it.
if TRIMTAB_BLESS=1 cargo test --quiet; then
  echo "README: the schema was there before it was written" >&2
  exit 1
fi
cargo test --quiet
