# What is done to one domain of a host, one verb a run: sent on standard input to `sh -s -- DIRECTORY VERB ARGUMENT…`.
# Every verb finds its own half done and ends it. Domains are found by their UUIDs: names change hands.
set -u
export LC_ALL=C PATH="/usr/sbin:/usr/bin:/sbin:/bin:$PATH"
directory=$1
shift
name=${directory##*/}

# The number of the domain with a UUID; fails where there is none.
number() {
  xl list -v | while read -r _ id rest; do
    case $rest in *"$1"*) echo "$id" && break ;; esac
  done | grep .
}
now() { mv -f -- "$1.new" "$1" && sync "$directory" 2>/dev/null; }
link() {
  ln -sfn -- "$2" "$directory/$1.new" && mv -fT -- "$directory/$1.new" "$directory/$1" && sync "$directory" 2>/dev/null
}
console() { echo "/var/log/xen/console/guest-$name.$1.log"; }

# claim URN [FORMER-OWNER]: whose the domain is. 77: another's.
claim() {
  owner=$(cat "$directory/owner" 2>/dev/null)
  [ "$owner" = "$1" ] && return
  if [ -n "$owner" ] && [ "$owner" != "${2-}" ]; then
    echo "$owner" >&2
    return 77
  fi
  printf '%s\n' "$1" >"$directory/owner.new" && now "$directory/owner"
}

# An update to the generation begins. The link comes first: a text that differs from the history's is then no hand's.
next() { link next "$1.cfg"; }
forget_next() { rm -f -- "$directory/next"; }

# baseline GENERATION UUID: what the domain is, for later looks to compare with.
baseline() {
  id=$(number "$2") || return
  umask 077
  xl list -l "$id" >"$directory/$1.json.new" && now "$directory/$1.json"
}

# start GENERATION UUID [OVERRIDE…]: prints where in the console's log this life begins.
start() {
  generation=$1 uuid=$2
  shift 2
  log=$(console "$generation")
  from=$(stat -c %s "$log" 2>/dev/null || echo 0)
  if ! id=$(number "$uuid"); then
    # xl leaves a process that watches over the domain: it must not hold our lock.
    xl create "$directory/$generation.cfg" "name=\"$name.$generation\"" "$@" 9>&- 1>&2 || {
      code=$?
      number "$uuid" >/dev/null && id=$(number "$uuid") && xl destroy "$id" 9>&-
      echo "$from"
      return "$code"
    }
  fi
  echo "$from"
  # One that has stopped already is no failure of the start: the checks tell what became of it.
  baseline "$generation" "$uuid" || :
}

# What was written to the console since: tail GENERATION FROM LINES
console_tail() { tail -c +"$(($2 + 1))" "$(console "$1")" 2>/dev/null | tail -n "$3"; }

# destroy UUID: xl fails where its own monitor of a domain that has shut down takes it away at the same time.
destroy() {
  id=$(number "$1") || return 0
  said=$(xl destroy "$id" 2>&1 9>&-)
  end=$(($(date +%s) + 60))
  while number "$1" >/dev/null; do
    [ "$(date +%s)" -lt "$end" ] || { echo "$said" >&2 && return 1; }
    sleep 0.5
  done
}

# stop UUID SECONDS: prints `stopped`, `destroyed` where it had to be, or `gone`.
stop() {
  id=$(number "$1") || { echo gone && return; }
  xl shutdown "$id" >/dev/null 2>&1 9>&-
  end=$(($(date +%s) + $2))
  while [ "$(date +%s)" -lt "$end" ]; do
    state=$(xl list "$id" 2>/dev/null | sed -n '2s/.*\([r-][b-][p-][s-][-rscwS?][d-]\)  *[0-9.]*$/\1/p')
    case $state in
      '') echo stopped && return ;;
      ???s*) break ;;
    esac
    sleep 0.2
  done
  case ${state-} in
    ???s*) destroy "$1" && echo stopped ;;
    *) destroy "$1" && echo destroyed ;;
  esac
}

# xl SUBCOMMAND UUID ARGUMENT…
change() {
  subcommand=$1
  id=$(number "$2") || { echo "the domain $2 is gone" >&2 && return 1; }
  shift 2
  xl "$subcommand" "$id" "$@" 9>&-
}

# place BRIDGE PORT…: onto the bridge, and off any other.
place() {
  bridge=$1
  shift
  for port; do ip link set dev "$port" master "$bridge" && ip link set dev "$port" up || return; done
}

# commit GENERATION UUID [OLD-UUID OLD-NAME]: the generation is what serves, under the domain's name.
commit() {
  generation=$1 uuid=$2
  if [ -n "${3-}" ] && id=$(number "$3"); then
    [ "$(xl domname "$id" 2>/dev/null)" = "$4" ] || xl rename "$id" "$4"
  fi
  sum=$(sha256sum <"$directory/$generation.cfg" | cut -c 1-64)
  last=$(tail -n 1 "$directory/history" 2>/dev/null)
  case $last in
    "$generation "*" $sum") ;;
    *)
      {
        tail -n 200 "$directory/history" 2>/dev/null
        echo "$generation $(date -u +%Y-%m-%dT%H:%M:%SZ) $sum"
      } >"$directory/history.new" && now "$directory/history" || return
      ;;
  esac
  link current "$generation.cfg" || return
  forget_next
  id=$(number "$uuid") || return
  [ "$(xl domname "$id" 2>/dev/null)" = "$name" ] || xl rename "$id" "$name" || return
  # What the domain starts with when it restarts by itself: its own name and bridge, not those it was staged with.
  xl config-update "$id" "$directory/$generation.cfg" >/dev/null 9>&-
}

# prune GENERATION…
prune() {
  for generation; do rm -f -- "$directory/$generation.cfg" "$directory/$generation.json"; done
}

# The folder goes with its history.
forget() { rm -rf -- "$directory"; }

perform() {
  umask 077
  mkdir -p -- "$directory" && chmod 700 "$directory" || return
  exec 9>>"$directory/busy"
  flock -w 300 9 || { echo "a command of an earlier run still works on $directory" >&2 && return 75; }
  "$@" </dev/null
}
perform "$@"
exit
