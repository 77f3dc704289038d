/** When a domain counts as healthy. Seconds everywhere; every check that is given must pass at every address. */
export interface Health {
  readonly http?: {
    /** Default 80. */
    readonly port?: number
    /** Default "/". */
    readonly path?: string
    /** Default 200. */
    readonly status?: number
    /** A regular expression that the body must match. */
    readonly body?: string
  }
  /** A connection is accepted. */
  readonly tcp?: { readonly port: number }
  /** An echo request is answered. */
  readonly ping?: boolean
  /** A regular expression that the console must match since the domain was created. */
  readonly console?: string
  /** The domain must still run so long after the first look. Default 3. */
  readonly settle?: number
  /** Between two looks. Default 0.5. */
  readonly interval?: number
  /** Until when all must have passed, and how long one answer may take (at most 5). Default 60. */
  readonly timeout?: number
}

/** One thing that is tried from the host. */
export interface Probe {
  readonly kind: "http" | "tcp" | "ping"
  readonly address: string
  readonly port: number
  /** What is sent, for `http`. */
  readonly request: string
}

/** What one look at a domain saw. */
export interface Sight {
  /** A line of `xl list -v`, absent when there is no domain of this UUID. */
  readonly listed?: string
  /** What its console said since it was created. */
  readonly console: string
  /** The end of xl's log about it. */
  readonly xlLog: string
  /** One for each probe that was tried; the first that failed is the last. */
  readonly answers: readonly { readonly ok: boolean; readonly text: string }[]
}

export interface DomainState {
  /** `gone` when it is not there any more. */
  readonly state: "running" | "paused" | "shut down" | "crashed" | "dying" | "gone"
  /** As Xen calls it: "poweroff", "crash", "watchdog"…; absent while it runs, or when nobody knows. */
  readonly shutdownReason?: string
}

/** SHUTDOWN_* of Xen's public/sched.h, by number. */
const REASONS = ["poweroff", "reboot", "suspend", "crash", "watchdog", "soft reset"]

/** Every check at every address, in the order in which they tell most: a ping answers before HTTP does. */
export function probesOf({ ping, tcp, http }: Health, addresses: readonly string[]): Probe[] {
  return addresses
    .map(address => address.split("/")[0] ?? "")
    .flatMap(address => [
      ...(ping ? [{ kind: "ping" as const, address, port: 0, request: "" }] : []),
      ...(tcp ? [{ kind: "tcp" as const, address, port: tcp.port, request: "" }] : []),
      ...(http
        ? [{ kind: "http" as const, address, port: http.port ?? 80, request: request(http.path, address) }]
        : []),
    ])
}

const request = (path = "/", address: string): string =>
  [
    `GET ${path} HTTP/1.1`,
    `Host: ${bracketed(address)}`,
    "User-Agent: pulumi-xen",
    "Accept: */*",
    "Connection: close",
    "\r\n",
  ].join("\r\n")

const bracketed = (address: string): string => (address.includes(":") ? `[${address}]` : address)

/** How the domain is, from `xl list -v` and xl's log. */
export function stateOf({ listed, xlLog }: Sight): DomainState {
  if (listed === undefined) {
    // xl logs each end: "Domain 7 has shut down, reason code 0 0x0". The last one counts.
    const code = [...xlLog.matchAll(/has shut down, reason code (\d+)/g)].at(-1)?.[1]
    return { state: "gone", ...reason(code) }
  }
  const [, , , , flags = "", , ...rest] = listed.trim().split(/\s+/)
  if (flags.includes("d")) return { state: "dying", ...reason(rest[1]) }
  if (flags.includes("c") || rest[1] === "3") return { state: "crashed", ...reason(rest[1] ?? "3") }
  if (flags.includes("s")) return { state: "shut down", ...reason(rest[1]) }
  return { state: flags.includes("p") ? "paused" : "running" }
}

function reason(code: string | undefined): { shutdownReason?: string } {
  if (code === undefined || !/^\d+$/.test(code)) return {}
  return { shutdownReason: REASONS[Number(code)] ?? `reason ${code}` }
}

/** What is wrong, in a clause; `undefined` when every check passes. Pure: the settling is the caller's. */
export function faultOf(health: Health, probes: readonly Probe[], sight: Sight): string | undefined {
  const { state, shutdownReason } = stateOf(sight)
  if (state !== "running") return `it is ${state}${shutdownReason ? ` (${shutdownReason})` : ""}`
  for (const [at, probe] of probes.entries()) {
    const answer = sight.answers[at]
    const fault = answer ? probeFault(health, probe, answer) : "was not tried"
    if (fault) return `${describe(health, probe)}: ${fault}`
  }
  if (health.console !== undefined && !new RegExp(health.console, "m").test(sight.console))
    return `its console shows no /${health.console}/`
  return undefined
}

function describe({ http }: Health, { kind, address, port }: Probe): string {
  if (kind === "http") return `http://${bracketed(address)}:${port}${http?.path ?? "/"}`
  return kind === "tcp" ? `TCP port ${port} of ${address}` : `ping of ${address}`
}

function probeFault(
  { http }: Health,
  { kind }: Probe,
  answer: { ok: boolean; text: string },
): string | undefined {
  if (kind !== "http") return answer.ok ? undefined : "no answer"
  const parsed = /^HTTP\/1\.[01] (\d{3})[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n(.*)$/s.exec(answer.text)
  if (!parsed) return answer.text ? "the answer is no HTTP" : "no answer"
  const [, status, head = "", body = ""] = parsed
  const wanted = http?.status ?? 200
  if (Number(status) !== wanted) return `status ${status}, wanted ${wanted}`
  if (http?.body === undefined) return undefined
  const text = /^transfer-encoding:.*\bchunked\b/im.test(head) ? unchunked(body) : body
  if (new RegExp(http.body, "m").test(text)) return undefined
  return `the body ${JSON.stringify(text.slice(0, 200))} does not match /${http.body}/`
}

/** RFC 9112, section 7.1; what is cut off is as long as it is. */
function unchunked(body: string): string {
  let text = ""
  for (let rest = body; ; ) {
    const size = /^([0-9a-f]+)[^\r\n]*\r\n/i.exec(rest)
    const length = Number.parseInt(size?.[1] ?? "0", 16)
    if (!size || length === 0) return text
    text += rest.slice(size[0].length, size[0].length + length)
    rest = rest.slice(size[0].length + length + 2)
  }
}
