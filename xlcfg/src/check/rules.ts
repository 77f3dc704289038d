import { vcpusOf } from "../devices/vnuma.ts"
import { isKey, keyOf, nearestKey } from "../keys/table.ts"
import type { ValueNode } from "../syntax/tree.ts"
import { isBefore } from "../version.ts"
import { devices } from "./deviceRules.ts"
import { findingAt } from "./finding.ts"
import type { Reading } from "./reading.ts"

/** One thing that is looked for in a whole configuration, once its values are read. */
export type Rule = (reading: Reading) => void

/** What the text itself hides: assignments that do not count, escapes that vanish, a character too many. */
const spelling: Rule = ({ document, findings }) => {
  for (const [name, { overridden, assignment }] of document.settings) {
    const { line } = document.position(assignment.start)
    for (const lost of overridden)
      findings.push(
        findingAt(
          document,
          lost,
          { code: "overridden", message: `line ${line} sets it again, and wins` },
          name,
        ),
      )
  }
  for (const { key, value } of document.assignments) {
    for (const node of nodesOf(value)) {
      if (node.kind !== "string" || !node.lostOctal) continue
      findings.push(
        findingAt(
          document,
          node,
          {
            code: "lost-octal",
            message: "xl drops octal escapes like \\012",
            remedy: "write the character itself",
          },
          key,
        ),
      )
    }
  }
  if (document.stray)
    findings.push(
      findingAt(document, document.stray, {
        code: "stray-character",
        message: "xl overlooks this last character",
        remedy: "remove it",
      }),
    )
}

function* nodesOf(node: ValueNode): Generator<ValueNode> {
  const open = [node]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    yield next
    if (next.kind === "list") for (const item of next.items) open.push(item)
  }
}

/** Keys that xl does not read: unknown, too new, of another kind of guest, without effect. */
const knownKeys: Rule = reading => {
  for (const name of reading.document.settings.keys()) {
    if (!isKey(name)) {
      const nearest = nearestKey(name)
      reading.report(name, {
        code: "unknown-key",
        message: "xl knows no such key and skips it silently",
        remedy: nearest ? `did you mean ${nearest}?` : "remove it",
      })
      continue
    }
    const { since, guests, ignored, deprecated } = keyOf(name)
    if (since && isBefore(reading.target, since))
      reading.report(name, { code: "too-new", since, message: "the key" })
    if (ignored)
      reading.report(name, { code: "ignored", message: "xl does nothing with it", remedy: ignored })
    else if (guests && !guests.includes(reading.guest))
      reading.report(name, {
        code: "ignored",
        message: `xl reads it for ${guests.join(" and ")} guests only, and this is ${reading.guest}`,
      })
    else if (deprecated && name !== "builder")
      reading.report(name, { code: "deprecated", message: "an old key", remedy: deprecated })
  }
}

/** A name, a kind of guest, and something to start. */
const startable: Rule = reading => {
  const { document } = reading
  if (document.get("name") === undefined)
    reading.report("name", {
      code: "missing-key",
      message: "there is no name: xl refuses the domain",
      remedy: 'add name = "…"',
    })
  if (reading.get("name") === "") reading.report("name", { code: "bad-value", message: "the name is empty" })
  const builder = document.get("builder")
  if (builder !== undefined) checkBuilder(reading, builder)
  const hasKernel = ["kernel", "bootloader", "firmware"].some(key => document.get(key) !== undefined)
  if (reading.guest !== "hvm" && !hasKernel)
    reading.report("kernel", {
      code: "missing-key",
      message: `a ${reading.guest} guest needs a kernel or a bootloader`,
      remedy: 'add kernel = "…"',
    })
  if (
    reading.guest !== "hvm" &&
    document.get("firmware") !== undefined &&
    document.get("kernel") !== undefined
  )
    reading.report("firmware", {
      code: "contradiction",
      message: "xl refuses firmware and kernel together",
      remedy: "remove one of them",
    })
  if (document.get("cmdline") !== undefined)
    for (const name of ["root", "extra"])
      if (document.get(name) !== undefined)
        reading.report(name, {
          code: "ignored",
          message: "xl reads cmdline in its place",
          remedy: `move it into cmdline`,
        })
}

/** The `type` that says what an old `builder` said, `undefined` where it said nothing that is known. */
export function typeOfBuilder(builder: unknown): "hvm" | "pv" | undefined {
  if (builder === "hvm") return "hvm"
  return builder === "linux" || builder === "generic" ? "pv" : undefined
}

function checkBuilder(reading: Reading, builder: unknown): void {
  const type = typeOfBuilder(builder)
  const remedy = `write type = "${type ?? "pv"}" (xlcfg migrate does it)`
  if (reading.get("builder") === undefined) {
    // The table's own finding says only that the value is not in its list.
    const own = reading.findings.findIndex(
      finding => finding.key === "builder" && finding.code === "bad-value",
    )
    if (own >= 0) reading.findings.splice(own, 1)
    reading.report("builder", {
      code: "old-builder",
      message: `today's xl refuses builder=${JSON.stringify(builder)}`,
      remedy,
    })
  } else {
    reading.report("builder", {
      code: "deprecated",
      message: "builder= is deprecated since Xen 4.10",
      remedy,
    })
    const given = reading.get("type")
    if (given !== undefined && given !== type)
      reading.report("builder", {
        code: "contradiction",
        message: `type says ${given}: xl refuses the domain`,
        remedy: "remove builder",
      })
  }
}

/** Memory and processors that fit together. */
const resources: Rule = reading => {
  const memory = reading.get("memory")
  const maxmem = reading.get("maxmem")
  const nodes = reading.get("vnuma")
  if (
    memory === undefined &&
    reading.document.get("memory") === undefined &&
    maxmem === undefined &&
    nodes === undefined
  )
    reading.report("memory", {
      code: "memory-default",
      message: "no memory given: the guest would start with 32 MiB",
      remedy: "add memory = …",
    })
  if (memory !== undefined && maxmem !== undefined && maxmem < memory)
    reading.report("maxmem", {
      code: "contradiction",
      message: `${maxmem} MiB is less than memory, ${memory} MiB`,
      remedy: "raise it, or leave it out",
    })
  const vcpus = reading.get("vcpus")
  const maxvcpus = reading.get("maxvcpus")
  if (vcpus !== undefined && maxvcpus !== undefined && maxvcpus < vcpus)
    reading.report("maxvcpus", {
      code: "contradiction",
      message: `${maxvcpus} is less than vcpus, ${vcpus}: xl refuses the domain`,
      remedy: "raise it, or leave it out",
    })
  if (nodes === undefined || nodes.length === 0) return
  const size = nodes.reduce((sum, node) => sum + node.size, 0)
  const count = nodes.flatMap(vcpusOf).length
  if (maxmem !== undefined && maxmem !== size)
    reading.report("vnuma", {
      code: "contradiction",
      message: `its nodes have ${size} MiB, maxmem says ${maxmem}: xl refuses the domain`,
    })
  if (maxvcpus !== undefined && maxvcpus !== count)
    reading.report("vnuma", {
      code: "contradiction",
      message: `its nodes have ${count} virtual CPUs, maxvcpus says ${maxvcpus}: xl refuses the domain`,
    })
  nodes.forEach((node, index) => {
    if (node.vdistances.length !== nodes.length)
      reading.report("vnuma", {
        code: "bad-value",
        path: [index],
        message: `${node.vdistances.length} distances for ${nodes.length} nodes`,
      })
  })
}

/** All rules, in the order in which they look. */
export const rules: readonly Rule[] = [spelling, knownKeys, startable, resources, devices]
