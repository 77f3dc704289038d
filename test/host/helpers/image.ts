import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import { mkdir } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"
import { must } from "./run.ts"

/** What the hosts of these tests consist of: every network manager and every package tool that is planned for. */
const PACKAGES = [
  ..."systemd-sysv dbus kmod iproute2 procps iputils-ping openssh-server sudo logrotate util-linux".split(
    " ",
  ),
  ..."ifupdown isc-dhcp-client network-manager dnsmasq-base nftables".split(" "),
  ..."rpm dnf zypper createrepo-c apt-utils gpg gpg-agent".split(" "),
  ..."grub-common grub2-common grub-pc-bin lvm2 ca-certificates".split(" "),
]

/** Units that a host in a namespace has no use for, or that would find this machine's hardware. */
const MASKED = [
  ..."apt-daily.timer apt-daily-upgrade.timer e2scrub_reap.service e2scrub_all.timer fstrim.timer".split(" "),
  ..."getty.target console-getty.service systemd-logind.service lvm2-monitor.service dpkg-db-backup.timer".split(
    " ",
  ),
  ..."NetworkManager-wait-online.service systemd-networkd-wait-online.service logrotate.timer".split(" "),
]

/** A restart of a real machine forgets its links; that of a namespace does not, and so is made to. */
const FORGET = `[Unit]
DefaultDependencies=no
Before=network-pre.target networking.service NetworkManager.service systemd-networkd.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'for link in $(ls /sys/class/net); do case $link in lo|eth*) ;; *) ip link del $link;; esac; done; for link in $(ls /sys/class/net | grep eth); do ip link set $link nomaster; ip addr flush dev $link; ip link set $link down; done; rm -rf /run/network/ifstate; true'
[Install]
WantedBy=sysinit.target
`

/** dnf's versionlock: Debian has it in a package that cannot be installed beside zypper. */
const VERSIONLOCK = `
cd "$1/tmp"
APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -q download dnf-plugins-core
dpkg-deb --fsys-tarfile dnf-plugins-core_*.deb |
  tar -x -C "$1" --wildcards '*/dnf-plugins/versionlock.py' '*/dnfpluginscore/*' './etc/dnf/plugins/versionlock.*'
rm dnf-plugins-core_*.deb
`

/**
 * The root file system of a Debian host, made once and kept in the cache: built from the sources that this
 * machine itself uses. Tests put an overlay over it and never change it.
 */
export async function hostImage(): Promise<string> {
  const sources = existsSync("/etc/apt/sources.list.d/debian.sources")
    ? "/etc/apt/sources.list.d/debian.sources"
    : "/etc/apt/sources.list"
  const setup = [
    `for unit in ${MASKED.join(" ")}; do ln -sf /dev/null /etc/systemd/system/$unit; done`,
    "for unit in NetworkManager networking systemd-networkd ssh.socket; do systemctl disable $unit; done; true",
    "ln -sf /lib/systemd/system/multi-user.target /etc/systemd/system/default.target",
    "systemctl enable ssh forget-links",
    "rm -f /etc/resolv.conf; echo 'nameserver 192.0.2.1' > /etc/resolv.conf",
    "printf '' > /etc/machine-id; rm -rf /var/cache/apt/archives/*.deb",
  ].join("\n")
  const key = createHash("sha256")
    .update([sources, ...PACKAGES, FORGET, VERSIONLOCK, setup].join("\n"))
    .digest("hex")
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "pulumi-xen")
  const image = join(cache, `host-image-${key.slice(0, 12)}`)
  if (existsSync(image)) return image
  await mkdir(cache, { recursive: true })
  const build = `
    [ ! -d "$1" ] || exit 0
    rm -rf "$1.new"
    mmdebstrap --quiet --variant=minbase --include="$2" \
      --customize-hook='printf "%s" "$UNIT" > "$1/etc/systemd/system/forget-links.service"' \
      --customize-hook='sh -euc "$VERSIONLOCK" sh "$1"' \
      --customize-hook='chroot "$1" sh -c "$SETUP"' \
      bookworm "$1.new" "$3" && mv "$1.new" "$1"`
  const environment = [`UNIT=${FORGET}`, `SETUP=${setup}`, `VERSIONLOCK=${VERSIONLOCK}`]
  const locked = ["flock", `${image}.lock`, "sh", "-c", build, "sh", image, PACKAGES.join(","), sources]
  await must(["env", ...environment, ...locked], "", 900_000)
  return image
}
