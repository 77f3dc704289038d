# shellcheck shell=bash
# One look at a domain: what xl says, its console, and an answer to each probe until the first that fails.
#   NAMESPACE UUID CONSOLE FROM XL_LOG SECONDS [KIND ADDRESS PORT REQUEST]…
# Each section is a line "= NAME", then its text in base64. bash, for its /dev/tcp: no other program is needed.
set -u -o pipefail
namespace=$1 uuid=$2 console=$3 from=$4 log=$5 seconds=$6
shift 6
section() { echo "= $1"; base64; }
within() { if [ -n "$namespace" ]; then ip netns exec "$namespace" "$@"; else "$@"; fi; }
# shellcheck disable=SC2016 # these are the inner shell's
try() {
  case $1 in
  ping) within ping -c 1 -W "$seconds" "$2" >/dev/null ;;
  tcp) within timeout "$seconds" bash -c ': <>"/dev/tcp/$1/$2"' bash "$2" "$3" ;;
  http) within timeout "$seconds" bash -c \
    'exec 3<>"/dev/tcp/$1/$2" && printf %s "$3" >&3 && cat <&3' bash "$2" "$3" "$4" | head -c 65536 ;;
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
  case $line in *"$uuid"*) section listed <<<"$line" ;; esac
done <<<"$domains"
tail -c "+$((from + 1))" -- "$console" 2>/dev/null | tail -c 65536 | section console
tail -c 4096 -- "$log" 2>/dev/null | section log
while [ $# -gt 0 ]; do
  answer=$(try "$@" | base64)
  result=$?
  if [ $result = 0 ]; then echo "= ok"; else echo "= no"; fi
  echo "$answer"
  # What was read of HTTP before the time was over may be all of it: some servers keep the connection open.
  [ $result = 0 ] || { [ "$1" = http ] && [ -n "$answer" ]; } || break
  shift 4
done
