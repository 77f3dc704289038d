import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import { ConnectError } from "./errors.ts"
import { areSilent } from "./silentConfig.ts"

/** What ssh_config(5) says of one host. Lists are in the order in which they are to be tried. */
export interface SshConfig {
  hostName: string
  port: number
  user: string
  identityFiles: readonly string[]
  identitiesOnly: boolean
  identityAgent: string | undefined
  knownHosts: readonly string[]
  hostKeyAlias: string | undefined
  hostKeyPolicy: "strict" | "accept-new"
  /** `[user@]host[:port]`, the last hop last. */
  proxyJump: readonly string[]
  proxyCommand: string | undefined
}

export const DEFAULT_USER = "root"

const home = (name: string): string => join(homedir(), ".ssh", name)

/** OpenSSH's own defaults, for a machine without an ssh client or with `sshConfig: false`. */
export function defaultConfig(host: string): SshConfig {
  return {
    hostName: host,
    port: 22,
    user: DEFAULT_USER,
    identityFiles: [home("id_rsa"), home("id_ecdsa"), home("id_ed25519")],
    identitiesOnly: false,
    identityAgent: undefined,
    knownHosts: [
      home("known_hosts"),
      home("known_hosts2"),
      "/etc/ssh/ssh_known_hosts",
      "/etc/ssh/ssh_known_hosts2",
    ],
    hostKeyAlias: undefined,
    hostKeyPolicy: "strict",
    proxyJump: [],
    proxyCommand: undefined,
  }
}

/**
 * Ask OpenSSH itself (`ssh -G`, ssh(1)): Include, Match, canonical names and tokens then mean what they
 * mean to `ssh`. Its answer does not tell a configured user from the default one, so the files are included
 * ahead of a default of ours: in ssh_config the first value wins.
 *
 * @param file read instead of the user's and the system's files
 */
export async function readSshConfig(
  name: string,
  host: string,
  file: string | undefined,
  given: { user?: string; port?: number },
): Promise<SshConfig> {
  const files = file === undefined ? [home("config"), "/etc/ssh/ssh_config"] : [expandHome(file)]
  if (file !== undefined && !existsSync(expandHome(file))) {
    throw new ConnectError(name, "config", `The ssh_config file for ${name} does not exist: ${file}`)
  }
  // ssh, too, looks up a name in lower case.
  if (areSilent(files)) return defaultConfig(host.toLowerCase())
  const config = [...files.map(path => `Include "${path}"`), "Match all", `User ${DEFAULT_USER}`].join("\n")
  const args = ["-G", "-F", "/dev/stdin"]
  if (given.user !== undefined) args.push("-l", given.user)
  if (given.port !== undefined) args.push("-p", String(given.port))
  const answer = await ask([...args, "--", host], `${config}\n`)
  if (answer.kind === "answer") return parse(host, answer.stdout)
  if (answer.kind === "no-ssh") {
    const present = files.filter(path => existsSync(path))
    if (present.length === 0) return defaultConfig(host)
    const message = `${present[0]} is to be read for ${name}, but there is no \`ssh\` program to ask: install OpenSSH's client, or set sshConfig to false`
    throw new ConnectError(name, "config", message)
  }
  throw new ConnectError(name, "config", `ssh_config cannot be read for ${name}: ${answer.stderr.trim()}`)
}

type Answer = { kind: "answer"; stdout: string } | { kind: "no-ssh" } | { kind: "failed"; stderr: string }

function ask(args: readonly string[], stdin: string): Promise<Answer> {
  return new Promise(resolve => {
    // Node's pipes are sockets, which nobody can open as /dev/stdin; the shell puts a pipe before ssh.
    const piped = ["-c", 'cat | ssh "$@"', "sh", ...args]
    const child = execFile("sh", piped, { timeout: 10_000 }, (error, stdout, stderr) => {
      if (!error) resolve({ kind: "answer", stdout })
      else if (error.code === 127) resolve({ kind: "no-ssh" })
      else resolve({ kind: "failed", stderr: stderr || error.message })
    })
    child.stdin?.on("error", () => {})
    child.stdin?.end(stdin)
  })
}

function parse(host: string, text: string): SshConfig {
  const values = new Map<string, string[]>()
  for (const line of text.split("\n")) {
    const space = line.indexOf(" ")
    if (space < 0) continue
    const key = line.slice(0, space)
    values.set(key, [...(values.get(key) ?? []), line.slice(space + 1)])
  }
  const one = (key: string): string | undefined => {
    const value = values.get(key)?.[0]
    return value === undefined || value === "none" ? undefined : value
  }
  const base = defaultConfig(host)
  const words = (key: string): string[] => one(key)?.split(" ").filter(Boolean) ?? []
  const hostName = one("hostname") ?? host
  const user = one("user") ?? base.user
  const expand = (path: string): string => expandTokens(path, { host: hostName, original: host, user })
  const strict = one("stricthostkeychecking")
  return {
    hostName,
    port: Number(one("port") ?? base.port),
    user,
    identityFiles: (values.get("identityfile") ?? []).filter(path => path !== "none").map(expand),
    identitiesOnly: one("identitiesonly") === "yes",
    identityAgent: one("identityagent"),
    knownHosts: [...words("userknownhostsfile"), ...words("globalknownhostsfile")].map(expand),
    hostKeyAlias: one("hostkeyalias"),
    // `no` and `off` accept a changed key, too: that is offered nowhere here.
    hostKeyPolicy: strict === "accept-new" ? "accept-new" : "strict",
    proxyJump: one("proxyjump")?.split(",") ?? [],
    proxyCommand: one("proxycommand"),
  }
}

export function expandHome(path: string): string {
  return path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : path
}

/** The tokens of ssh_config(5) that can stand in a file's name here; `ssh -G` prints names unexpanded. */
function expandTokens(path: string, names: { host: string; original: string; user: string }): string {
  const tokens: Record<string, string> = {
    "%": "%",
    d: homedir(),
    h: names.host,
    n: names.original,
    r: names.user,
  }
  return expandHome(path).replace(/%(.)/g, (token, letter: string) => tokens[letter] ?? token)
}
