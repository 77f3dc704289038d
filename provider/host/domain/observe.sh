# Everything about one domain of a host, in one round trip: sent on standard input to
# `sh -s -- MARK DIRECTORY NAME UUID [QUESTION…]`. UUID is one that is the domain's beside those of the store ("" for none).
# A question is "file PATH" or "kernel PATH" (with its SHA-256). Changes nothing.
mark=$1 directory=$2 name=$3 known=$4
shift 4
export LC_ALL=C PATH="/usr/sbin:/usr/bin:/sbin:/bin:$PATH"
section() { printf '\n%s %s\n' "$mark" "$*"; }

# What a command of a killed run still does is waited for: only then the host holds still.
if [ -f "$directory/busy" ]; then
  exec 9<"$directory/busy"
  flock -w 300 9 || { echo "a command of an earlier run still works on $directory" >&2; exit 75; }
fi

section capabilities
[ -r /proc/xen/capabilities ] && read -r line </proc/xen/capabilities && echo "$line"

# Whether the last switch of its address that was asked for is over, as switch.sh writes it down.
section switch
switch=/run/pulumi-xen/swap/$name
if [ -f "$switch/token" ] && read -r asked <"$switch/token"; then
  token= phase=
  [ -f "$switch/phase" ] && read -r token phase _ <"$switch/phase"
  case "$token $phase" in "$asked settled" | "$asked failed") ;; *) echo pending ;; esac
fi

# Debian's xl is a script that looks for the one of the Xen that runs: found here once.
toolstack=$(command -v xl)
if [ -r /sys/hypervisor/version/major ] && read -r major </sys/hypervisor/version/major &&
  read -r minor </sys/hypervisor/version/minor && [ -x "/usr/lib/xen-$major.$minor/bin/xl" ]; then
  toolstack=/usr/lib/xen-$major.$minor/bin/xl
fi
if [ -n "$toolstack" ]; then
  section info && "$toolstack" info 2>&1
  domains=$("$toolstack" list -v 2>&1)
  section domains
  printf '%s\n' "$domains"
  ours=$(sed -n 's/^uuid = "\(.*\)"$/\1/p' "$directory"/*.cfg 2>/dev/null)
  section details
  while read -r domain id rest; do
    case $id in '' | *[!0-9]* | 0) continue ;; esac
    match=
    case $domain in "$name" | "$name".????????????) match=yes ;; esac
    for uuid in $ours $known; do
      case $rest in *"$uuid"*) match=yes ;; esac
    done
    [ -n "$match" ] && "$toolstack" list -l "$id" </dev/null 2>/dev/null
  done <<LISTED
$domains
LISTED
fi

# texts FILE…: those that are there, each under its name, by one process.
texts() {
  for one; do
    shift
    [ -f "$one" ] && set -- "$@" "$one"
  done
  [ $# -gt 0 ] && awk -v mark="$mark" '
    FNR == 1 {
      name = FILENAME
      sub(/.*\//, "", name)
      printf "\n%s %s %s\n", mark, name ~ /\./ ? "text" : "file", name
    }
    { print }' "$@"
}

if [ -d "$directory" ]; then
  section store
  texts "$directory/owner" "$directory/history" "$directory/autostart" "$directory"/*.cfg "$directory"/*.json
  for one in current next; do
    [ -L "$directory/$one" ] && section "link $one" && readlink "$directory/$one"
  done
  section digests
  sha256sum "$directory"/*.cfg 2>/dev/null
fi

# As in the probe of a whole host, for the same parser.
section addresses && ip -j -d addr 2>&1

section answers
for question; do
  what=${question%% *} path=${question#* }
  case $what in
    kernel) [ -f "$path" ] && sum=$(sha256sum <"$path") && echo "${sum%% *} $question" ;;
    file) [ -e "$path" ] && echo "yes $question" ;;
  esac
done
section end
