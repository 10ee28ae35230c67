# The two commands of the README's first page, and a few for developers.

.PHONY: demo test quick components bench

# Two dozen incidents on an embedded cluster, in about a minute.
demo:
	cargo run --locked -p trimtab -- demo $(ARGS)

# Everything that a change has to pass; needs Go for the real API server.
test:
	tests/run

# Without Go, apt and the kill campaign: for people.
quick:
	tests/run --quick

# Rebuilds the policy components that are checked in.
components:
	policies/toolchain/build

# Prints how long decisions take and the ratio to native, and how many steps the ledger takes and the ratio to bare INSERTs.
bench:
	cargo bench --locked -p trimtab-policy-engine
	cargo bench --locked -p trimtab-ledger
