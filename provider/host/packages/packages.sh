# Runs on the host: `sh -s VERB …` on standard input. What every package tool needs and none offers: to say who
# holds its lock, and to know afterwards what a run has added.
set -u
export LC_ALL=C DEBIAN_FRONTEND=noninteractive ZYPP_LOCK_TIMEOUT=600
records=/var/lib/pulumi-xen/packages

# Locks of apt and dpkg (and of rpm) are fcntl locks, and /proc/locks names who holds them; dnf's, yum's and
# zypper's are files that hold a process id.
locks=" /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock \
 /var/lib/rpm/.rpm.lock /usr/lib/sysimage/rpm/.rpm.lock "
holds() { # PID: whether one of its open files is one of the locks
  for open in "/proc/$1/fd"/*; do
    case $locks in *" $(readlink "$open") "*) return 0 ;; esac
  done
  return 1
}
holder() {
  pid=
  for candidate in $(sed -n 's/^[0-9]*: POSIX  *ADVISORY  *WRITE \([0-9]*\) .*/\1/p' /proc/locks | sort -u); do
    holds "$candidate" && pid=$candidate && break
  done
  [ -n "$pid" ] || for file in /run/yum.pid /run/zypp.pid /var/cache/dnf/metadata_lock.pid /var/lib/dnf/rpmdb_lock.pid \
    /var/cache/dnf/download_lock.pid; do
    pid=$(cat "$file" 2>/dev/null) && [ -n "$pid" ] && [ -d "/proc/$pid" ] && break
    pid=
  done
  [ -n "$pid" ] || return 1
  printf '%s (process %s)\n' "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | cut -c 1-120)" "$pid"
}
await() { # SECONDS
  left=$1
  while who=$(holder); do
    echo "waiting for $who"
    left=$((left - 1))
    [ "$left" -gt 0 ] || { echo "another package manager has held its lock for $1 s: $who" >&2; exit 75; }
    sleep 1
  done
}
# Packages that are there, also those that a run has left half-done.
installed() { # DATABASE
  if [ "$1" = dpkg ]; then
    dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' |
      sed -n '/^not-installed /d; s/^[a-z-]*\(installed\|configured\|unpacked\|triggers-[a-z]*\) //p'
  else
    rpm -qa --qf '%{NAME}\n' | grep -v '^gpg-pubkey$'
  fi | sort -u
}
# Those of which something is there: a purge that was cut off leaves files of configuration.
remaining() { # DATABASE
  installed "$1"
  [ "$1" != dpkg ] || dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' | sed -n 's/^config-files //p'
}
# What other sets have added is theirs, whenever it came.
others() { # ID
  for list in "$records"/*.added; do
    [ "$list" = "$records/$1.added" ] || [ ! -f "$list" ] || cat "$list"
  done | sort -u
}
# What is there before an attempt stays written down until it has ended and was counted, so that one that was killed
# half-way is counted later. What came after it has ended is nobody's.
note() { # ID DATABASE
  mkdir -p "$records"
  [ -f "$records/$1.before" ] && return
  installed "$2" >"$(aside "$records/$1.before")" && settle "$records/$1.before"
}
count() { # ID DATABASE
  touch "$records/$1.added"
  others "$1" >"$records/$1.others"
  installed "$2" | comm -13 "$records/$1.before" - | comm -23 - "$records/$1.others" | sort -u - "$records/$1.added" \
    >"$(aside "$records/$1.added")" && settle "$records/$1.added" && rm -f "$records/$1.others"
}
counted() { # ID DATABASE
  [ -f "$records/$1.before" ] || return 0
  count "$1" "$2" && rm -f "$records/$1.before" && durable "$records"
}
# What mending brings belongs to the set whose run was cut off, which counts it later; else to the one that mends.
note_mending() { # ID DATABASE
  for one in "$records"/*.before; do [ -f "$one" ] && return; done
  note "$1" "$2"
}
# Of several kernels, and keys, each is as it should be.
twice() { rpm -qa --qf '%{NAME}.%{ARCH}\n' | sort | uniq -d | grep -vE '^(kernel|gpg-pubkey)'; }

# rpm keeps keys as packages whose version is the fingerprint, or its last eight digits.
keys() { rpm -q gpg-pubkey --qf '%{VERSION} %{NAME}-%{VERSION}-%{RELEASE}\n' 2>/dev/null | sed -n "s/^[0-9a-f]*$1 //p"; }

verb=$1
shift
case $verb in
run) # COMMAND…: when nobody else is at it
  await 600
  exec "$@" </dev/null ;;
install) # ID DATABASE COMMAND…
  id=$1 database=$2
  shift 2
  await 600
  note "$id" "$database" || exit
  "$@" </dev/null
  code=$?
  # A tool that was killed may be mended later, and what is there twice must be: the mark of that stays.
  if [ "$code" -gt 128 ] || { [ "$code" != 0 ] && [ "$database" = rpm ] && [ -n "$(twice)" ]; }; then
    count "$id" "$database"
  else
    counted "$id" "$database" || exit
  fi
  exit "$code" ;;
count) # ID DATABASE: what a run has added that was cut off when all was there
  await 600
  counted "$1" "$2" ;;
offered) # TOOL NAME…: each of them must be in a repository
  tool=$1 lacking=
  shift
  for name in "$@"; do
    case $tool in
    apt) apt-cache policy "$name" | grep -q '^  Candidate: [^(]' ;;
    dnf) dnf -q repoquery "$name" | grep -q . ;;
    yum) yum -q list available "$name" | grep -q . ;;
    zypper) zypper --non-interactive --quiet --no-refresh search --match-exact "$name" | grep -q '|' ;;
    esac || lacking="$lacking $name"
  done 2>/dev/null </dev/null
  [ -z "$lacking" ] || { echo "the package repositories, with those that are new, do not offer$lacking" >&2; exit 69; } ;;
renew) # FILE…: dnf and yum leave a version alone that is installed, though the file is another build of it
  await 600
  for file in "$@"; do
    shift
    name=$(rpm -qp --nosignature --qf '%{NAME}' "$file") || exit
    build='%{NAME}-%{EPOCHNUM}:%{VERSION}-%{RELEASE}.%{ARCH} %{BUILDTIME} %{SIGMD5} %{SHA1HEADER}\n'
    rpm -q --qf "$build" "$name" | grep -qxF "$(rpm -qp --nosignature --qf "$build" "$file")" || set -- "$@" "$file"
  done
  [ $# = 0 ] || rpm -U --oldpackage --replacepkgs --nosignature "$@" ;;
mend-dpkg) # ID: its journal is read; what was cut off while it was unpacked cannot be configured, and apt takes it for installed
  await 600
  configure() { dpkg --configure -a --force-confold </dev/null; }
  repair() { # PACKAGE…: they are unpacked again
    apt-get -q -y -f --reinstall --no-install-recommends --allow-change-held-packages -o DPkg::Lock::Timeout=600 \
      -o APT::Status-Fd=1 -o Dpkg::Options::=--force-confold install "$@" </dev/null
  }
  torn() {
    dpkg-query -W -f '${db:Status-Eflag} ${db:Status-Status} ${binary:Package}\n' |
      sed -n 's/^reinstreq [^ ]* //p; s/^ok half-installed //p'
  }
  mend() {
    configure || echo "unpacking again what was cut off in that"
    # A file that was sent may be in no repository, and until it is unpacked apt does nothing at all.
    for file in "$records"/*.deb; do
      [ -f "$file" ] && torn | sed 's/:.*//' | grep -qxF "$(dpkg-deb -f "$file" Package)" || continue
      dpkg --unpack --force-confold "$file" </dev/null || return
    done
    # shellcheck disable=SC2046
    repair $(torn) || { apt-get -q update </dev/null && repair $(torn); } || return
    configure
  }
  note_mending "$1" dpkg || exit
  mend
  code=$?
  counted "$1" dpkg || exit
  exit "$code" ;;
