# Runs a program until it ends or this script's standard input does, whichever
# comes first, so that it never outlives whoever holds that input.
#   sh -c "$(cat supervise.sh)" supervise FOLDER PROGRAM [ARGUMENT]...
# FOLDER is removed at the end, unless it is empty.
folder=$1
shift
exec 3<&0
"$@" 3<&- </dev/null &
program=$!
# Whoever read the output may be gone by the end, where the shell itself reports
# the killed program; that must not end it before the folder is removed.
trap '' PIPE
(
    cat <&3
    kill -9 "$program" 2>/dev/null
) >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$program"
status=$?
kill "$watcher" 2>/dev/null
if [ -n "$folder" ]; then rm -rf "$folder"; fi
exit "$status"
