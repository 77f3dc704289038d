import { join } from "node:path"

/** A kind of bare machine. */
export type Flavour = {
  /** Debian packages beyond `Essential: yes` and apt. */
  packages: readonly string[]
  /** Directories below `flavours/` whose files are laid over the root file system, in this order. */
  trees: readonly string[]
  /** GRUB's directory as seen from the disk's root. */
  grubDirectory: string
  /** Run in the root file system before the disk is made, with no machine around it. */
  setup: string
  /** Run on the machine at its first boot, before it is shut down and becomes the image. */
  firstBoot: string
  /** Debian packages that its RPM repositories are made of, with all they need beyond `packages`. */
  repository?: readonly string[]
}

const common = [
  ...["linux-image-amd64", "initramfs-tools", "grub-pc", "systemd-sysv", "udev", "dbus", "kmod"],
  ...["openssh-server", "iproute2", "iputils-ping", "procps", "less", "ca-certificates", "gpgv", "sudo"],
] as const

const setup = `
echo 'grub-pc grub-pc/install_devices multiselect /dev/vda' | debconf-set-selections
# A restored machine wakes up days late: these would start at once, hold the package manager's lock and the CPUs.
systemctl disable apt-daily.timer apt-daily-upgrade.timer
rm -f /etc/ssh/ssh_host_rsa_key* /etc/ssh/ssh_host_ecdsa_key*
# GRUB reads an initrd through the BIOS, and the kernel unpacks it: with the drivers of all machines, 35 MB, that is half of a
# boot in emulation.
echo MODULES=list > /etc/initramfs-tools/conf.d/lab
printf '%s\n' virtio_pci virtio_blk ext4 crc32c_generic >> /etc/initramfs-tools/modules
update-initramfs -u
`

const firstBoot = `
rm -rf /var/lib/apt/lists/*_* /var/cache/apt/*.bin /var/log/journal/*
# Each machine booted from the image makes its own.
: > /etc/machine-id
`

/** The flavours by name, as in `lab up --flavour NAME`. */
export const flavours = {
  /** Debian 12 as a hoster's minimal image leaves it: GRUB, ifupdown with DHCP on eth0, root by key. */
  debian: {
    packages: [...common, "ifupdown", "isc-dhcp-client"],
    trees: ["common", "debian"],
    grubDirectory: "boot/grub",
    setup,
    firstBoot: `update-grub\n${firstBoot}`,
  },
  /**
   * A machine of the EL family, as far as who administers it can see. As there: os-release and redhat-release;
   * dnf, rpm and zypper with an RPM database, no apt and no dpkg; GRUB's commands named grub2-*, its directory
   * /boot/grub2, /etc/default/grub with GRUB_DEFAULT=saved; NetworkManager with a keyfile connection; Xen's
   * packages, units and /etc/sysconfig files named as Fedora names them.
   *
   * Not as there: the programs are Debian's, one RPM (lab-release) stands for all that is installed; kernels
   * have Debian's names and no RPM; GRUB has no BLS, no grubby; /boot/grub is a link to grub2, since the path is
   * compiled into grub-editenv; no SELinux, no firewalld, no distribution's repositories.
   */
  rpm: {
    packages: [...common, "network-manager", "dnf", "rpm", "zypper"],
    trees: ["common", "rpm"],
    grubDirectory: "boot/grub2",
    setup: `${setup}
rm -f /usr/sbin/update-grub /usr/sbin/update-grub2
for command in mkconfig reboot set-default install; do mv /usr/sbin/grub-$command /usr/sbin/grub2-$command; done
ln -s grub-editenv /usr/bin/grub2-editenv
ln -s grub-probe /usr/sbin/grub2-probe
rm -rf /boot/grub
ln -s grub2 /boot/grub
rm -f /etc/debian_version
mkdir -p /var/lib/rpm /etc/yum.repos.d /etc/zypp/repos.d
chmod 600 /etc/NetworkManager/system-connections/*
# What is downloaded from here on is for the RPM repositories.
apt-get clean
`,
    firstBoot: `
grub2-editenv - create
dnf -y install --nogpgcheck http://10.0.2.9/rpm/base/lab-release.rpm
grub2-mkconfig -o /boot/grub2/grub.cfg
${firstBoot}
mkdir /usr/lib/debian
mv /usr/bin/apt* /usr/bin/dpkg* /usr/lib/debian
# Debian's GRUB compares the versions of kernels with it.
sed -i 's,^  dpkg --compare,  /usr/lib/debian/dpkg --compare,' /usr/share/grub/grub-mkconfig_lib
`,
    repository: ["xen-system-amd64"],
  },
} as const satisfies Record<string, Flavour>

export type FlavourName = keyof typeof flavours

/** The directory of a tree named in `trees`. */
export const treeDirectory = (name: string): string => join(import.meta.dirname, "flavours", name)
