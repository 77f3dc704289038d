import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { ConnectionInput } from "../../provider/resources/connection.ts"

/**
 * A connection as arguments of ssh(1), up to and with the host: for what needs a terminal. Keys that the stack holds are
 * written into `folder`, for the user alone, who removes it.
 */
export async function sshArguments(connection: ConnectionInput, folder: string): Promise<string[]> {
  const { host, port, user, hostKey, privateKey, privateKeyPath, knownHosts, agent, via = [] } = connection
  const options: Record<string, string> = {}
  if (hostKey !== undefined && !hostKey.startsWith("SHA256:")) {
    const file = join(folder, "known_hosts")
    await writeFile(file, `console ${hostKey.replace(/^.*?(?=(ssh|ecdsa|sk)-)/, "")}\n`, { mode: 0o600 })
    Object.assign(options, {
      UserKnownHostsFile: file,
      GlobalKnownHostsFile: "/dev/null",
      HostKeyAlias: "console",
    })
    options.StrictHostKeyChecking = "yes"
  } else if (knownHosts !== undefined) options.UserKnownHostsFile = knownHosts.join(" ")
  if (agent !== undefined) options.IdentityAgent = agent

  let identity = privateKeyPath
  if (privateKey !== undefined) {
    identity = join(folder, "key")
    await writeFile(identity, privateKey.reveal(), { mode: 0o600 })
  }
  const hops = via.map(hop => `${hop.user ?? "root"}@${hop.host}${hop.port ? `:${hop.port}` : ""}`)
  return [
    ...Object.entries(options).flatMap(([key, value]) => ["-o", `${key}=${value}`]),
    ...(connection.sshConfig === undefined ? [] : ["-F", connection.sshConfig]),
    ...(identity === undefined ? [] : ["-i", identity, "-o", "IdentitiesOnly=yes"]),
    ...(hops.length === 0 ? [] : ["-J", hops.join(",")]),
    ...(port === undefined ? [] : ["-p", String(port)]),
    `${user ?? "root"}@${host}`,
  ]
}
