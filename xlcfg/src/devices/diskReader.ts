import type { Disk, DiskFormat } from "./disk.ts"

type Draft = { -readonly [K in keyof Disk]?: Disk[K] | undefined }

/** A path has at most 4,096 characters (PATH_MAX), and a specification holds two of them. */
const maxLength = 16_384

type Action = (reader: DiskReader, text: string) => void

/** A pattern of the specification, tried at a position; the longest match wins, the first of equals. */
interface Rule {
  readonly pattern: RegExp
  /** What must follow: it counts as part of the match when lengths are compared, and is not taken. */
  readonly context?: RegExp
  readonly action: Action
}

/**
 * Reads a disk specification as xl's scanner does (upstream: libxlu_disk_l.l): the rules are in its order.
 */
export class DiskReader {
  readonly #text: string
  #draft: Draft = {}
  #access: "ro" | "rw" = "rw"
  #accessSet = false
  #failure: string | undefined
  deprecatedPrefix: string | undefined
  missesVdev = false

  constructor(text: string) {
    this.#text = text
  }

  /** What was read. Only after {@link read} found no failure. */
  get disk(): Disk {
    return Object.fromEntries(
      Object.entries(this.#draft).filter(([, value]) => value !== undefined),
    ) as unknown as Disk
  }

  /** Reads the whole specification. Returns what is wrong with it, or nothing. */
  read(): string | undefined {
    const text = this.#text
    if (text.length > maxLength) return `longer than ${maxLength} characters`
    for (let at = 0; at < text.length && this.#failure === undefined; ) {
      const { end, action } = longest(text, at)
      if (end === at) {
        // Upstream's rule for a bad character needs one more to run: a last one is overlooked.
        if (at < text.length - 1) this.fail(`unexpected ${JSON.stringify(text[at])}`)
        break
      }
      action(this, text.slice(at, end))
      at = end
    }
    return this.#failure ?? this.#finish()
  }

  #finish(): string | undefined {
    const draft = this.#draft
    draft.format ??= "raw"
    draft.access = draft.cdrom ? "ro" : this.#access
    if (draft.cdrom && !draft.target) draft.format = "empty"
    this.missesVdev = draft.vdev === undefined
    if (this.missesVdev) return "no vdev, the name that the guest shall see,"
    if (draft.target === undefined && !draft.cdrom) return "no target"
    return undefined
  }

  fail(problem: string): void {
    this.#failure ??= problem
  }

