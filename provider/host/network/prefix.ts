import { BlockList, isIP } from "node:net"
import type { FamilyAddressing } from "./wanted.ts"

/** "192.0.2.7/24" or "2001:db8::7/64". */
export function isCidr(text: string): boolean {
  const [address = "", length = ""] = text.split("/")
  const family = isIP(address)
  return family !== 0 && /^\d{1,3}$/.test(length) && Number(length) <= (family === 4 ? 32 : 128)
}

/** Whether the network of an address with its prefix length holds another address. */
export function contains(cidr: string, address: string): boolean {
  const [network = "", length = ""] = cidr.split("/")
  if (isIP(network) === 0 || isIP(network) !== isIP(address)) return false
  const type = isIP(network) === 4 ? "ipv4" : "ipv6"
  const list = new BlockList()
  list.addSubnet(network, Number(length), type)
  return list.check(address, type)
}

/** Whether two prefixes are one, in whatever form they are written; an address without a length is a prefix of its own. */
export function isSamePrefix(one: string, other: string): boolean {
  const [full = "", also = ""] = [one, other].map(text =>
    text.includes("/") ? text : `${text}/${isIP(text) === 4 ? 32 : 128}`,
  )
  const [address = "", length] = also.split("/")
  return full.split("/")[1] === length && contains(full, address)
}

/**
 * A gateway outside the prefix (beside a /32 or /128, as many hosters give) must be said to be on the link. A
 * link-local one always is.
 */
export function isFarGateway({ addresses, gateway }: FamilyAddressing): boolean {
  if (gateway === undefined || gateway.toLowerCase().startsWith("fe80:")) return false
  return !addresses.some(cidr => contains(cidr, gateway))
}
