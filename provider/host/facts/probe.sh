# All facts of a host in one round trip: sent on standard input to `sh -s -- MARK DEPTH PACKAGE…`.
# Prints sections; the line "MARK NAME" opens one, and the newline before it belongs to the mark, so that a
# file's bytes arrive unchanged. MARK is random: no file can hold it. Nothing here changes the host.
# Forks are what a probe costs, so files are preferred to programs, and what is slow (package lists, LVM)
# is asked only at DEPTH "full".
mark=$1 depth=$2
shift 2
export LC_ALL=C PATH="/usr/sbin:/usr/bin:/sbin:/bin:$PATH"

section() { printf '\n%s %s\n' "$mark" "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }
file() { [ -f "$1" ] && [ -r "$1" ] && section "file $1" && cat -- "$1"; }
files() { for one in "$@"; do file "$one"; done; }
# Configuration that may hold keys (802.1X, WireGuard, PPP) is read without them.
redacted() {
  for one in "$@"; do
    [ -f "$one" ] && [ -r "$one" ] && section "file $one" &&
      grep -viE '^[[:space:]]*[^#=]*(psk|password|passphrase|secret|privatekey|private-key|presharedkey|wep-key|wpa-)' -- "$one"
  done
}
value() { [ -r "$1" ] && read -r content <"$1" && printf '%s=%s\n' "$2" "$content"; }

section identity
# "uid=0(root) gid=0(root) …"
who=$(id)
uid=${who#uid=} uid=${uid%%[!0-9]*} user=${who#*(}
echo "user=${user%%)*}"
echo "uid=$uid"
if [ "$uid" = 0 ]; then echo sudo=yes; elif have sudo && sudo -n true 2>/dev/null; then echo sudo=yes; fi
value /proc/sys/kernel/hostname hostname
value /etc/machine-id machineid
value /proc/sys/kernel/random/boot_id bootid
value /proc/uptime uptime
echo "clock=$(date +%s)"
value /proc/sys/kernel/osrelease kernel
echo "architecture=$(uname -m)"
value /proc/1/comm init
[ -d /run/systemd/system ] && echo systemd=running
have systemctl && echo "systemd_version=$(systemctl --version 2>/dev/null | head -n 1)"
[ -d /sys/firmware/efi ] && echo firmware=uefi
have nft && echo nftables=yes
# The session's own address: sudo drops the variable, so an ancestor is asked.
process=$$
while [ -z "$SSH_CONNECTION" ] && [ "${process:-0}" -gt 1 ]; do
  SSH_CONNECTION=$(tr '\0' '\n' <"/proc/$process/environ" 2>/dev/null | sed -n 's/^SSH_CONNECTION=//p')
  process=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$process/status" 2>/dev/null)
done
echo "session=$SSH_CONNECTION"

for one in /etc/os-release /usr/lib/os-release; do [ -r "$one" ] && file "$one" && break; done

section cpu
awk '/^processor/ { count++ } count == 1 && /^(model name|flags)/ { print } END { print "count=" count }' /proc/cpuinfo
section memory
{ for line in total free available; do read -r line && echo "$line"; done; } </proc/meminfo
section cmdline
read -r line </proc/cmdline && printf '%s\n' "$line"

# --- Xen -------------------------------------------------------------------------------------------------
[ -r /sys/hypervisor/type ] && section hypervisor && cat /sys/hypervisor/type
if [ -r /proc/xen/capabilities ]; then
  section xen-capabilities
  cat /proc/xen/capabilities
  if have xl; then
    section xl-info && xl info 2>&1
    section xl-list && xl list 2>&1
  fi
fi

# --- packages --------------------------------------------------------------------------------------------
section package-tools
for one in apt-get dnf5 dnf yum zypper dpkg rpm; do have "$one" && echo "$one"; done
[ -s /var/lib/dpkg/status ] && echo dpkg-database
for one in /var/lib/rpm/rpmdb.sqlite /var/lib/rpm/Packages /var/lib/rpm/Packages.db /usr/lib/sysimage/rpm/rpmdb.sqlite \
  /usr/lib/sysimage/rpm/Packages.db /usr/lib/sysimage/rpm/Packages; do
  [ -s "$one" ] && echo rpm-database && break
done
xen_rpms='xen xen-hypervisor xen-runtime xen-tools xen-libs'
if have dpkg-query && [ -s /var/lib/dpkg/status ]; then
  section dpkg
  # One question for all, of which what is asked for and what is not whole goes over the wire.
  dpkg-query -W -f '${binary:Package}\t${Version}\t${db:Status-Status}\t${db:Status-Eflag}\t${db:Status-Want}\n' 2>/dev/null |
    awk -F '\t' '
      BEGIN { for (at = 1; at < ARGC; at++) wanted[ARGV[at]]; ARGC = 1 }
      { name = $1; sub(/:.*/, "", name) }
      name in wanted || name ~ /^xen-(system-amd64|hypervisor-.*-amd64|utils-.*)$/ ||
        $3 !~ /^(installed|not-installed|config-files)$/ || $4 != "ok"' "$@"
  if [ "$depth" = full ] && have apt-cache; then
    section apt-policy
    # shellcheck disable=SC2046,SC2086
    (set -f; apt-cache policy $(apt-cache pkgnames xen- | grep -E '^xen-(system|hypervisor|utils)-') "$@" 2>/dev/null)
  fi
fi
if have rpm && ! [ -s /var/lib/dpkg/status ]; then
  section rpm-broken
  rpm -q rpm >/dev/null 2>&1 || rpm -qa 2>&1 >/dev/null | grep -q . && echo "the RPM database"
  # Looking at all packages takes a second; a run that was cut off has left its mark.
  for one in /var/lib/pulumi-xen/packages/*.before; do
    [ -f "$one" ] && rpm -qa --qf '%{NAME}.%{ARCH}\n' | sort | uniq -d | grep -vE '^(kernel|gpg-pubkey)' && break
  done
  section rpm-held
  for one in /etc/dnf/plugins/versionlock.list /etc/yum/pluginconf.d/versionlock.list /etc/zypp/locks; do
    [ -r "$one" ] && cat "$one"
  done
  section rpm
  # shellcheck disable=SC2086
  rpm -q --qf '%{NAME}\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\n' $xen_rpms "$@" 2>/dev/null | grep "$(printf '\t')"
  if [ "$depth" = full ]; then
    section rpm-available
    # shellcheck disable=SC2086
    if have dnf; then
      dnf -q -C --disableplugin='*' repoquery --qf '%{name}\t%{epoch}:%{version}-%{release}' $xen_rpms "$@" 2>/dev/null ||
        dnf -q repoquery --qf '%{name}\t%{epoch}:%{version}-%{release}' $xen_rpms "$@" 2>/dev/null
    elif have zypper; then
      zypper --non-interactive --quiet --no-refresh search -s --match-exact $xen_rpms "$@" 2>/dev/null
    elif have yum; then
      yum -q list available $xen_rpms "$@" 2>/dev/null
    fi
  fi
fi

# --- boot ------------------------------------------------------------------------------------------------
for directory in /boot/grub2 /boot/grub; do
  [ -d "$directory" ] || continue
  config=$directory/grub.cfg
  # EL 7 and 8 on UEFI keep the real menu on the EFI partition; /boot/grub2 may hold none.
  [ -f "$config" ] || for one in /boot/efi/EFI/*/grub.cfg; do [ -f "$one" ] && config=$one; done
  [ -r "$config" ] || continue
  section grub-directory && echo "$directory"
  section grub-config && echo "$config"
  section grub-menu && cat -- "$config"
  environment=$directory/grubenv
  section grub-environment && cat -- "$environment" 2>/dev/null
  section grub-filesystem
  # A grubenv that is not there is made by the first grub-set-default.
  place=$(readlink -f -- "$environment")
  [ -e "$place" ] || place=$directory
  df -P -T -- "$place" | tail -n 1
  [ -w "$place" ] && echo writable
  break
done
for one in grub-mkconfig grub2-mkconfig grub-reboot grub2-reboot grub2-once; do have "$one" && section "tool $one"; done
files /etc/default/grub /etc/default/grub.d/*.cfg
for one in /boot/loader/entries/*.conf; do file "$one"; done
section boot-space
df -P -m /boot 2>/dev/null | tail -n 1

# --- network ---------------------------------------------------------------------------------------------
section addresses && ip -j -d addr 2>&1
section routes4 && ip -j -4 route 2>/dev/null
section routes6 && ip -j -6 route 2>/dev/null
files /etc/resolv.conf
section managers
have systemctl && systemctl is-active NetworkManager systemd-networkd networking 2>/dev/null | tr '\n' ' '
[ -r /run/network/ifstate ] && section ifstate && cat /run/network/ifstate
redacted /etc/network/interfaces /etc/network/interfaces.d/*
for one in /run/systemd/netif/links/*; do
  [ -r "$one" ] && section "netif ${one##*/}" && grep -E '^(ADMIN_STATE|OPER_STATE|NETWORK_FILE)=' "$one"
  lease=/run/systemd/netif/leases/${one##*/}
  [ -r "$lease" ] && section "lease ${one##*/}" && grep '^CLIENTID=' "$lease"
done
redacted /etc/systemd/network/*.network /etc/systemd/network/*.netdev /run/systemd/network/*.network \
  /run/systemd/network/*.netdev /etc/systemd/network/*.network.d/*.conf /run/systemd/network/*.network.d/*.conf
if have nmcli && [ -d /run/NetworkManager ]; then
  section nm-devices
  nmcli -t -f DEVICE,STATE,CONNECTION device 2>/dev/null
  nmcli -t -f DEVICE,UUID connection show --active 2>/dev/null | while IFS=: read -r device uuid; do
    [ -n "$device" ] && [ "$device" != lo ] || continue
    section "nm-profile $device"
    nmcli -t -f connection,802-3-ethernet,bridge,ipv4,ipv6 connection show "$uuid" 2>/dev/null |
      grep -viE '(psk|password|secret|key)'
  done
  redacted /etc/NetworkManager/system-connections/pulumi-xen-*.nmconnection
fi

# --- storage ---------------------------------------------------------------------------------------------
section disks
have lsblk && lsblk -J -b -o NAME,SIZE,TYPE,FSTYPE,MOUNTPOINT 2>/dev/null
section records-space
df -P -m /var/lib 2>/dev/null | tail -n 1
if [ "$depth" = full ] && have vgs; then
  section vgs && vgs --noheadings --units b --nosuffix --separator '|' -o vg_name,vg_size,vg_free 2>/dev/null
  section lvs && lvs --noheadings --units b --nosuffix --separator '|' -o vg_name,lv_name,lv_size 2>/dev/null
fi

# --- what plans compare with -----------------------------------------------------------------------------
for one in /sys/class/watchdog/*/identity; do
  [ -r "$one" ] && section "watchdog $one" && cat "$one"
done
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
have systemctl && section units &&
  systemctl show -p Id,UnitFileState,ActiveState xenconsoled.service xendomains.service xencommons.service xen.service \
    2>/dev/null
section end
