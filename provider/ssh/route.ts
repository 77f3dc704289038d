import type { Target } from "./contract.ts"
import { ConnectError } from "./errors.ts"
import type { HostKeyRules } from "./hostKey/hostKey.ts"
import { defaultConfig, expandHome, readSshConfig, type SshConfig } from "./sshConfig.ts"

/** A target with every default filled in: where to, as whom, through what, and what to believe. */
export interface Route {
  /** `root@www1:22`, with the host as the user wrote it. */
  name: string
  hostName: string
  port: number
  user: string
  target: Target
  config: SshConfig
  hostKeys: HostKeyRules
  via: Target | undefined
  proxyCommand: string | undefined
  /** Milliseconds for one attempt. */
  timeout: number
}

const DEFAULT_TIMEOUT = 10_000
/** Host names, addresses and aliases; never what a program could take for an option. */
const HOST = /^[A-Za-z0-9_[:][A-Za-z0-9_.:%[\]-]*$/

export async function resolveRoute(target: Target): Promise<Route> {
  const { port, user } = target
  const called = `${user ?? "?"}@${target.host}`
  const refuse = (what: string): never => {
    throw new ConnectError(called, "target", what)
  }
  if (!HOST.test(target.host)) refuse(`${JSON.stringify(target.host)} is no host name or address`)
  if (port !== undefined && !(Number.isInteger(port) && port >= 1 && port <= 65_535)) {
    refuse(`The port of ${target.host} is ${port}; it must be a number from 1 to 65535`)
  }
  if (user !== undefined && !/^[^\s:@/\\'"`$;&|<>*?()-][^\s:'"`$;&|<>*?()]*$/.test(user)) {
    refuse(`${JSON.stringify(user)} is no user name for ${target.host}`)
  }
  const config =
    target.sshConfig === false
      ? defaultConfig(target.host)
      : await readSshConfig(called, target.host, target.sshConfig, {
          ...(user === undefined ? {} : { user }),
          ...(port === undefined ? {} : { port }),
        })
  const to = { port: port ?? config.port, user: user ?? config.user }
  const name = `${to.user}@${target.host}:${to.port}`
  return {
    name,
    hostName: config.hostName.replace(/^\[(.*)\]$/, "$1"),
    ...to,
    target,
    config,
    hostKeys: {
      name,
      // The name that known_hosts lines are about is the one that is dialled, as in ssh(1).
      host: config.hostKeyAlias ?? config.hostName.replace(/^\[(.*)\]$/, "$1"),
      port: config.hostKeyAlias === undefined ? to.port : 22,
      pinned: typeof target.hostKey === "string" ? [target.hostKey] : target.hostKey,
      files: target.knownHosts?.map(expandHome) ?? config.knownHosts,
      policy: target.hostKeyPolicy ?? config.hostKeyPolicy,
    },
    via: target.via ?? jumpTarget(config.proxyJump, target),
    proxyCommand: target.via ? undefined : config.proxyCommand,
    timeout: target.connectTimeout ?? DEFAULT_TIMEOUT,
  }
}

/** ssh_config's `ProxyJump a,b`: through a to b, and from b to the host; each hop has its own Host block. */
function jumpTarget(hops: readonly string[], target: Target): Target | undefined {
  const last = hops.at(-1)
  if (last === undefined) return undefined
  const [, user, host, port] = /^(?:ssh:\/\/)?(?:(.*)@)?(\[[^\]]+\]|[^:@]+)(?::(\d+))?$/.exec(last) ?? []
  if (host === undefined) {
    throw new ConnectError(
      target.host,
      "config",
      `ssh_config's ProxyJump for ${target.host} is not understood: ${last}`,
    )
  }
  const before = jumpTarget(hops.slice(0, -1), target)
  return {
    host: host.replace(/^\[(.*)\]$/, "$1"),
    ...(user === undefined ? {} : { user }),
    ...(port === undefined ? {} : { port: Number(port) }),
    ...(target.sshConfig === undefined ? {} : { sshConfig: target.sshConfig }),
    ...(target.connectTimeout === undefined ? {} : { connectTimeout: target.connectTimeout }),
    ...(before === undefined ? {} : { via: before }),
  }
}
