import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import test from "ava"
import { grubOf } from "../../provider/host/boot/grub.ts"
import { hostFacts } from "./helpers/facts.ts"
import { must } from "./helpers/run.ts"

const entry = (title: string, classes: string) =>
  `menuentry '${title}' ${classes} $menuentry_id_option 'x' {\n\tlinux /vmlinuz\n}\n`
const debian = entry("Debian GNU/Linux", "--class debian --class gnu-linux --class gnu --class os")
const older = `submenu 'Advanced options' $menuentry_id_option 'y' {\n\t${debian}}\n`
const xen = entry("Debian GNU/Linux, with Xen", "--class debian --class gnu-linux --class os --class xen")
const memtest = entry("Memory test", "--class memtest86")

const MENUS: readonly [what: string, menu: string, number: string][] = [
  ["Debian's", debian + older + xen, "0"],
  ["one with something before Linux", memtest + older + debian + xen, "2"],
  ["one that lists Xen first", xen + older + debian, "2"],
  ["one whose entries are files of their own", `blscfg\n${xen}`, "0"],
]
for (const [what, menu, number] of MENUS)
  test(`what GRUB boots when Xen cannot be loaded is plain Linux, by its number in the menu: ${what}`, async t => {
    const directory = await mkdtemp(join(tmpdir(), "grub-"))
    const config = join(directory, "grub.cfg")
    await writeFile(config, menu)
    const grub = grubOf({ ...hostFacts().boot.grub!, config, directory })
    const environment = async () => await must(["grub-editenv", join(directory, "grubenv"), "list"])
    await must(grub.fallBackToPlain)
    t.is(await environment(), `fallback=${number}\n`)
    await must(grub.fallBackTo(undefined))
    t.is(await environment(), "")
    await must(grub.fallBackTo("3 1"))
    t.is(await environment(), "fallback=3 1\n")
    await rm(directory, { recursive: true })
  })
