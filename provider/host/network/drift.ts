import type { HostFacts, Route } from "../facts/types.ts"
import { isSamePrefix } from "./prefix.ts"
import type { BridgeConfig, StaticRoute } from "./wanted.ts"

/**
 * How the running bridge differs from its configuration, in words; `[]` when it does not. Its forward delay
 * is not looked at: without the spanning tree protocol the kernel forwards at once (br_make_forwarding in
 * net/bridge/br_stp.c), and NetworkManager leaves it at its default then.
 */
export function bridgeDrift({ network }: HostFacts, config: BridgeConfig): string[] {
  const link = network.links.find(one => one.name === config.name)
  if (!link) return [`the bridge ${config.name} does not exist`]
  const port = network.links.find(one => one.name === config.port)
  const { ipv4, ipv6, routes } = config.addressing
  const has = link.addresses.map(({ cidr }) => cidr)
  return [
    ...(link.bridge ? [] : [`${config.name} is no bridge`]),
    ...(link.up ? [] : [`${config.name} is down`]),
    ...(link.bridge?.stp ? [`${config.name} runs the spanning tree protocol`] : []),
    ...(config.port && port?.controller !== config.name
      ? [`${config.port} is not a port of ${config.name}`]
      : []),
    ...(port?.addresses.filter(({ scope }) => scope === "global") ?? []).map(
      ({ cidr }) => `${config.port} has ${cidr}, which belongs on ${config.name}`,
    ),
    ...(config.vlan === undefined
      ? network.routes
          .filter(route => route.link === config.port && route.destination === "default")
          .map(() => `a default route leads through ${config.port} instead of ${config.name}`)
      : []),
    ...(config.mac && link.mac !== config.mac
      ? [`${config.name} has the address ${link.mac} instead of ${config.mac}`]
      : []),
    ...[...ipv4.addresses, ...ipv6.addresses]
      .filter(address => !has.includes(address))
      .map(address => `${config.name} lacks ${address}`),
    ...(ipv4.automatic && !link.addresses.some(({ family }) => family === 4)
      ? [`${config.name} has no lease`]
      : []),
    ...[ipv4.gateway, ipv6.gateway]
      .filter(
        gateway =>
          gateway &&
          !network.routes.some(
            route => route.destination === "default" && isSamePrefix(route.gateway ?? "", gateway),
          ),
      )
      .map(gateway => `there is no default route by ${gateway}`),
    ...routes
      .filter(route => !network.routes.some(one => one.link === config.name && isRoute(one, route)))
      .map(
        ({ destination, gateway }) =>
          `${config.name} lacks the route to ${destination}${gateway ? ` by ${gateway}` : ""}`,
      ),
  ]
}

/**
 * What the host has had before the bridge was changed and does not have since, in words. No router has to advertise itself
 * for ever, so it is no drift; but the change must not be what ended it.
 */
export function lostSince({ network }: HostFacts, before: HostFacts, config: BridgeConfig): string[] {
  const links = [config.name, config.uplink]
  const leads = ({ family, destination, link }: Route) =>
    family === 6 && destination === "default" && links.includes(link)
  return config.addressing.ipv6.automatic && before.network.routes.some(leads) && !network.routes.some(leads)
    ? [`${config.name} has no IPv6 default route, and there was one before`]
    : []
}

/** A program writes prefixes as it likes, the kernel in one form. Metrics are the manager's to choose. */
function isRoute(found: Route, { destination, gateway }: StaticRoute): boolean {
  const isEvery = /^(default|0\.0\.0\.0\/0|::\/0)$/.test(destination)
  const leads = isEvery ? found.destination === "default" : isSamePrefix(found.destination, destination)
  return leads && (gateway === undefined || isSamePrefix(found.gateway ?? "", gateway))
}
