# A volume of a host: an empty file of the store, or a logical volume of LVM, that holds what domains write.
#
#     sh -s -- look|make|remove STORE MARK PATH GROUP NAME BYTES URN
#
# GROUP and NAME are LVM's; for a file they are empty. MARK says whose the volume is. `look` writes what there is, a
# line each. `make` makes the volume or grows it; one that is as large already is left alone. Nothing makes it smaller.
set -eu
export LC_ALL=C LVM_SUPPRESS_FD_WARNINGS=1
PATH=$PATH:/usr/sbin:/sbin
verb=$1 store=$2 mark=$3 path=$4 group=$5 name=$6 bytes=$7 urn=$8
# A file is made under this name. A logical volume that is to be cleared from an offset on is tagged with it.
unfinished=pulumi-xen-unfinished
clear=pulumi-xen-clear-

lvm_field() { lvs --noheadings --nosuffix --units b -o "$1" "$group/$name" 2>/dev/null | tr -d ' '; }

size() {
  if [ -n "$group" ]; then lvm_field lv_size
  elif [ -f "$path" ]; then stat -c %s -- "$path"
  fi
}

to_clear() { lvm_field lv_tags | tr ',' '\n' | sed -n "s/^$clear//p"; }

users() {
  for config in "$store"/domains/*/*.cfg; do
    [ -f "$config" ] && grep -qF -- "$path" "$config" && { config=${config%/*}; echo "user domain:${config##*/}"; }
  done | sort -u
  if command -v xl >/dev/null && xl list -l 2>/dev/null | grep -qF -- "\"$path\""; then echo "user running-domain"; fi
}

look() {
  [ ! -f "$mark" ] || echo "owner $(cat -- "$mark")"
  have=$(size)
  if [ -n "$have" ] && { [ -z "$group" ] || [ "$(to_clear)" != 0 ]; }; then echo "size $have"; fi
  if [ -n "$group" ]; then
    if ! command -v lvs >/dev/null; then echo "lvm missing"
    elif line=$(vgs --noheadings --nosuffix --units b -o vg_free,vg_extent_size "$group" 2>/dev/null); then
      # shellcheck disable=SC2086
      set -- $line
      echo "free $1"
      echo "extent $2"
    else
      vgs --noheadings -o vg_name 2>/dev/null | tr -d ' ' | sed 's/^/group /'
    fi
  else
    folder=${path%/*}
    while [ ! -d "$folder" ]; do folder=${folder%/*}; folder=${folder:-/}; done
    echo "free $(($(df -Pk "$folder" | awk 'NR == 2 { print $4 }') * 1024))"
  fi
  users
}

lock() {
  mkdir -p -- "$store"
  exec 9>>"$store/lock"
  flock -w 60 9 || { echo "another change holds $store/lock" >&2; exit 75; }
}

# Space is taken now: a domain that writes must not find the host's disk full. Some file systems cannot do that.
allocate() { fallocate -l "$2" "$1" 2>/dev/null || truncate -s "$2" "$1"; }

make_file() {
  have=$(size)
  if [ -z "$have" ]; then
    mkdir -p -- "${path%/*}"
    chmod 700 "${path%/*}"
    rm -f -- "$path.$unfinished"
    (umask 077 && allocate "$path.$unfinished" "$bytes")
    durable "$path.$unfinished"
    mv -f -- "$path.$unfinished" "$path"
    durable "${path%/*}"
  elif [ "$have" -lt "$bytes" ]; then
    allocate "$path" "$bytes"
    durable "$path"
  fi
}

# Extents are handed out as their last user left them, except by a thin pool: nothing of another's is to be in them.
# The tag comes first, so that a run that is cut off has the next one clear what it did not.
make_logical() {
  have=$(size)
  if [ -z "$have" ]; then
    lvcreate --quiet --yes --wipesignatures y --zero y --addtag "${clear}0" --size "${bytes}b" --name "$name" "$group" \
      </dev/null >/dev/null
  elif [ "$have" -lt "$bytes" ]; then
    [ -n "$(to_clear)" ] || lvchange --quiet --addtag "$clear$have" "$group/$name" </dev/null >/dev/null
    lvextend --quiet --size "${bytes}b" "$group/$name" </dev/null >/dev/null
  fi
  offset=$(to_clear)
  if [ -n "$offset" ]; then
    [ "$(lvm_field segtype)" = thin ] || blkdiscard --zeroout --offset "$offset" "$path"
    lvchange --quiet --deltag "$clear$offset" "$group/$name" </dev/null >/dev/null
  fi
}

make() {
  lock
  owner=$(cat -- "$mark" 2>/dev/null || true)
  if [ -n "$owner" ] && [ "$owner" != "$urn" ]; then echo "$path belongs to $owner" >&2; exit 73; fi
  printf '%s\n' "$urn" | replace "$mark" 644
  if [ -n "$group" ]; then make_logical; else make_file; fi
  look
}

remove() {
  lock
  if [ -z "$(users)" ]; then
    if [ -z "$group" ]; then rm -f -- "$path" "$path.$unfinished"
    elif [ -n "$(size)" ]; then lvremove --quiet --yes "$group/$name" </dev/null >/dev/null
    fi
    rm -f -- "$mark"
  fi
  look
}

"$verb"
