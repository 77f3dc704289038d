"""What xen.getHost and Packages find out in one round trip, by pyinfra's own facts; by a command where it has none."""

from pyinfra import host
from pyinfra.facts import files, hardware, server
from pyinfra.operations import apt

# The system.
for fact in (server.User, server.Hostname, server.Date, server.Uptime, server.OsRelease, server.Arch, server.KernelVersion):
    host.get_fact(fact)
for path in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id", "/proc/cmdline", "/proc/xen/capabilities"):
    host.get_fact(files.FileContents, path=path)
host.get_fact(server.Which, command="nft")

# The machine.
for fact in (hardware.Cpus, hardware.CpuInfo, hardware.Memory, hardware.BlockDevices, server.Mounts):
    host.get_fact(fact)

# The boot loader.
for path in ("/boot/grub/grub.cfg", "/boot/grub/grubenv", "/etc/default/grub"):
    host.get_fact(files.FileContents, path=path)
host.get_fact(server.Command, command="df -P -m /boot")

# The network, and who configures it.
host.get_fact(hardware.NetworkDevices)
for path in ("/etc/resolv.conf", "/etc/network/interfaces"):
    host.get_fact(files.FileContents, path=path)
for command in (
    "ip -j -4 route; ip -j -6 route",
    "systemctl is-active NetworkManager systemd-networkd networking || true",
    "systemctl show -p Id,UnitFileState,ActiveState xenconsoled xendomains || true",
):
    host.get_fact(server.Command, command=command)

# The packages.
apt.packages(packages=["dpkg"])
