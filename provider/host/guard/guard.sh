# shellcheck shell=sh
# The guard of a change that can cut a host off: runs ON the host, needs nobody. One directory a guard:
#   state      key=value lines: state, token, title, since, deadline, window; leaving: the boot that is about to end
#   saved/     the files to put back (N, with N.path and N.mode; no N: the file was not there)
#   new/       the files of the change, in the same form
#   prepare, change, keep, before, after, after-boot, check, boot   hooks: scripts, empty when there is nothing to do
#   restart, restart-boot   not empty: a revert of a trial boot, or one at boot, ends with a restart
#   started, made           the change has begun; it is complete
# armed -> confirmed            somebody came in over a fresh connection
#       -> reverting -> reverted nobody did: in time, or before the machine was restarted
# Whoever holds the lock decides, so a confirmation and a revert never cross. Every verb may be cut off by a
# power cut and run again: a file is put back by rename, and a state is changed last, fsynced.
set -u
umask 077
verb=$1 name=$2 token=${3-}
base=/var/lib/pulumi-xen/guard
dir=$base/$name
unit=pulumi-xen-guard-$name
running=/run/$unit.hook # the process group of the hook that runs: the end of a boot is the end of both

field() { sed -n "s/^$1=//p" "$dir/state"; }
say() {
  printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$*" >>"$dir/log"
  printf '%s\n' "$*"
}
become() { # STATE [BOOT-ID]: of the boot that a restart is to end
  {
    grep -vE '^(state|since|leaving)=' "$dir/state"
    printf 'state=%s\nsince=%s\n' "$1" "$(date +%s)"
    [ -z "${2-}" ] || printf 'leaving=%s\n' "$2"
  } >"$(aside "$dir/state")" && settle "$dir/state" && durable "$dir/log"
}
# A hook never holds the lock: a daemon that it starts would hold it for ever. timeout(1) makes a process group of it.
hook() {
  [ -s "$dir/$1" ] || return 0
  timeout "$limit" sh -u "$dir/$1" >"$dir/$1.out" 2>&1 9>&- &
  echo "$!" >"$running"
  wait "$!"
  code=$?
  rm -f "$running"
  [ "$code" = 0 ] || say "$1 ended with exit code $code: $(tail -n 3 "$dir/$1.out" | tr '\n' ' ')"
  return "$code"
}
# A hook that runs while the lock is free has lost its guard, which was killed: it must not go on beside the way back.
end_hook() {
  [ -s "$running" ] || return 0
  group=$(cat "$running")
  # The number may be somebody else's by now.
  if [ ! -e "/proc/$group" ] || grep -qaF "$dir/" "/proc/$group/cmdline"; then
    kill -s KILL -- "-$group" && say "ended what a killed run of this guard had left running"
  fi
  rm -f "$running"
}
# put DIRECTORY: brings every file of saved/ or new/ to its place, and removes those that it has no bytes of.
put() {
  failed=no
  for meta in "$dir/$1"/*.path; do
    [ -f "$meta" ] || continue
    path=$(cat "$meta")
    bytes=${meta%.path}
    if [ -f "$bytes" ]; then
      replace "$path" "$(cat "$bytes.mode")" <"$bytes" || { say "could not write $path"; failed=yes; }
    else
      rm -f "$path" "$(aside "$path")" || say "could not remove $path"
      [ ! -d "${path%/*}" ] || durable "${path%/*}"
    fi
  done
  [ "$failed" = no ]
}
stand_down() {
  systemctl disable "$unit-boot.service" >/dev/null 2>&1 9>&-
  systemctl stop --no-block "$unit.timer" >/dev/null 2>&1 9>&-
}
this_boot() { cat /proc/sys/kernel/random/boot_id; }
# The end of every way back. Where a restart is still to come, the state says so before it comes: until the machine has
# restarted it is not on its old setting.
taken_back() { # [BOOT-ID]: the boot to be left
  [ -z "${1-}" ] || say "restarting the machine into the old setting"
  become reverted "${1-}"
  stand_down
  [ -n "${1-}" ] || return 0
  sync
  systemctl --no-block reboot 9>&-
}
nothing_to_do() {
  [ ! -e "$dir/started" ] || return 1
  say "nothing had been changed yet"
  taken_back
}
# Only a trial boot is left: a machine that still runs its old kernel need not restart to get it back.
trial() { # FILE
  [ -s "$dir/$1" ] && [ "$(field boot_id)" != "$(this_boot)" ] && this_boot
}
revert() {
  nothing_to_do && return
  become reverting
  end_hook
  hook before
  put saved
  hook after
  wait=0
  until hook check; do
    wait=$((wait + 1))
    if [ "$wait" -ge 15 ]; then
      say "the old setting does not work yet"
      taken_back "$(this_boot)"
      return
    fi
    sleep 2
  done
  say "the old setting is back"
  taken_back "$(trial restart)"
}

exec 9>"$base/$name.lock"
flock 9
[ -f "$dir/state" ] || { echo "there is no guard $name"; exit 5; }
state=$(field state)
# A change that hangs must not outlast its own deadline; the way back gets what it needs.
limit=120
[ "$verb" = change ] && limit=$(field window)
case $verb in
fire) # the timer: nobody confirmed
  case $state in
  armed) say "nobody confirmed in time: putting the old setting back" && revert ;;
  reverting) say "putting the old setting back, continued" && revert ;;
  esac ;;
boot) # early in every boot while armed, before the network is set up
  case $state in
  armed)
    nothing_to_do && exit 0
    if [ -s "$dir/boot" ] && hook boot; then
      say "the machine runs the trial: waiting $(field window) s for a confirmation"
      systemctl start --no-block "$unit.timer" 9>&-
      exit 0
    fi
    say "the machine was restarted before anybody confirmed: putting the old files back" ;;
  reverting) say "the machine was restarted: putting the old files back, continued" ;;
  *) exit 0 ;;
  esac
  become reverting
  put saved
  hook after-boot
  say "the old files are back"
  taken_back "$(trial restart-boot)" ;;
change) # detached from the connection that the change may cut
  [ "$state" = armed ] && [ "$token" = "$(field token)" ] || { echo "guard $name is $state"; exit 3; }
  : >"$dir/started"
  durable "$dir/started" "$dir"
  if hook prepare && put new && hook change; then
    : >"$dir/made"
    durable "$dir/made" "$dir"
    say "the change is made"
  else
    say "the change failed: putting the old setting back"
    limit=120
    revert
  fi ;;
confirm)
  [ "$token" = "$(field token)" ] || { echo "guard $name is another's"; exit 4; }
  case $state in
  armed)
    [ -e "$dir/made" ] || { echo "the change of guard $name is not made yet"; exit 6; }
    hook keep || exit 7
    say "confirmed" && become confirmed && stand_down ;;
  confirmed) ;;
  *) echo "guard $name is $state"; exit 3 ;;
  esac ;;
esac
