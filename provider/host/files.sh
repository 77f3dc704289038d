# shellcheck shell=sh
# How a file takes another's place: nobody ever reads half of it, and after a power cut it is the old one or the new
# one. Sent ahead of the scripts that write what lasts; paths are absolute.

# The file's name while it is written. Nobody reads a hidden backup file: whoever reads all of a directory, as network
# managers and systemd do, would take any other name for a setting, if the power failed meanwhile.
aside() { name_aside "$1" && printf %s "$aside"; }
# Sets `aside`, without a process for it.
name_aside() { aside=${1%/*}/.${1##*/}.pulumi-xen~; }
# Not every sync(1) knows single files.
durable() { sync "$@" 2>/dev/null || sync; }
# What was written aside takes its place.
settle() { # FILE
  name_aside "$1"
  durable "$aside" && mv -f -- "$aside" "$1" && durable "${1%/*}"
}
# Standard input becomes the file; with BYTES only if it has come whole, for the end of a connection ends it too. A
# directory that it needs is everybody's to read, whatever the umask: systemd-networkd is not root. Files have their mode.
replace() { # FILE MODE [BYTES]
  name_aside "$1"
  [ -d "${1%/*}" ] || (umask 022 && exec mkdir -p -- "${1%/*}") || return
  (umask 077 && exec cat >"$aside") && chmod "$2" "$aside" || return
  if [ -n "${3-}" ] && [ "$(wc -c <"$aside")" -ne "$3" ]; then
    rm -f -- "$aside"
    echo "the content of $1 did not arrive whole" >&2
    return 74
  fi
  settle "$1"
}
