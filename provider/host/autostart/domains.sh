#!/bin/sh
# Written by pulumi-xen. Starts the domains of /var/lib/pulumi-xen with their host, in order, each as its current
# generation, and stops them with it: gracefully within a limit, then for good. Nothing is saved to disk.
#
#     domains start|stop
#
# A domain that cannot be started is told to the journal and keeps no other from starting. The exit status is 0 all the
# same: a unit that has failed would not be stopped, and its domains would be left to a shutdown that saves them.

export LC_ALL=C
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
store=/var/lib/pulumi-xen
adopt=/run/pulumi-xen-domains.adopt

say() { echo "$*"; }
complain() { echo "<3>$*" >&2; }

# Keys of a canonical configuration stand one a line: key = "value".
value_of() { sed -n "s/^$2 = \"\(.*\)\"\$/\1/p" "$1" | head -n 1; }

# Writes "order name" of each domain that starts with the host, first to last.
in_order() {
  for mark in "$store"/domains/*/autostart; do
    [ -f "$mark" ] || continue
    read -r order _ <"$mark" || [ -n "$order" ] || continue
    name=${mark%/autostart}
    echo "${order:-100} ${name##*/}"
  done | sort -k 1,1n -k 2,2
}

# Whether each file of the store that the configuration names has the digest that it is named after.
is_unaltered() {
  for file in $(grep -oE "$store/(kernels|disks)/[0-9a-f]{64}" "$1" | sort -u); do
    [ -f "$file" ] || { complain "$name: $file is missing"; return 1; }
    sum=$(sha256sum <"$file") || return 1
    [ "${sum%% *}" = "${file##*/}" ] || { complain "$name: $file was altered"; return 1; }
  done
}

runs() { xl list -v 2>/dev/null | grep -qiF -- "$1"; }

start_one() {
  name=$1
  folder=$store/domains/$name
  exec 9>>"$folder/busy" || return 1
  flock -w 600 9 || { complain "$name: its lock is held by another change"; return 1; }
  target=$(readlink "$folder/current") && [ -f "$folder/$target" ] ||
    { complain "$name: it has no current generation"; return 1; }
  config=$folder/$target
  generation=${target%.cfg}
  uuid=$(value_of "$config" uuid)
  if [ -n "$uuid" ] && runs "$uuid"; then say "$name: generation $generation runs already"; return 0; fi
  is_unaltered "$config" || return 1
  # Created under the name of its generation: its console's log is named after it, from the first byte.
  timeout 300 xl create "$config" "name=\"$name.$generation\"" 9>&- ||
    { complain "$name: generation $generation cannot be started"; return 1; }
  xl rename "$name.$generation" "$name" || { complain "$name: cannot be renamed from $name.$generation"; return 1; }
  # What it starts with when it restarts by itself: its own name.
  xl config-update "$name" "$config" >/dev/null 2>&1 9>&-
  say "$name: generation $generation started"
}

start() {
  # The unit was installed beside domains that run: it takes them over as they are.
  if [ -e "$adopt" ]; then rm -f "$adopt"; return; fi
  timeout 60 xl info >/dev/null 2>&1 || { complain "Xen does not answer: no domain is started"; return; }
  in_order | while read -r _ name; do (start_one "$name" </dev/null); done
}

# Domain id, limit in seconds and name of each running domain that a configuration of the store describes.
running_of_store() {
  xl list -v 2>/dev/null | awk 'NR > 1 && $2 != 0 { for (i = 3; i <= NF; i++) if ($i ~ /^[0-9a-fA-F-]+$/ && length($i) == 36) print $2, tolower($i) }' |
    while read -r id uuid; do
      config=$(grep -liF -- "$uuid" "$store"/domains/*/*.cfg 2>/dev/null | head -n 1)
      [ -n "$config" ] || continue
      folder=${config%/*}
      limit=
      [ ! -f "$folder/autostart" ] || read -r _ limit <"$folder/autostart" || true
      echo "$id ${limit:-30} ${folder##*/}"
    done
}

stop_one() {
  id=$1 limit=$2 name=$3
  # A kernel that does not watch its shutdown request cannot be asked: it is ended at once.
  if timeout 20 xl shutdown "$id" 2>/dev/null; then
    end=$(($(date +%s) + limit))
    while xl domname "$id" >/dev/null 2>&1; do
      [ "$(date +%s)" -lt "$end" ] || break
      sleep 1
    done
  fi
  if xl domname "$id" >/dev/null 2>&1; then
    if timeout 60 xl destroy "$id"; then say "$name: destroyed after $limit s"; else complain "$name: cannot be destroyed"; fi
  else
    say "$name: stopped"
  fi
}

stop() {
  list=$(running_of_store)
  [ -n "$list" ] || return 0
  # All at once: each has its own limit, and together they take no longer than the longest.
  { echo "$list"; } | {
    while read -r id limit name; do stop_one "$id" "$limit" "$name" </dev/null & done
    wait
  }
}

case $1 in
  start) start ;;
  stop) stop ;;
  *) echo "usage: domains start|stop" >&2; exit 2 ;;
esac
exit 0
