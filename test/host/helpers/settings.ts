import type { HostOptions } from "./container.ts"

/** The address of every host with a static setting. */
export const STATIC4 = "192.0.2.7"

/** How a host's eth0 can be configured: by each manager, static and by DHCP, each with IPv4 and IPv6. */
export const SETTINGS: Readonly<Record<string, HostOptions>> = {
  "ifupdown, static": {
    units: ["networking"],
    files: {
      "/etc/network/interfaces": `source /etc/network/interfaces.d/*

auto lo
iface lo inet loopback

# The provider's network.
auto eth0
iface eth0 inet static
    address 192.0.2.7/24
    gateway 192.0.2.1
    dns-nameservers 192.0.2.53
    up ip route add 198.51.100.0/24 via 192.0.2.9 dev eth0
iface eth0 inet6 static
    address 2001:db8::7/64
    gateway 2001:db8::1
    dad-attempts 0
`,
    },
  },
  "ifupdown, DHCP": {
    units: ["networking"],
    dhcp: true,
    files: {
      // dhclient's own pauses are made for networks of thousands.
      "/etc/dhcp/dhclient.conf": "initial-interval 1;\nbackoff-cutoff 2;\ntimeout 10;\nretry 5;\n",
      "/etc/network/interfaces": `source /etc/network/interfaces.d/*
auto lo eth0
iface lo inet loopback
iface eth0 inet dhcp
iface eth0 inet6 auto
`,
    },
  },
  "systemd-networkd, static": {
    units: ["systemd-networkd"],
    files: {
      "/etc/systemd/network/eth0.network": `[Match]
Name=eth0

[Network]
Address=192.0.2.7/24
Gateway=192.0.2.1
Address=2001:db8::7/64
Gateway=2001:db8::1
DNS=192.0.2.53

[Route]
Destination=198.51.100.0/24
Gateway=192.0.2.9
`,
    },
  },
  "systemd-networkd, DHCP": {
    units: ["systemd-networkd"],
    dhcp: true,
    files: { "/etc/systemd/network/eth0.network": "[Match]\nName=eth0\n\n[Network]\nDHCP=ipv4\n" },
  },
  "NetworkManager, static": {
    units: ["NetworkManager"],
    files: {
      "/etc/NetworkManager/conf.d/lab.conf": "[keyfile]\nunmanaged-devices=interface-name:eth1\n",
      // NetworkManager leaves virtual Ethernet alone by default, and here it is all there is.
      "/etc/udev/rules.d/85-nm-unmanaged.rules": "",
      "/etc/NetworkManager/system-connections/uplink.nmconnection": `[connection]
id=uplink
type=ethernet
interface-name=eth0

[ipv4]
method=manual
address1=192.0.2.7/24,192.0.2.1
route1=198.51.100.0/24,192.0.2.9
dns=192.0.2.53;

[ipv6]
method=manual
address1=2001:db8::7/64,2001:db8::1
`,
    },
  },
  "NetworkManager, DHCP": {
    units: ["NetworkManager"],
    dhcp: true,
    files: {
      "/etc/NetworkManager/conf.d/lab.conf": "[keyfile]\nunmanaged-devices=interface-name:eth1\n",
      "/etc/udev/rules.d/85-nm-unmanaged.rules": "",
      "/etc/NetworkManager/system-connections/uplink.nmconnection":
        "[connection]\nid=uplink\ntype=ethernet\ninterface-name=eth0\n\n[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=auto\n",
    },
  },
}

const inFiles = (setting: string, from: RegExp, to: string): HostOptions => ({
  ...SETTINGS[setting],
  files: Object.fromEntries(
    Object.entries(SETTINGS[setting]!.files!).map(([path, text]) => [path, text.replace(from, to)]),
  ),
  advertised: true,
})

/** The IPv6 address is static, and the default route is what a router advertises. */
export const ADVERTISED: Readonly<Record<string, HostOptions>> = {
  "systemd-networkd": inFiles("systemd-networkd, static", /^Gateway=2001:db8::1\n/m, ""),
  NetworkManager: inFiles(
    "NetworkManager, static",
    /method=manual\n(address1=2001:db8::7\/64),.*/,
    "method=auto\n$1",
  ),
}
