# What is done to one domain of a host, one verb a run: sent on standard input to `sh -s -- DIRECTORY VERB ARGUMENT…`, with
# a last line that performs the verb. Every verb finds its own half done and ends it. Domains are found by their UUIDs:
# names change hands. Forks are what a verb costs, and xl most of all: the list is asked for once and read here.
set -u
export LC_ALL=C PATH="/usr/sbin:/usr/bin:/sbin:/bin:$PATH"
directory=$1
shift
name=${directory##*/}

# Debian's xl is a script that looks for the one of the Xen that runs: found here once.
toolstack=$(command -v xl)
if [ -r /sys/hypervisor/version/major ] && read -r major </sys/hypervisor/version/major &&
  read -r minor </sys/hypervisor/version/minor && [ -x "/usr/lib/xen-$major.$minor/bin/xl" ]; then
  toolstack=/usr/lib/xen-$major.$minor/bin/xl
fi
# xl leaves a process that watches over a domain: it must not hold our lock.
xl() { "$toolstack" "$@" 9>&-; }

look() { listed=$(xl list -v); }
# find UUID: sets `id` and `named` from what was listed last; fails where there is no such domain.
find() {
  while read -r named id rest; do
    case $rest in *"$1"*) return 0 ;; esac
  done <<LISTED
$listed
LISTED
  return 1
}
now() { mv -f -- "$1.new" "$1" && sync "$directory" 2>/dev/null; }
point() { ln -sfn -- "$2" "$directory/$1.new" && mv -fT -- "$directory/$1.new" "$directory/$1"; }
link() { point "$@" && sync "$directory" 2>/dev/null; }
# Sets `log` to the console's file of a generation.
console() { log=/var/log/xen/console/guest-$name.$1.log; }

# claim URN [FORMER-OWNER]: whose the domain is. 77: another's.
claim() {
  owner=
  [ -f "$directory/owner" ] && read -r owner <"$directory/owner"
  [ "$owner" = "$1" ] && return
  if [ -n "$owner" ] && [ "$owner" != "${2-}" ]; then
    echo "$owner" >&2
    return 77
  fi
  printf '%s\n' "$1" >"$directory/owner.new" && now "$directory/owner"
}

# record GENERATION SHA256: the text on standard input becomes the generation's, and an update to it begins. The link comes
# first: a text that differs from the history's is then no hand's. A text that was cut off is none. What the domain is then,
# is looked at when it serves.
record() {
  point next "$1.cfg" || return
  [ ! -e "$directory/$1.json" ] || rm -f -- "$directory/$1.json"
  text=$directory/$1.cfg
  cat >"$text.new" || return
  sum=$(sha256sum <"$text.new")
  [ "${sum%% *}" = "$2" ] || { rm -f -- "$text.new" && echo "the configuration did not arrive whole" >&2 && return 74; }
  sync "$directory" "$text.new" 2>/dev/null
  now "$text"
}
forget_next() { rm -f -- "$directory/next"; }

# start GENERATION UUID SHA256 [OVERRIDE…]: records the generation, and prints where in the console's log this life begins.
start() {
  generation=$1 uuid=$2
  record "$1" "$3" || return
  shift 3
  console "$generation"
  from=0
  [ ! -e "$log" ] || from=$(stat -c %s "$log")
  echo "$from"
  look
  if ! find "$uuid"; then
    xl create "$directory/$generation.cfg" "name=\"$name.$generation\"" "$@" 1>&2 || {
      code=$?
      look && find "$uuid" && xl destroy "$id"
      return "$code"
    }
  fi
}

# console_tail GENERATION FROM LINES: what was written to the console since.
console_tail() { console "$1" && tail -c +"$(($2 + 1))" "$log" 2>/dev/null | tail -n "$3"; }

# destroy UUID: xl fails where its own monitor of a domain that has shut down takes it away at the same time.
destroy() {
  look
  find "$1" || return 0
  said=$(xl destroy "$id" 2>&1)
  end=$(($(date +%s) + 60))
  while look && find "$1"; do
    [ "$(date +%s)" -lt "$end" ] || { echo "$said" >&2 && return 1; }
    sleep 0.5
  done
}

# stop UUID SECONDS: prints `stopped`, `destroyed` where it had to be, or `gone`.
stop() {
  look
  find "$1" || { echo gone && return; }
  xl shutdown "$id" >/dev/null 2>&1
  end=$(($(date +%s) + $2))
  how=destroyed
  while [ "$(date +%s)" -lt "$end" ]; do
    look
    find "$1" || { echo stopped && return; }
    # After memory and virtual CPUs come six letters: the fourth says that it has shut down.
    case $rest in *" "???s??" "*) how=stopped && break ;; esac
    sleep 0.2
  done
  destroy "$1" && echo "$how"
}

# change UUID SUBCOMMAND [OPTION] ARGUMENT…: an xl subcommand on the domain, whose number comes after the option.
change() {
  look
  find "$1" || { echo "the domain $1 is gone" >&2 && return 1; }
  subcommand=$2 option=
  shift 2
  case ${1-} in -*) option=$1 && shift ;; esac
  xl "$subcommand" ${option:+"$option"} "$id" "$@"
}

# place BRIDGE PORT…: onto the bridge, and off any other.
place() {
  bridge=$1
  shift
  for port; do ip link set dev "$port" master "$bridge" && ip link set dev "$port" up || return; done
}

# commit GENERATION UUID [OLD-UUID OLD-NAME]: the generation is what serves, under the domain's name. What it is when it first
# does, later looks are compared with.
commit() {
  generation=$1 uuid=$2
  look
  if [ -n "${3-}" ] && find "$3" && [ "$named" != "$4" ]; then xl rename "$id" "$4"; fi
  sum=$(sha256sum <"$directory/$generation.cfg")
  last=$(tail -n 1 "$directory/history" 2>/dev/null)
  case $last in
    "$generation "*" ${sum%% *}") ;;
    *)
      {
        tail -n 200 "$directory/history" 2>/dev/null
        echo "$generation $(date -u +%Y-%m-%dT%H:%M:%SZ) ${sum%% *}"
      } >"$directory/history.new" && now "$directory/history" || return
      ;;
  esac
  link current "$generation.cfg" || return
  forget_next
  find "$uuid" || return
  [ "$named" = "$name" ] || xl rename "$id" "$name" || return
  # What the domain starts with when it restarts by itself: its own name and bridge, not those it was staged with.
  xl config-update "$id" "$directory/$generation.cfg" >/dev/null || return
  [ -e "$directory/$generation.json" ] ||
    { xl list -l "$id" >"$directory/$generation.json.new" && now "$directory/$generation.json"; }
}

# prune GENERATION…
prune() {
  for generation; do rm -f -- "$directory/$generation.cfg" "$directory/$generation.json"; done
}

# forget SCRIPT: the folder goes with its history; with the last one the hotplug script of staged interfaces, too.
forget() {
  rm -rf -- "$directory" || return
  for other in "${directory%/*}"/*; do [ ! -e "$other" ] || return 0; done
  rm -f -- "$1"
}

perform() {
  umask 077
  [ -d "$directory" ] || mkdir -p -- "$directory" || return
  exec 9>>"$directory/busy"
  flock -w 300 9 || { echo "a command of an earlier run still works on $directory" >&2 && return 75; }
  # What a killed command had begun to write aside: nobody else writes here now.
  for new in "$directory"/*.new; do
    if [ -e "$new" ] || [ -L "$new" ]; then rm -f -- "$new"; fi
  done
  "$@"
}
