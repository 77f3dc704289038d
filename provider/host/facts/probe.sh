# All facts of a host in one round trip: sent on standard input to `sh -s -- MARK DEPTH PACKAGE…`.
# Prints sections; the line "MARK NAME" opens one, and the newline before it belongs to the mark, so that a
# file's bytes arrive unchanged. MARK is random: no file can hold it. Nothing here changes the host.
# Processes are what a probe costs, and bytes that a shell reads one by one: the shell asks what is there, one awk
# reads it, and what is slow (package lists, LVM) is asked only at DEPTH "full".
mark=$1 depth=$2
shift 2
export LC_ALL=C PATH="/usr/sbin:/usr/bin:/sbin:/bin:$PATH"
newline='
'

# All that was found out is said at once: a write for each line would be a packet each.
said=
say() { said=$said$*$newline; }
section() { say "$newline$mark $*"; }
# What a program says, straight away: for within `programs`.
ask() { # SECTION PROGRAM…
  printf '\n%s %s\n' "$mark" "$1" && shift && "$@" 2>/dev/null
}
have() { command -v "$1" >/dev/null 2>&1; }
# Whose lines are VAR=value with one of these names.
state() { # SECTION FILE
  [ -r "$2" ] || return
  section "$1"
  while read -r line; do
    case $line in ADMIN_STATE=* | OPER_STATE=* | NETWORK_FILE=* | CLIENTID=*) say "$line" ;; esac
  done <"$2"
}