mend-rpm) # ID: a database that complains is rebuilt; of a package that is there twice, what came last stays
  await 600
  [ -z "$(rpm -qa 2>&1 >/dev/null)" ] || rpm --rebuilddb || exit
  twice | while read -r one; do
    rpm -q --qf '%{INSTALLTID} %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\n' "$one" | sort -n | sed '$d' |
      while read -r _ older; do rpm -e --nodeps "$older" || exit; done || exit
  done || exit
  counted "$1" rpm ;;
trust) # ID KEY FILE: what rpm believes already stays when the set goes
  [ -z "$(keys "$2")" ] || exit 0
  await 600
  mkdir -p "$records" && echo "$2" >>"$records/$1.keys" && rpm --import "$3" ;;
distrust) # ID KEY: if it was added for this set
  grep -qx "$2" "$records/$1.keys" 2>/dev/null || exit 0
  await 600
  for key in $(keys "$2"); do rpm -e "$key" || exit; done
  sed -i "/^$2$/d" "$records/$1.keys"
  [ -s "$records/$1.keys" ] || rm -f "$records/$1.keys" ;;
remove) # ID DATABASE: just what was added; dpkg and rpm refuse what somebody else needs by now
  id=$1 database=$2
  await 600
  counted "$id" "$database" || exit
  rm -f "$records/$id.removing"
  if [ -s "$records/$id.added" ]; then
    others "$id" >"$records/$id.others"
    remaining "$database" | sort -u | comm -12 - "$records/$id.added" | comm -23 - "$records/$id.others" >"$records/$id.removing"
  fi
  if [ -s "$records/$id.removing" ]; then
    # What was cut off while it was unpacked need not be whole to go.
    if [ "$database" = dpkg ]; then xargs dpkg --purge --force-remove-reinstreq; else xargs rpm -e; fi \
      <"$records/$id.removing" || exit
  fi
  # With the package files of a run that was cut off.
  rm -f "$records/$id.added" "$records/$id.others" "$records/$id.removing" "$records/$id".*.deb "$records/$id".*.rpm ;;
esac
