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
installed() {
  if [ "$1" = dpkg ]; then
    dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' | sed -n 's/^[a-z-]*\(installed\|configured\|unpacked\|triggers-[a-z]*\) //p'
  else
    rpm -qa --qf '%{NAME}\n' | grep -v '^gpg-pubkey$'
  fi | sort -u
}
# What is there before the first attempt stays written down until an attempt has succeeded, so that one that was
# killed half-way is still counted.
note() { # ID DATABASE
  mkdir -p "$records"
  [ -f "$records/$1.before" ] && return
  installed "$2" >"$(aside "$records/$1.before")" && settle "$records/$1.before"
}
count() { # ID DATABASE
  [ -f "$records/$1.before" ] || return 0
  touch "$records/$1.added"
  installed "$2" | comm -13 "$records/$1.before" - | sort -u - "$records/$1.added" >"$(aside "$records/$1.added")" &&
    settle "$records/$1.added"
}

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
  note "$id" "$database"
  "$@" </dev/null
  code=$?
  count "$id" "$database"
  [ "$code" = 0 ] && rm -f "$records/$id.before"
  exit "$code" ;;
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
mend-dpkg) # its journal is read; what was cut off while it was unpacked cannot be configured, and apt takes it for installed
  await 600
  configure() { dpkg --configure -a --force-confold </dev/null; }
  repair() { # PACKAGE…: they are unpacked again
    apt-get -q -y -f --reinstall --no-install-recommends --allow-change-held-packages -o DPkg::Lock::Timeout=600 \
      -o APT::Status-Fd=1 -o Dpkg::Options::=--force-confold install "$@" </dev/null
  }
  configure || echo "unpacking again what was cut off in that"
  torn=$(dpkg-query -W -f '${db:Status-Eflag} ${db:Status-Status} ${binary:Package}\n' |
    sed -n 's/^reinstreq [^ ]* //p; s/^ok half-installed //p')
  # shellcheck disable=SC2086
  repair $torn || { apt-get -q update </dev/null && repair $torn; } || exit
  configure ;;
mend-rpm) # a database that complains is rebuilt; of a package that is there twice, what came last stays
  await 600
  [ -z "$(rpm -qa 2>&1 >/dev/null)" ] || rpm --rebuilddb || exit
  # Several kernels, and keys, are as they should be.
  rpm -qa --qf '%{NAME}.%{ARCH}\n' | sort | uniq -d | grep -vE '^(kernel|gpg-pubkey)' | while read -r twice; do
    rpm -q --qf '%{INSTALLTID} %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\n' "$twice" | sort -n | sed '$d' |
      while read -r _ older; do rpm -e --nodeps "$older" || exit; done || exit
  done ;;
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
  count "$id" "$database"
  [ -s "$records/$id.added" ] || { rm -f "$records/$id.added" "$records/$id.before"; exit 0; }
  installed "$database" | comm -12 - "$records/$id.added" >"$records/$id.removing"
  if [ -s "$records/$id.removing" ]; then
    if [ "$database" = dpkg ]; then xargs dpkg --purge; else xargs rpm -e; fi <"$records/$id.removing" || exit
  fi
  rm -f "$records/$id.added" "$records/$id.before" "$records/$id.removing" ;;
esac
