# shellcheck shell=sh
# Starts switch.sh (which is $0) in a session of its own, so that it outlives the connection, and tells how the
# switch went: "PHASE WAY" on the last line. The drain goes on by itself.
#   DOMAIN TOKEN …   the arguments of `switch.sh run`
dir=/run/pulumi-xen/swap/$1
[ -d "$dir" ] || mkdir -p "$dir"
# The token first: who drains sees it, and gives the lock up.
echo "$2" >"$dir/token.new" && mv "$dir/token.new" "$dir/token"
exec 9>"$dir/lock"
flock -w 60 9 || { echo "another switch of this domain goes on" >&2; exit 1; }
# Until it has told, or is dead: then nobody has the pipe any more.
told=$(setsid sh -c "$0" switch run "$@" 3>&1 </dev/null >"$dir/log" 2>&1 &)
cat "$dir/log" >&2
echo "$told"
[ -n "$told" ]