  /** Sets a text once; an empty one may be set again. */
  save(
    name:
      | "vdev"
      | "target"
      | "script"
      | "backend"
      | "colo-host"
      | "colo-export"
      | "active-disk"
      | "hidden-disk",
    value: string,
  ): void {
    if (this.#draft[name]) this.fail(`${name} given twice`)
    else this.#draft[name] = value
  }

  /** Sets one of some words; the same one may be said again. */
  choose<K extends "format" | "backendtype" | "specification">(
    name: K,
    words: readonly Disk[K][],
    word: string,
  ): void {
    const value = words.find(each => each === word)
    if (value === undefined) this.fail(`unknown ${name} ${JSON.stringify(word)}`)
    else if (this.#draft[name] !== undefined && this.#draft[name] !== value) this.fail(`${name} given twice`)
    else this.#draft[name] = value as Draft[K]
  }

  format(word: string): void {
    this.choose("format", formats, word === "" ? "raw" : word)
  }

  access(word: string): void {
    if (["r", "ro"].includes(word)) this.#access = "ro"
    else if (["rw", "w", ""].includes(word)) this.#access = "rw"
    else this.fail(`unknown access ${JSON.stringify(word)}`)
  }

  flag(
    name: "cdrom" | "direct-io-safe" | "discard" | "colo" | "trusted" | "grant_usage",
    value: boolean,
  ): void {
    this.#draft[name] = value
  }

  coloPort(word: string): void {
    const port = Number.parseInt(word, 10) | 0
    if (port === 0) this.fail(`unknown colo-port ${JSON.stringify(word)}`)
    else this.#draft["colo-port"] = port
  }

  prefix(name: string): void {
    this.deprecatedPrefix = name
  }

  /** `[target,[format,[vdev,[access]]]]`: what has no name goes to the first place that is free. */
  positional(word: string): void {
    const draft = this.#draft
    if (draft.target === undefined) this.save("target", word)
    else if (this.deprecatedPrefix === undefined && draft.format === undefined) {
      if (draft.target === "" && this.#vdevAndType(word)) draft.format = "empty"
      else this.format(word)
    } else if (draft.vdev === undefined) {
      if (!this.#vdevAndType(word)) this.save("vdev", word)
    } else if (!this.#accessSet) {
      this.#accessSet = true
      this.access(word)
    } else this.fail(`more than target, format, vdev and access without names: ${JSON.stringify(word)}`)
  }

  /** The old `hdc:cdrom`. */
  #vdevAndType(word: string): boolean {
    const colon = word.lastIndexOf(":")
    if (colon < 0) return false
    this.save("vdev", word.slice(0, colon))
    const type = word.slice(colon + 1)
    if (type === "cdrom" || type === "disk") this.flag("cdrom", type === "cdrom")
    else this.fail(`unknown device type ${JSON.stringify(type)}`)
    return true
  }
}

const formats: readonly DiskFormat[] = ["raw", "qcow", "qcow2", "vhd", "empty", "qed"]
const backends = ["phy", "tap", "qdisk", "standalone"] as const
const specifications = ["xen", "virtio"] as const

/** `NAME=VALUE,`: the action gets the value. */
function option(name: string, action: Action): Rule {
  return {
    pattern: new RegExp(`${name}=[^,]*,?`, "y"),
    action: (reader, text) => action(reader, text.slice(name.length + 1).replace(/,$/, "")),
  }
}

function word(pattern: string, action: (reader: DiskReader) => void): Rule {
  return { pattern: new RegExp(`${pattern},?`, "y"), action }
}

function prefix(names: string, action: (reader: DiskReader, name: string) => void): Rule {
  return {
    pattern: new RegExp(`(?:${names}):`, "y"),
    context: /[^\n]*/y,
    action: (reader, text) => {
      reader.prefix(text)
      action(reader, text.slice(0, -1))
    },
  }
}

const rules: readonly Rule[] = [
  { pattern: /[ \t\n]+/y, context: /(?:[^ \t\n][^\n]*)?/y, action: () => {} },
  option("format", (reader, value) => reader.format(value)),
  word("cdrom", reader => reader.flag("cdrom", true)),
  word("devtype=cdrom", reader => reader.flag("cdrom", true)),
  word("devtype=disk", reader => reader.flag("cdrom", false)),
  option("devtype", (reader, value) => reader.fail(`unknown devtype ${JSON.stringify(value)}`)),
  option("access", (reader, value) => reader.access(value)),
  option("backend", (reader, value) => reader.save("backend", value)),
  option("backendtype", (reader, value) => reader.choose("backendtype", backends, value)),
  option("specification", (reader, value) => reader.choose("specification", specifications, value)),
  option("vdev", (reader, value) => reader.save("vdev", value)),
  option("script", (reader, value) => reader.save("script", value)),
  word("direct-io-safe", reader => reader.flag("direct-io-safe", true)),
  word("discard", reader => reader.flag("discard", true)),
  word("no-discard", reader => reader.flag("discard", false)),
  word("colo", reader => reader.flag("colo", true)),
  word("no-colo", reader => reader.flag("colo", false)),
  option("colo-host", (reader, value) => reader.save("colo-host", value)),
  option("colo-port", (reader, value) => reader.coloPort(value)),
  option("colo-export", (reader, value) => reader.save("colo-export", value)),
  option("active-disk", (reader, value) => reader.save("active-disk", value)),
  option("hidden-disk", (reader, value) => reader.save("hidden-disk", value)),
  word("trusted", reader => reader.flag("trusted", true)),
  word("untrusted", reader => reader.flag("trusted", false)),
  word("grant_usage=1", reader => reader.flag("grant_usage", true)),
  word("grant_usage=0", reader => reader.flag("grant_usage", false)),
  {
    pattern: /target=[^\n]*/y,
    action: (reader, text) => reader.save("target", text.slice("target=".length).replace(/,$/, "")),
  },
  {
    pattern: /[a-z][-a-z0-9]*=[^,],?/y,
    action: (reader, text) => reader.fail(`unknown parameter ${JSON.stringify(text)}`),
  },
  prefix("raw|qcow2?|vhd", (reader, name) => reader.format(name)),
  prefix("iscsi|e?nbd|drbd", (reader, name) => reader.save("script", `block-${name}`)),
  prefix("tapdisk|tap2?|aio|ioemu|file|phy", () => {}),
  {
    pattern: /[a-z][a-z0-9]*:/y,
    context: /(?:[^a-z0-9][^\n]*)?/y,
    action: (reader, text) => reader.fail(`unknown prefix ${JSON.stringify(text)}`),
  },
  { pattern: /[^=,]*,|[^=,]+,?/y, action: (reader, text) => reader.positional(text.replace(/,$/, "")) },
]

/** The rule that takes the most of the text, and where it ends. No rule takes anything: `end` is `at`. */
function longest(text: string, at: number): { end: number; action: Action } {
  let best = { end: at, reach: at, action: (() => {}) as Action }
  for (const { pattern, context, action } of rules) {
    const end = matchEnd(pattern, text, at)
    const reach = end > at && context ? matchEnd(context, text, end) : end
    if (reach > best.reach) best = { end, reach, action }
  }
  return best
}

/** Where a match at a position ends; the position itself where there is none. */
function matchEnd(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : at
}
