# Turns the bare Debian machine into a plain Xen host: Xen's packages and LVM, a bridge that holds eth0, guests' consoles
# logged, Xen the default entry of GRUB. Read by `sh -eu` on the machine, with $XEN_OPTIONS set.
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
# lvm2 would have the initramfs written anew, which takes minutes in emulation and changes nothing that boots here.
echo update_initramfs=no > /etc/initramfs-tools/update-initramfs.conf
apt-get -qq install --no-install-recommends xen-system-amd64 qemu-system-xen grub-xen-host bridge-utils nftables curl lvm2 > /dev/null
echo update_initramfs=yes > /etc/initramfs-tools/update-initramfs.conf

cat > /etc/default/grub.d/lab-xen.cfg << END
GRUB_CMDLINE_XEN_DEFAULT="dom0_mem=1024M,max:1024M com1=115200,8n1 console=com1 loglvl=all guest_loglvl=all $XEN_OPTIONS"
GRUB_CMDLINE_LINUX_XEN_REPLACE="net.ifnames=0 console=hvc0"
GRUB_DEFAULT="Debian GNU/Linux, with Xen hypervisor"
END
update-grub

cat > /etc/network/interfaces << 'END'
auto lo
iface lo inet loopback

iface eth0 inet manual

auto xenbr0
iface xenbr0 inet dhcp
    bridge_ports eth0
    bridge_hw eth0
    bridge_stp off
    bridge_fd 0
iface xenbr0 inet6 auto
END

# xenconsoled logs into a directory that Debian's package does not make, and says nothing where it is missing.
mkdir -p /var/log/xen/console
echo 'XENCONSOLED_ARGS="--log=guest"' >> /etc/default/xen
sed -i 's/^XENDOMAINS_SAVE=.*/XENDOMAINS_SAVE=/; s/^XENDOMAINS_RESTORE=.*/XENDOMAINS_RESTORE=false/' /etc/default/xendomains
apt-get clean
