import { typeOfBuilder } from "./check/rules.ts"
import { diskSpec } from "./devices/disk.ts"
import { isKey, keyOf } from "./keys/table.ts"
import type { Document } from "./syntax/document.ts"

/** One thing that {@link migrate} changed. */
export interface Change {
  readonly key: string
  /** What was there and what is there now, in a sentence without its full stop. */
  readonly message: string
}

export interface Migration {
  readonly document: Document
  readonly changes: readonly Change[]
}

/** A step: the document with one old form replaced, or nothing where that form does not occur. */
type Step = (document: Document) => (Change & { readonly document: Document }) | undefined

/**
 * Replaces the forms of old by those of today's xl; comments and everything else stay. A configuration in
 * today's form comes back as it is.
 */
export function migrate(document: Document): Migration {
  const changes: Change[] = []
  for (const step of steps) {
    const result = step(document)
    if (result === undefined) continue
    document = result.document
    changes.push({ key: result.key, message: result.message })
  }
  return { document, changes }
}

const builder: Step = document => {
  const old = document.get("builder")
  if (old === undefined) return undefined
  const type = typeOfBuilder(old)
  if (type === undefined) return undefined
  const given = document.get("type")
  const message = `builder=${JSON.stringify(old)} is type="${given ?? type}" today`
  if (given !== undefined) return { key: "builder", message, document: document.remove("builder") }
  return { key: "builder", message, document: document.rename("builder", "type").set("type", type) }
}

const hvmloader: Step = document => {
  const kernel = document.get("kernel")
  if (document.get("type") !== "hvm" || typeof kernel !== "string" || !/(^|\/)hvmloader$/.test(kernel))
    return undefined
  return { key: "kernel", message: "xl finds hvmloader by itself", document: document.remove("kernel") }
}

const pygrub: Step = document => {
  if (document.get("bootloader") !== "/usr/bin/pygrub") return undefined
  return {
    key: "bootloader",
    message: "pygrub is found without its path",
    document: document.set("bootloader", "pygrub"),
  }
}

/** A single text that was meant as a list of words. */
const bootloaderArguments: Step = document => {
  const old = document.get("bootloader_args")
  if (typeof old !== "string") return undefined
  const words = old.split(/[ \t\n]+/).filter(word => word !== "")
  return {
    key: "bootloader_args",
    message: "a list of arguments",
    document: document.set("bootloader_args", words),
  }
}

/** A key that became the value of another one. */
function successor(old: string, key: string, nameOf: (on: boolean) => string): Step {
  return document => {
    const given = document.get(old)
    if (typeof given !== "string" || document.get(key) !== undefined) return undefined
    const value = nameOf(given !== "0")
    return {
      key: old,
      message: `${old} is ${key}="${value}" today`,
      document: document.rename(old, key).set(key, value),
    }
  }
}

/** Numbers that have names today. */
function named(key: string): Step {
  return document => {
    const old = document.get(key)
    if (old === undefined || !isKey(key)) return undefined
    let deprecated = false
    const value = keyOf(key).type.read(old, problem => {
      deprecated ||= problem.code === "deprecated"
    })
    if (!deprecated || typeof value !== "string") return undefined
    return { key, message: `${String(old)} is "${value}" today`, document: document.set(key, value) }
  }
}

/** Keys that xl takes and does nothing with. */
function useless(key: string): Step {
  return document => {
    if (document.get(key) === undefined) return undefined
    return { key, message: "xl does nothing with it", document: document.remove(key) }
  }
}

/** Rewrites the texts of a list one by one; the layout around them stays. */
function items(key: string, message: string, rewrite: (text: string) => string): Step {
  return document => {
    const setting = document.settings.get(key)
    const changes = setting?.items.flatMap(node => {
      const text = node.kind === "string" ? rewrite(node.value) : ""
      return node.kind === "string" && text !== node.value ? [{ node, value: text }] : []
    })
    if (!changes?.length) return undefined
    return { key, message, document: document.replace(changes) }
  }
}

/** The old positional disk specification with its prefix (`phy:`, `file:`, `tap:aio:`), in the named form. */
function disk(text: string): string {
  let deprecated = false
  const read = diskSpec.scan(text, problem => {
    deprecated ||= problem.code === "deprecated"
  })
  return read !== undefined && deprecated && !text.includes("\n") ? diskSpec.print(read) : text
}

/** A vif with blanks around its `=`, which xl skips, with the old `netdev`, or with `accel`, which does nothing. */
function vif(text: string): string {
  return text
    .split(",")
    .map(part =>
      part
        .trim()
        .replace(/\s*=\s*/, "=")
        .replace(/^netdev=/, "gatewaydev="),
    )
    .filter(part => part !== "" && !part.startsWith("accel="))
    .join(",")
}

const steps: readonly Step[] = [
  builder,
  hvmloader,
  pygrub,
  bootloaderArguments,
  successor("stdvga", "vga", on => (on ? "stdvga" : "cirrus")),
  successor("altp2mhvm", "altp2m", on => (on ? "mixed" : "disabled")),
  ...["tsc_mode", "timer_mode", "altp2m"].map(named),
  items("disk", "disks in their named form", disk),
  items("vif", "interfaces without blanks and old names", text =>
    /\s=|=\s|netdev=|accel=/.test(text) ? vif(text) : text,
  ),
  ...["vif2", "vncviewer", "device_model"].map(useless),
]