# Small ones, most of them the kernel's, and directories of block devices: noted for awk.
values=
devices=
# Files are noted, and printed at the end. No record is read from an empty one, so its section is all there is of it.
whole=
keyless=
file() {
  { [ -f "$1" ] && [ -r "$1" ]; } || return
  if [ -s "$1" ]; then whole=$whole$1$newline; else section "file $1"; fi
}
files() { for one in "$@"; do file "$one"; done; }
# Configuration that may hold keys (802.1X, WireGuard, PPP) is read without them, and it is said which lines are missing.
redacted() {
  for one in "$@"; do
    { [ -f "$one" ] && [ -r "$one" ]; } || continue
    if [ -s "$one" ]; then keyless=$keyless$one$newline; else section "file $one"; fi
  done
}
# What is in all these files, and what the kernel says of the processor, the memory, the mounts and the disks.
read_all() { # PACKAGES' FILE, PACKAGE…
  stanzas=$1
  shift
  wanted=$*
  set -f
  IFS=$newline
  # A record that ends with what no file can hold is a whole file, and one of dpkg's ends with an empty line. Of all
  # packages, what is asked for and what is not whole goes over the wire.
  # shellcheck disable=SC2086
  awk -v mark="$mark" -v wanted="$wanted" -v values="$values" -v devices="$devices" '
    function section(name) { printf "\n%s %s\n", mark, name }
    # A file of one line: "" where there is none, as where a device has just gone.
    function line_of(path, line) {
      if ((getline line <path) <= 0) line = ""
      close(path)
      return line
    }
    function say(name, value) { if (value != "") print name "=" value }
    # A file that is there, be it empty.
    function tell(path, pattern, line, got) {
      if ((got = (getline line <path)) < 0) return
      section("value " path)
      for (; got > 0; got = (getline line <path)) if (line ~ pattern) print line
      close(path)
    }
    # Those of no size are left out: drives without a medium, loop devices without a file.
    function device(path, name, number, sectors, line) {
      if ((sectors = line_of(path "/size")) + 0 == 0) return
      name = substr(path, length("/sys/class/block/") + 1)
      number = line_of(path "/dev")
      say("device", name)
      say("sectors", sectors)
      say("number", number)
      say("partition", line_of(path "/partition"))
      if (name ~ /^dm-/) {
        say("mapped", line_of(path "/dm/name"))
        say("uuid", line_of(path "/dm/uuid"))
      }
      if (name ~ /^md/) say("level", line_of(path "/md/level"))
      path = "/run/udev/data/b" number
      while ((getline line <path) > 0) if (sub(/^E:ID_FS_TYPE=/, "", line)) say("filesystem", line)
      close(path)
    }
    # Whether a line may hold a key: its name says so, be it commented out; of a command, anything but a path. What
    # goes on with a line that does is a part of it.
    function hides(line, before, is_hidden) {
      if (is_hidden && before ~ /\\$/) return 1
      line = tolower(line)
      sub(/^[ \t#;]+/, "", line)
      if (line ~ /^((pre|post)-)?(up|down)[ \t]/) {
        gsub(/[ \t]\/[^ \t]*/, "", line)
        return line ~ /(psk|passw(or)?d|passphrase|secret|[^a-z]key)([^a-z0-9]|$)/
      }
      sub(/[ \t=:].*/, "", line)
      return line ~ /psk|passw|passphrase|secret|key|wpa-pin|wireless-enc/
    }
    function without_keys(at, last, lines, is_hidden) {
      last = split($0, lines, "\n")
      for (at = 1; at <= last; at++) {
        if (is_hidden = hides(lines[at], lines[at - 1], is_hidden)) unread[FILENAME] = unread[FILENAME] " " at
        else printf "%s%s", lines[at], (at < last ? "\n" : "")
      }
    }
    BEGIN {
      srand()
      section("clock")
      print srand()
      section("cpu")
      while ((getline line <"/proc/cpuinfo") > 0 && line != "") if (line ~ /^(model name|flags)/) print line
      say("online", line_of("/sys/devices/system/cpu/online"))
      tell("/proc/meminfo", "^Mem(Total|Available):")
      tell("/proc/self/mountinfo", " - [^ ]+ /dev/")
      last = split(values, names, " ")
      for (at = 1; at <= last; at++) tell(names[at], "")
      section("devices")
      last = split(devices, names, " ")
      for (at = 1; at <= last; at++) device(names[at])
      for (at = split(wanted, names, " "); at > 0; at--) is_wanted[names[at]]
    }
    FNR == 1 { section(kind == "dpkg" ? kind : "file " FILENAME) }
    kind == "dpkg" {
      name = substr($0, 10, index($0, "\n") - 10)
      if (name in is_wanted || name ~ /^xen-(system-amd64|hypervisor-.*-amd64|utils-.*)$/ ||
        $0 !~ /\nStatus: [a-z]+ ok (installed|not-installed|config-files)\n/) {
        version = ""
        for (at = split($0, lines, "\n"); at > 0; at--) {
          if (lines[at] ~ /^Version: /) version = substr(lines[at], 10)
          if (lines[at] ~ /^Status: /) split(lines[at], status, " ")
        }
        print name "\t" version "\t" status[4] "\t" status[3] "\t" status[2]
      }
      next
    }
    kind == "keyless" { without_keys(); next }
    { print }
    END { for (path in unread) printf "\n%s unread %s\n%s\n", mark, path, unread[path] }' \
    kind=dpkg RS= $stanzas kind=keyless RS="$mark" $keyless kind=whole ORS= $whole
  unset IFS
  set +f
}

section identity
while read -r name id _; do
  [ "$name" = Uid: ] && uid=$id && break
done </proc/$$/status
say "user=${USER:-$(id -un)}"
say "uid=$uid"
if [ "$uid" = 0 ]; then say sudo=yes; elif have sudo && sudo -n true 2>/dev/null; then say sudo=yes; fi
# Linux 6.1 and later say it by themselves.
[ -r /proc/sys/kernel/arch ] || say "architecture=$(uname -m)"
[ -d /run/systemd/system ] && say systemd=running
[ -d /sys/firmware/efi ] && say firmware=uefi
have nft && say nftables=yes
# The session's own address: sudo drops the variable, so an ancestor is asked.
process=$PPID
while [ -z "${SSH_CONNECTION:-}" ] && [ "${process:-0}" -gt 1 ]; do
  SSH_CONNECTION=$(tr '\0' '\n' <"/proc/$process/environ" 2>/dev/null | sed -n 's/^SSH_CONNECTION=//p')
  process=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$process/status" 2>/dev/null)
done
say "session=${SSH_CONNECTION:-}"

for one in /etc/os-release /usr/lib/os-release; do [ -r "$one" ] && file "$one" && break; done

# The capabilities are empty in a domain other than dom0.
for one in /proc/sys/kernel/hostname /etc/machine-id /proc/sys/kernel/random/boot_id /proc/uptime \
  /proc/sys/kernel/osrelease /proc/sys/kernel/arch /proc/cmdline /proc/swaps \
  /sys/hypervisor/type /proc/xen/capabilities /sys/class/watchdog/*/identity; do
  values="$values $one"
done
for one in /sys/class/block/*; do devices="$devices $one"; done

# --- packages --------------------------------------------------------------------------------------------
dpkg=/var/lib/dpkg/status
rpms=
section package-tools
for one in apt-get dnf5 dnf yum zypper dpkg rpm; do have "$one" && say "$one"; done
[ -s "$dpkg" ] && say dpkg-database
for one in /var/lib/rpm/rpmdb.sqlite /var/lib/rpm/Packages /var/lib/rpm/Packages.db /usr/lib/sysimage/rpm/rpmdb.sqlite \
  /usr/lib/sysimage/rpm/Packages.db /usr/lib/sysimage/rpm/Packages; do
  [ -s "$one" ] && say rpm-database && rpms=yes && break
done
xen_rpms='xen xen-hypervisor xen-runtime xen-tools xen-libs'
apt_policy() { # PACKAGE…
  # shellcheck disable=SC2046,SC2086
  apt-cache policy $(apt-cache pkgnames xen- | grep -E '^xen-(system|hypervisor|utils)-') "$@"
}
rpm_available() { # PACKAGE…
  if have dnf; then
    dnf -q -C --disableplugin='*' repoquery --qf '%{name}\t%{epoch}:%{version}-%{release}' "$@" ||
      dnf -q repoquery --qf '%{name}\t%{epoch}:%{version}-%{release}' "$@"
  elif have zypper; then
    zypper --non-interactive --quiet --no-refresh search -s --match-exact "$@"
  elif have yum; then
    yum -q list available "$@"
  fi
}
exists() { [ -e "$1" ]; }
# dpkg's file is read as apt reads it, in a quarter of dpkg-query's time. That one is asked while updates/ holds
# what a dpkg that runs, or was killed, has not yet written into the file.
stanzas=
if [ -s "$dpkg" ] && have dpkg-query; then
  if exists /var/lib/dpkg/updates/[0-9]*; then stanzas=-; else stanzas=$dpkg; fi
fi
# Either may have a database on a host that belongs to the other.
if have rpm && { [ "$rpms" ] || ! [ -s "$dpkg" ]; }; then
  section rpm-broken
  rpm -q rpm >/dev/null 2>&1 || { rpm -qa 2>&1 >/dev/null | grep -q . && say "the RPM database"; }
  # Looking at all packages takes a second; a run that was cut off has left its mark.
  for one in /var/lib/pulumi-xen/packages/*.before; do
    [ -f "$one" ] || continue
    say "$(rpm -qa --qf '%{NAME}.%{ARCH}\n' | sort | uniq -d | grep -vE '^(kernel|gpg-pubkey)')"
    break
  done
  files /etc/dnf/versionlock.toml /etc/dnf/plugins/versionlock.list /etc/yum/pluginconf.d/versionlock.list /etc/zypp/locks
else
  rpms=none
fi

# --- boot ------------------------------------------------------------------------------------------------
grubenv=
for directory in /boot/grub2 /boot/grub; do
  [ -d "$directory" ] || continue
  config=$directory/grub.cfg
  # EL 7 and 8 on UEFI keep the real menu on the EFI partition; /boot/grub2 may hold none.
  [ -f "$config" ] || for one in /boot/efi/EFI/*/grub.cfg; do [ -f "$one" ] && config=$one; done
  [ -r "$config" ] || continue
  section grub
  say "directory=$directory"
  say "config=$config"
  # A grubenv that is not there is made by the first grub-set-default.
  grubenv=$directory/grubenv
  [ -e "$grubenv" ] || grubenv=$directory
  [ -w "$grubenv" ] && say writable=yes
  files "$config" "$directory/grubenv"
  break
done
for one in grub-mkconfig grub2-mkconfig grub-reboot grub2-reboot grub2-once; do have "$one" && section "tool $one"; done
files /etc/default/grub /etc/default/grub.d/*.cfg /boot/loader/entries/*.conf
boot=/boot
[ -d "$boot" ] || boot=/

# --- network ---------------------------------------------------------------------------------------------
files /etc/resolv.conf /run/network/ifstate
redacted /etc/network/interfaces /etc/network/interfaces.d/*
for one in /run/systemd/netif/links/*; do
  state "netif ${one##*/}" "$one"
  state "lease ${one##*/}" "/run/systemd/netif/leases/${one##*/}"
done
redacted /etc/systemd/network/*.network /etc/systemd/network/*.netdev /run/systemd/network/*.network \
  /run/systemd/network/*.netdev /etc/systemd/network/*.network.d/*.conf /run/systemd/network/*.network.d/*.conf
nm_profile() { # UUID
  nmcli -t -f connection,802-3-ethernet,bridge,ipv4,ipv6 connection show "$1" | grep -viE '^[^:]*(psk|password|secret|key)'
}
nm=
if have nmcli && [ -d /run/NetworkManager ]; then
  nm=yes
  redacted /etc/NetworkManager/system-connections/pulumi-xen-*.nmconnection
fi

# --- what plans compare with -----------------------------------------------------------------------------
for one in /var/lib/pulumi-xen/guard/*/; do files "${one}state" "${one}log"; done
for one in /var/lib/pulumi-xen/packages/*.before /var/lib/pulumi-xen/repositories/*/*.deb /var/lib/pulumi-xen/repositories/*/*.rpm; do
  [ -f "$one" ] && section "file $one"
done
files /var/lib/pulumi-xen/repositories/*/SHA256SUMS \
  /var/lib/pulumi-xen/packages/*.json /var/lib/pulumi-xen/packages/*.added /var/lib/pulumi-xen/networks/*.json /var/lib/pulumi-xen/dom0.json \
  /var/lib/pulumi-xen/boot.json /var/lib/pulumi-xen/owners/dom0 /var/lib/pulumi-xen/owners/networks/* \
  /etc/default/xen /etc/default/xendomains /etc/sysconfig/xencommons /etc/sysconfig/xendomains \
  /etc/apt/sources.list.d/pulumi-xen-*.sources /etc/yum.repos.d/pulumi-xen-*.repo /etc/zypp/repos.d/pulumi-xen-*.repo \
  /etc/apt/keyrings/pulumi-xen-*.asc /etc/pki/rpm-gpg/pulumi-xen-*.asc \
  /etc/systemd/system.conf.d/pulumi-xen.conf /etc/modules-load.d/pulumi-xen.conf /etc/udev/rules.d/60-pulumi-xen.rules \
  /etc/systemd/system/xenconsoled.service.d/pulumi-xen.conf /etc/logrotate.d/pulumi-xen /etc/tmpfiles.d/pulumi-xen.conf

# --- what programs know ----------------------------------------------------------------------------------
# Of the hypervisors that were written since the boot, those that have not the build id of the one that runs. To look for
# it in one takes the host a moment, so older ones are not read.
replaced_xen() {
  id=
  while read -r name booted _; do [ "$name" = btime ] && break; done </proc/stat
  find /boot -maxdepth 1 -type f -name 'xen*.gz' -newerct "@$booted" | while read -r one; do
    [ "$id" ] || id=$(xl info | sed -n 's/^build_id *: *//p')
    [ "$id" ] || break
    gzip -cd "$one" | hexadecimal | grep -q "$id" || printf '%s\n' "$one"
  done
}
hexadecimal() { od -An -v -tx1 | tr -d ' \n'; }
# Run in one copy of the shell, and not in one each.
programs() { # PACKAGE…
  if [ -r /proc/xen/capabilities ] && have xl; then
    ask xl-info xl info
    ask xl-list xl list
    ask xen-replaced replaced_xen
  fi
  [ "$depth" = full ] && [ "$stanzas" ] && have apt-cache && ask apt-policy apt_policy "$@"
  if [ "$rpms" != none ]; then
    # shellcheck disable=SC2086
    ask rpm rpm -q --qf '%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\n' $xen_rpms "$@"
    # shellcheck disable=SC2086
    [ "$depth" = full ] && ask rpm-available rpm_available $xen_rpms "$@"
  fi
  ask space df -P -T -m -- "$boot" /var/lib ${grubenv:+"$grubenv"}
  ask addresses ip -j -d -batch - <<'END'
addr show
route show table all
END
  if [ "$nm" ]; then
    ask nm-devices nmcli -t -f DEVICE,STATE,CONNECTION device
    for one in $(nmcli -t -f DEVICE,UUID connection show --active 2>/dev/null); do
      case $one in lo:* | :*) ;; *) ask "nm-profile ${one%:*}" nm_profile "${one##*:}" ;; esac
    done
  fi
  if [ "$depth" = full ] && have vgs; then
    ask vgs vgs --noheadings --units b --nosuffix --separator '|' -o vg_name,vg_size,vg_free
    ask lvs lvs --noheadings --units b --nosuffix --separator '|' -o vg_name,lv_name,lv_size
  fi
  [ -d /run/systemd/system ] && ask units systemctl show -p Id,UnitFileState,ActiveState NetworkManager.service \
    systemd-networkd.service networking.service xenconsoled.service xendomains.service xencommons.service xen.service
}
said=$said$(programs "$@")$newline
printf %s "$said"
if [ "$stanzas" = - ]; then
  dpkg-query -W -f 'Package: ${Package}\nStatus: ${Status}\nVersion: ${Version}\n\n' 2>/dev/null | read_all - "$@"
else
  read_all "$stanzas" "$@" </dev/null
fi
printf '\n%s end\n' "$mark"
