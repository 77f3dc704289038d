# shellcheck shell=bash
# One look at a domain: what xl says, its console, and an answer to each probe until the first that fails.
#   MARK NAMESPACE UUID CONSOLE FROM XL_LOG SECONDS [KIND ADDRESS PORT REQUEST]…
# Each section is a line "MARK NAME", then its text, and a newline before the next. bash, for its /dev/tcp: no other program
# is needed, and each one is time that a new version waits.
set -u -o pipefail
mark=$1 namespace=$2 uuid=$3 console=$4 from=$5 log=$6 seconds=$7
shift 7
section() { printf '\n%s %s\n' "$mark" "$*"; }
within() { if [ -n "$namespace" ]; then ip netns exec "$namespace" "$@"; else "$@"; fi; }
# shellcheck disable=SC2016 # these are the inner shell's
try() {
  case $1 in
  ping) within ping -c 1 -W "$seconds" "$2" >/dev/null ;;
  tcp) within timeout "$seconds" bash -c ': <>"/dev/tcp/$1/$2"' bash "$2" "$3" ;;
  http) within timeout "$seconds" bash -c \
    'exec 3<>"/dev/tcp/$1/$2" && printf %s "$3" >&3 && exec cat <&3' bash "$2" "$3" "$4" | head -c 65536 ;;
  esac 2>/dev/null
}
# Debian's xl is a script of several processes that looks for the one of the running Xen.
xl=xl
if [ -r /sys/hypervisor/version/major ] && read -r major </sys/hypervisor/version/major &&
  read -r minor </sys/hypervisor/version/minor && [ -x "/usr/lib/xen-$major.$minor/bin/xl" ]; then
  xl=/usr/lib/xen-$major.$minor/bin/xl
fi
domains=$("$xl" list -v) || exit 4
while read -r line; do
  case $line in *"$uuid"*) section listed && echo "$line" ;; esac
done <<<"$domains"
section console
tail -c "+$((from + 1))" -- "$console" 2>/dev/null | tail -c 65536
section log
tail -c 4096 -- "$log" 2>/dev/null
at=0
while [ $# -gt 0 ]; do
  section answer $at
  try "$@"
  result=$?
  if [ $result = 0 ]; then section ok $at; else section no $at; fi
  # What was read of HTTP before the time was over (124) may be all of it: some servers keep the connection open. 141: there
  # was more than is read.
  case "$1 $result" in *" 0" | "http 124" | "http 141") ;; *) break ;; esac
  at=$((at + 1))
  shift 4
done
section end
