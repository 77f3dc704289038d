import type { XenHostArgs } from "../components/xenHost.ts"

/**
 * A rented machine as the MirageOS project had it at Bytemark: one network card, a static address out of
 * 46.43.42.128/25 with the gateway .129, IPv6 beside it, and one bridge for all unikernels. An example to copy: put your
 * own addresses and host key in.
 *
 *     new XenHost("www1", bytemark)
 *
 * The unikernels get addresses of their own out of the same network; the bridge is what connects them to it, with no
 * address translation. The host's key is looked up in known_hosts, as ssh does, unless `hostKey` pins it here.
 */
export const bytemark: XenHostArgs = {
  host: "46.43.42.130",
  user: "root",
  uplink: "eth0",
  bridge: "xenbr0",
  // Left out, the bridge would take over what eth0 has. Said in full, it is also put right when somebody changes it.
  addressing: {
    ipv4: { addresses: ["46.43.42.130/25"], gateway: "46.43.42.129" },
    // The provider routes a /64 to the machine, by its router's link-local address. 2001:db8:: is documentation's.
    ipv6: { addresses: ["2001:db8:42::130/64"], gateway: "fe80::1" },
    dns: ["1.1.1.1", "9.9.9.9"],
  },
  // Enough for Debian's toolstack; the rest of the machine is the unikernels'.
  memory: 1024,
  // A machine that is looked at from afar: Xen says on the serial line what it does.
  xenOptions: ["com1=115200,8n1", "console=com1,vga", "loglvl=warning"],
}
