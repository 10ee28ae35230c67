# Stands before the commands of a README when they are run as a test. Each function says what is done instead of a
# command, and why; every other command runs as it is written.
set -euo pipefail
trap 'echo "README: line failed: $BASH_COMMAND" >&2' ERR

# The two commands of the first page: the demo runs without the build, and the tests are what is running now.
make() {
  case "$*" in
    demo) trimtab demo ;;
    test) ;;
    *) echo "README: make $* is not known here" >&2; return 1 ;;
  esac
}

# The program is there already, built for the tests.
cargo() {
  [ "$*" = "build --release -p trimtab" ] || command cargo "$@"
}

# Rebuilds components in the checkout: the lane before this one has done that.
policies/toolchain/build() { :; }

# What runs until it is stopped is stopped once it is ready. Ports are free ones, since 9090 may be taken.
trimtab() {
  case $1 in
    run) until_ready running "$@" --metrics-address 127.0.0.1:0 --health-address 127.0.0.1:0 --data "$README_DATA" ;;
    cluster) until_ready "cluster ready" "$@" --data "$README_DATA" ;;
    *) command trimtab "$@" ;;
  esac
}

until_ready() {
  local ready=$1 log program code=0
  shift
  log=$(mktemp)
  command trimtab "$@" --log-format json 2> "$log" &
  program=$!
  until grep -q "\"message\":\"$ready\"" "$log"; do
    if ! kill -0 "$program" 2> /dev/null; then
      cat "$log" >&2
      return 1
    fi
    sleep 0.05
  done
  kill -TERM "$program"
  wait "$program" || code=$?
  [ "$code" = 0 ] || cat "$log" >&2
  return "$code"
}
