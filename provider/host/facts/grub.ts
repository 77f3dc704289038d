import type { BootEntry } from "./types.ts"

/** What a grub.cfg says about its menu. */
export interface GrubMenu {
  readonly entries: readonly BootEntry[]
  readonly followsSaved: boolean
  readonly fixedDefault?: string
  /** GRUB clears `next_entry` itself: without that a one-shot boot is for ever. */
  readonly clearsNext: boolean
  readonly bls: boolean
}

const OPENING = /^\s*(menuentry|submenu)\s+(.*)\{\s*$/

/**
 * Reads the menu out of a grub.cfg as grub-mkconfig writes it. Entries carry the path that grub-reboot(8)
 * and `saved_entry` take: the ids of the submenus and of the entry, joined by `>`; an entry without id is
 * known by its title.
 */
export function parseGrubMenu(text: string): GrubMenu {
  const entries: BootEntry[] = []
  const path: { id: string; entry?: { title: string; body: string[] } }[] = []
  for (const line of text.split("\n")) {
    const opening = OPENING.exec(line)
    const top = path.at(-1)
    if (opening) {
      const words = shellWords(opening[2]!)
      const title = words[0] ?? ""
      const id = idOf(words) ?? title
      path.push(opening[1] === "menuentry" ? { id, entry: { title, body: [] } } : { id })
    } else if (/^\s*\}\s*$/.test(line) && top && !nested(top.entry?.body)) {
      path.pop()
      if (top.entry) entries.push(entryOf([...path.map(({ id }) => id), top.id].join(">"), top.entry))
    } else {
      top?.entry?.body.push(line)
    }
  }
  const fixed = /^\s*set default="?([^"$\n]+)"?\s*$/m.exec(text)?.[1]
  const followsSaved = /^\s*set default="\$\{saved_entry\}"/m.test(text)
  return {
    entries,
    followsSaved,
    ...(fixed === undefined || followsSaved ? {} : { fixedDefault: fixed }),
    clearsNext: /^\s*save_env next_entry/m.test(text),
    bls: /^\s*blscfg\b/m.test(text),
  }
}

/** Body lines hold `if … {`-like blocks in no grub.cfg but hand-written ones; functions do. */
function nested(body: readonly string[] = []): boolean {
  let depth = 0
  for (const line of body) {
    if (/\{\s*$/.test(line)) depth++
    if (/^\s*\}\s*$/.test(line)) depth--
  }
  return depth > 0
}

function entryOf(id: string, { title, body }: { title: string; body: readonly string[] }): BootEntry {
  const commands = body.map(line => line.trim().split(/\s+/))
  const hypervisor = commands.find(
    ([command, image]) =>
      /^(multiboot2?|xen_hypervisor|chainloader)$/.test(command ?? "") && /\/xen/.test(image ?? ""),
  )?.[1]
  const xen = hypervisor !== undefined
  // Under Xen Linux is the first module; without it the line is `linux`, `linux16` or `linuxefi`.
  const linux = commands.find(([command]) =>
    (xen ? /^(module2?|xen_module)$/ : /^linux(16|efi)?$/).test(command ?? ""),
  )
  const words = linux?.slice(1).filter(word => word !== "--nounzip")
  const [image, ...options] = words ?? []
  return {
    id,
    title,
    xen,
    recovery: /recovery mode|rescue/i.test(title) || options.includes("single"),
    ...(hypervisor === undefined ? {} : { hypervisor }),
    ...(image === undefined
      ? {}
      : { linux: image, options: options.filter(word => word !== "placeholder").join(" ") }),
  }
}

/** `$menuentry_id_option 'id'` or `--id 'id'`. */
function idOf(words: readonly string[]): string | undefined {
  const at = words.findIndex(word => word === "$menuentry_id_option" || word === "--id")
  return at === -1 ? undefined : words[at + 1]
}

/** Words of GRUB's shell-like language, as far as grub-mkconfig uses it: '…', "…" and `\` outside quotes. */
export function shellWords(text: string): string[] {
  const words: string[] = []
  let word: string | undefined
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!
    if (char === "'" || char === '"') {
      const end = text.indexOf(char, at + 1)
      word = (word ?? "") + text.slice(at + 1, end === -1 ? text.length : end)
      at = end === -1 ? text.length : end
    } else if (char === "\\") {
      word = (word ?? "") + (text[++at] ?? "")
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else {
      word = (word ?? "") + char
    }
  }
  return word === undefined ? words : [...words, word]
}

/** One file of the Boot Loader Specification: EL 8 and later keep an entry in each. */
export function parseBlsEntry(path: string, text: string): BootEntry {
  const field = (name: string) => new RegExp(`^${name}\\s+(.*)$`, "m").exec(text)?.[1]?.trim()
  const id = path.replace(/^.*\//, "").replace(/\.conf$/, "")
  const title = field("title") ?? id
  const linux = field("linux")
  return {
    id,
    title,
    xen: false,
    recovery: /rescue/.test(id) || /rescue/i.test(title),
    ...(linux === undefined ? {} : { linux, options: field("options") ?? "" }),
  }
}

/** A grubenv: `name=value` lines below a comment, padded with `#` to 1,024 bytes. */
export function parseGrubEnvironment(text: string): Record<string, string> {
  const environment: Record<string, string> = {}
  for (const line of text.split("\n")) {
    const at = line.indexOf("=")
    if (at > 0 && !line.startsWith("#"))
      environment[line.slice(0, at)] = line.slice(at + 1).replaceAll("\\\\", "\\")
  }
  return environment
}

/** File systems on which GRUB can overwrite a file's blocks (GRUB manual, "Environment block"). */
const WRITABLE = /^(ext[234]|xfs|vfat|msdos|exfat|jfs|reiserfs|ufs2?)$/

/** Why GRUB could not write grubenv at boot, from the file system that it lies on; undefined when it can. */
export function grubEnvironmentProblem(device: string, type: string, writable: boolean): string | undefined {
  if (!writable) return "there is no writable grubenv"
  if (/^\/dev\/(md|mapper\/|dm-)/.test(device))
    return `grubenv lies on ${device}, where GRUB can read but not write`
  if (!WRITABLE.test(type))
    return `grubenv lies on ${type || "an unknown file system"}, where GRUB can read but not write`
  return undefined
}
