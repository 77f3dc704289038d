import { join } from "node:path"

/** A kind of bare machine. */
export type Flavour = {
  /** Debian packages beyond `Essential: yes` and apt. */
  packages: readonly string[]
  /** Directories whose files are laid over the root file system, in this order. */
  trees: readonly string[]
  /** GRUB's directory as seen from the disk's root. */
  grubDirectory: string
  /** Run in the root file system before the disk is made, with no machine around it. */
  setup: string
  /** Run on the machine at its first boot, before it is shut down and becomes the image. */
  firstBoot: string
}

const tree = (name: string) => join(import.meta.dirname, "flavours", name)

const common = [
  ...["linux-image-amd64", "initramfs-tools", "grub-pc", "systemd-sysv", "udev", "dbus", "kmod"],
  ...["openssh-server", "iproute2", "iputils-ping", "procps", "less", "ca-certificates", "gpgv", "sudo"],
] as const

const setup = `
echo 'grub-pc grub-pc/install_devices multiselect /dev/vda' | debconf-set-selections
# A restored machine wakes up days late: these would start at once, hold the package manager's lock and the CPUs.
systemctl disable apt-daily.timer apt-daily-upgrade.timer
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
`

const firstBoot = `
update-grub
rm -rf /var/lib/apt/lists/*_* /var/cache/apt/*.bin /var/log/journal/*
# Each machine booted from the image makes its own.
: > /etc/machine-id
`

/** The flavours by name, as in `lab up --flavour NAME`. */
export const flavours = {
  /** Debian 12 as a hoster's minimal image leaves it: GRUB, ifupdown with DHCP on eth0, root by key. */
  debian: {
    packages: [...common, "ifupdown", "isc-dhcp-client"],
    trees: [tree("debian")],
    grubDirectory: "boot/grub",
    setup,
    firstBoot,
  },
} as const satisfies Record<string, Flavour>

export type FlavourName = keyof typeof flavours
