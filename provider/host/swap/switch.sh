# shellcheck shell=sh
# The switch of a domain's address from its old ports to its new ones, on the host and by the host.
#   run TOKEN TABLE DRAIN PLAN RULES BACK COMMIT   switch, tell it on descriptor 3, and end the drain; detached from who
#                                                  asked for it, and who may be gone
#   observe TABLE PLAN RULES                       note who opens connections, from now on
#   settle SECONDS                                 wait for a switch under way; end or undo one that was cut off
#   forget TABLE                                   take the observation away
# PLAN has a line "MAC BRIDGE FROM TO" for each address; FROM is "-" where nobody serves yet. RULES and BACK are
# nft(8) transactions, COMMIT is shell that makes the switch known; it may run twice.
#
# Whoever holds the lock decides. The record is in /run: a restart of the host leaves no port, no table and no
# record. `phase` is "TOKEN PHASE WAY UNKNOWN": switching (undone when cut off), switched and draining (completed
# when cut off), settled or failed. WAY is drained; swapped, where nftables cannot be used; or joined, where nobody
# served. UNKNOWN is empty unless COMMIT failed.
set -u
umask 077
verb=$1 dir=/run/pulumi-xen/swap/$2
shift 2
plan=plan unknown=
[ -d "$dir" ] || mkdir -p "$dir"
# A switch inherits the lock from launch.sh: there is no moment at which it goes on and nobody holds the lock.
[ "$verb" = run ] || exec 9>"$dir/lock"

# write FILE TEXT, all at once. What is read only after the next phase is written needs no such care.
write() { printf '%s\n' "$2" >"$dir/$1.new" && mv "$dir/$1.new" "$dir/$1"; }
note() { printf '%s\n' "$2" >"$dir/$1"; }
phase() { write phase "$token $1 $way $unknown"; }
# Sets `now` to the hundredths of seconds since the boot: no clock that somebody sets.
look_at_clock() { read -r up _ </proc/uptime; now=${up%.*}${up#*.}; }
on() { [ -e "/sys/class/net/$1/brif/$2" ]; }
# A sticky entry holds although both domains send with this MAC; ports that appear meanwhile follow it.
pin() { bridge fdb replace "$1" dev "$2" master static sticky; }
# The bridge learns again; until the next frame it knows what it knew.
unpin() { bridge fdb replace "$1" dev "$2" master dynamic 2>/dev/null; }
# pairs COMMAND: for each line of the plan, with $n $mac $bridge $from $to. Ends at the first failure.
pairs() {
  n=0
  while read -r mac bridge from to; do
    "$@" || return
    n=$((n + 1))
  done <"$dir/$plan"
}

# hook NAME KIND DEVICE RULE: a base chain. Adding it again changes nothing; it goes with its device.
hook() {
  echo "add chain netdev $table $1 { type filter hook $2 device \"$3\" priority -150; }"
  echo "flush chain netdev $table $1"
  echo "add rule netdev $table $1 $4"
}
hooks() {
  [ "$from" != - ] || return 0
  for port in "/sys/class/net/$bridge/brif/"*; do
    [ -e "$port" ] || continue
    port=${port##*/}
    read -r index <"/sys/class/net/$port/ifindex" || continue
    case $port in
    "$from") hook "p${n}_$index" ingress "$port" "goto old_$n" ;;
    "$to") hook "p${n}_$index" ingress "$port" "goto new_$n" ;;
    *) hook "p${n}_$index" ingress "$port" "ether daddr $mac goto to_$n" ;;
    esac
  done
  # What dom0 itself sends passes no port's ingress. Linux 5.16 and later can hook that.
  [ "$self" = no ] || hook "self_$n" egress "$bridge" "ether daddr $mac goto to_$n"
}
# A port may vanish between the look and the transaction: another domain's end. Then look again.
steer() {
  command -v nft >/dev/null || return 1
  for self in yes yes no no; do
    { cat "$dir/rules"; pairs hooks; } | nft -f - && return
  done
  return 1
}
unsteer() { nft delete table netdev "$table" 2>/dev/null; }

