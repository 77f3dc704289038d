import { readFile } from "node:fs/promises"
import ssh2, { type AnyAuthMethod, type AuthHandlerMiddleware, type ParsedKey } from "ssh2"
import type { Secret } from "../secret.ts"
import type { Target } from "./contract.ts"
import { ConnectError } from "./errors.ts"
import { type KeyProblem, parsePrivateKey } from "./privateKey.ts"
import { expandHome, type SshConfig } from "./sshConfig.ts"

/** One way to authenticate, and how it is called in the error when all are refused. */
interface Attempt {
  phrase: string
  method: AnyAuthMethod
}

/** What a user can be authenticated with, in the order in which it is tried. */
export interface Credentials {
  attempts: readonly Attempt[]
  /** What was there and could not be used, and why. */
  skipped: readonly string[]
}

/**
 * Collects credentials before anything is sent, so that a bad key file is an error of its own. A key that is
 * given is the only key; otherwise ssh_config's key files come first and then the agent, because sshd allows
 * few attempts (MaxAuthTries) and agents hold many keys.
 */
export async function gatherCredentials(
  name: string,
  target: Target,
  config: SshConfig,
  username: string,
): Promise<Credentials> {
  const attempts: Attempt[] = []
  const skipped: string[] = []
  const addKey = (key: ParsedKey, from: string): void => {
    attempts.push({ phrase: `the key ${from}`, method: { type: "publickey", username, key } })
  }
  const addAgent = async (): Promise<boolean> => {
    const socket = agentSocket(target, config)
    if (socket === undefined) return false
    const problem = await agentProblem(socket)
    if (problem === undefined) {
      attempts.push({ phrase: `the agent at ${socket}`, method: { type: "agent", username, agent: socket } })
    } else if (target.agent !== undefined) {
      throw new ConnectError(name, "agent", `The SSH agent for ${name} at ${socket} is of no use: ${problem}`)
    } else skipped.push(`the agent at ${socket}: ${problem}`)
    return problem === undefined
  }

  if (target.privateKey !== undefined || target.privateKeyPath !== undefined) {
    const given = await readGivenKey(name, target)
    if ("key" in given.text) addKey(given.text.key, given.from)
    else if (given.text.problem !== "encrypted" || !(await addAgent())) {
      throw keyError(name, given.from, given.text.problem)
    }
  } else {
    for (const file of config.identityFiles) {
      const text = await readOptional(file)
      if (text === undefined) continue
      const parsed = parsePrivateKey(text, target.passphrase?.reveal())
      if ("key" in parsed) addKey(parsed.key, file)
      else skipped.push(`${file}: ${PROBLEMS[parsed.problem]}`)
    }
    const enough = target.password !== undefined || (config.identitiesOnly && attempts.length > 0)
    if (!enough || target.agent !== undefined) await addAgent()
  }
  if (target.password) attempts.push(...passwordAttempts(target.password, username))
  return { attempts, skipped }
}

const PROBLEMS: Record<KeyProblem, string> = {
  encrypted: "the key is encrypted and no passphrase is given",
  passphrase: "the passphrase does not open the key",
  "not-a-key": "it holds no private key that can be read",
  "public-key": "it is a public key; the private one is needed",
}

function keyError(name: string, from: string, problem: KeyProblem): ConnectError {
  const kind = problem === "encrypted" || problem === "passphrase" ? "passphrase" : "key-file"
  return new ConnectError(
    name,
    kind,
    `The private key ${from} for ${name} cannot be used: ${PROBLEMS[problem]}`,
  )
}

async function readGivenKey(name: string, target: Target) {
  const passphrase = target.passphrase?.reveal()
  if (target.privateKey !== undefined) {
    return { from: "given as privateKey", text: parsePrivateKey(target.privateKey.reveal(), passphrase) }
  }
  const from = expandHome(target.privateKeyPath ?? "")
  try {
    return { from, text: parsePrivateKey(await readFile(from, "utf8"), passphrase) }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    const why = FILE_PROBLEMS[code ?? ""] ?? `it cannot be read (${code})`
    throw new ConnectError(name, "key-file", `The private key ${from} for ${name} cannot be used: ${why}`)
  }
}

const FILE_PROBLEMS: Record<string, string> = {
  ENOENT: "there is no such file",
  EISDIR: "it is a directory",
  EACCES: "this user may not read it",
}

async function readOptional(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8")
  } catch {
    return undefined
  }
}

function agentSocket(target: Target, config: SshConfig): string | undefined {
  if (target.agent === false) return undefined
  if (target.agent !== undefined) return expandHome(target.agent)
  const configured = config.identityAgent
  if (configured === undefined || configured === "SSH_AUTH_SOCK")
    return process.env.SSH_AUTH_SOCK || undefined
  return configured.startsWith("$") ? process.env[configured.slice(1)] || undefined : expandHome(configured)
}

/** ssh2 would end the whole connection over an agent that does not answer: it is asked beforehand. */
function agentProblem(socket: string): Promise<string | undefined> {
  return new Promise(resolve => {
    const timer = setTimeout(() => resolve("it did not answer within 10 s"), 10_000)
    ssh2.createAgent(socket).getIdentities((error, keys) => {
      clearTimeout(timer)
      if (error) resolve((error as NodeJS.ErrnoException).code ?? error.message)
      else resolve(keys && keys.length > 0 ? undefined : "it holds no key")
    })
  })
}

/** Many servers ask for the password as a keyboard-interactive prompt only (PAM). */
function passwordAttempts(password: Secret, username: string): Attempt[] {
  return [
    { phrase: "the password", method: { type: "password", username, password: password.reveal() } },
    {
      phrase: "the password as keyboard-interactive",
      method: {
        type: "keyboard-interactive",
        username,
        prompt: (_name, _instructions, _language, prompts, finish) => {
          finish(prompts.map(prompt => (prompt.echo ? "" : password.reveal())))
        },
      },
    },
  ]
}

/** Gives ssh2 the attempts one after the other, leaving out what the server does not offer. */
export function authHandler({ attempts }: Credentials, onOffered: (methods: readonly string[]) => void) {
  let next = 0
  const handler: AuthHandlerMiddleware = (offered, _partial, proceed) => {
    if (offered) onOffered(offered)
    const allowed = (attempt: Attempt): boolean =>
      !offered || offered.includes(attempt.method.type === "agent" ? "publickey" : attempt.method.type)
    while (next < attempts.length && !allowed(attempts[next]!)) next++
    const attempt = attempts[next++]
    // `false` is how ssh2 is told that there is nothing left; its types leave it out.
    proceed(attempt ? attempt.method : (false as never))
  }
  return handler
}
