import { readFileSync } from "node:fs"
import test from "ava"
import { xenRegistry } from "../provider/registry.ts"

/** [resource, the document that tells what it takes and gives] */
const documents: [resource: string, document: string][] = [
  ["Dom0", "xen-hosts.md"],
  ["Bridge", "xen-hosts.md"],
  ["Packages", "packages.md"],
]
for (const [resource, document] of documents)
  test(`docs/${document} names every input and output of ${resource}`, async t => {
    const text = readFileSync(new URL(`../docs/${document}`, import.meta.url), "utf8")
    const { inputs, outputs } = await xenRegistry().resources[`xen:index:${resource}`]!()
    const names = [...Object.keys(inputs), ...Object.keys(outputs)]
    t.true(names.length > 5)
    t.deepEqual(
      names.filter(name => !text.includes(`\`${name}\``)),
      [],
    )
  })