aside() { ! on "$bridge" "$1" || ip link set "$1" nomaster; }
pin_old() { [ "$from" = - ] || pin "$mac" "$from"; }
pin_new() { [ "$from" = - ] || pin "$mac" "$to"; }
join() {
  ip link set "$to" master "$bridge" up || return
  # A bridge that speaks STP listens for a while before it forwards (state 3).
  tries=0
  until read -r state <"/sys/class/net/$to/brport/state" && [ "$state" = 3 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || { echo "the port $to of $bridge does not forward after 60 s"; return 1; }
    sleep 0.1
  done
}
# Without nftables: the ports change places in one go. dom0's own neighbour entries are held, or it would ask
# anew and wait a second for the answer.
neighbours() { ip neigh show dev "$bridge" | while read -r address rest; do
  case " $rest " in *" $mac "*) echo "neigh replace $address lladdr $mac dev $bridge nud $1" ;; esac
done; }
places() { [ "$from" = - ] || echo "link set $from nomaster"; echo "link set $to master $bridge"; echo "link set $to up"; }
plain() {
  pairs neighbours permanent | ip -force -batch -
  pairs places | ip -batch - || return
  pairs neighbours reachable | ip -force -batch -
}

undo() {
  pairs undo_pair
  unsteer
}
undo_pair() {
  [ "$from" = - ] || on "$bridge" "$from" || ip link set "$from" master "$bridge"
  aside "$to"
  [ "$from" = - ] || unpin "$mac" "$from"
  return 0
}
finish() {
  pairs finish_pair
  unsteer
  phase settled
}
# The old one leaves the bridge before its rules go: never is a frame for it taken by the other.
finish_pair() {
  [ "$from" = - ] || ! [ -e "/sys/class/net/$from" ] || aside "$from"
  unpin "$mac" "$to"
  return 0
}
commit() {
  unknown=
  sh -eu "$dir/commit" 3>&- 9>&- || unknown=uncommitted
}

switch() {
  note rules "$2"
  note commit "$3"
  printf '%s' "$1" | present >"$dir/plan.new" && mv "$dir/plan.new" "$dir/plan"
  phase switching
  if [ "$way" = drained ] && ! { pairs pin_old && pairs join && steer && pairs pin_new; }; then
    undo
    way=swapped
  fi
  [ "$way" = drained ] || plain || { undo; phase failed; return 1; }
  phase switched
  commit
  phase draining
}
# The plan as the host has it. An old port that is gone, or off its bridge, serves nobody: nothing is steered to it.
present() {
  while read -r mac bridge from to; do
    on "$bridge" "$from" || from=-
    echo "$mac $bridge $from $to"
  done
}
find_way() { # PLAN
  nobody=yes everybody=yes
  while read -r mac bridge from to; do
    if on "$bridge" "$from"; then nobody=no; else everybody=no; fi
  done <<PLAN
${1%?}
PLAN
  way=swapped
  if [ "$nobody" = yes ]; then way=joined
  elif [ "$everybody" = yes ] && command -v nft >/dev/null && command -v bridge >/dev/null; then way=drained; fi
}

drain() {
  look_at_clock
  end=$((now + $1))
  while look_at_clock && [ "$now" -lt "$end" ]; do
    sleep 0.1
    read -r latest <"$dir/token"
    [ "$latest" = "$token" ] || { give_way; return; }
  done
}
# Somebody switches again, and what is left to do is theirs; unless they were killed before they began.
give_way() {
  exec 9>&-
  sleep 1
  exec 9>"$dir/lock"
  flock 9
  read -r latest _ <"$dir/phase" && [ "$latest" = "$token" ]
}

settle() {
  [ -s "$dir/phase" ] && read -r token was way unknown <"$dir/phase" && read -r table <"$dir/table" || return 0
  case $was in
  switching) undo; phase failed ;;
  switched) commit; finish ;;
  draining) finish ;;
  esac
}

# The drain under way leads from what we shall switch to: its sets tell whose each connection is.
turned_round() {
  [ -s "$dir/plan" ] && [ -s "$dir/phase" ] && read -r _ was _ <"$dir/phase" && [ "$was" = draining ] &&
    [ "$(awk '{ print $1, $2, $4, $3 }' "$dir/plan")" = "$(printf '%s' "$1" | awk '{ print $1, $2, $3, $4 }')" ]
}

case $verb in
run)
  rules=$5
  if turned_round "$4"; then rules=$6; else settle; fi
  token=$1 table=$2
  find_way "$4"
  write table "$table"
  switch "$4" "$rules" "$7" || exit 1
  # Who asked may have gone.
  trap '' PIPE
  echo "draining $way $unknown" >&3
  exec 3>&-
  [ "$way" != drained ] || drain "$3" || exit 0
  finish ;;
observe)
  flock -w 60 9 || exit 75
  settle
  table=$1 plan=observed
  note observed "${2%?}"
  note rules "$3"
  steer ;;
settle)
  flock -w "$1" 9 || exit 75
  settle ;;
forget)
  table=$1
  ! flock -n 9 || unsteer
  exit 0 ;;
esac
