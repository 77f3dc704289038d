import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import test from "ava"
import { grubOf } from "../../provider/host/boot/grub.ts"
import { hostFacts } from "./helpers/facts.ts"
import { exec, must } from "./helpers/run.ts"

const entry = (title: string, classes: string) =>
  `menuentry '${title}' ${classes} $menuentry_id_option 'x' {\n\tlinux /vmlinuz\n}\n`
const debian = entry("Debian GNU/Linux", "--class debian --class gnu-linux --class gnu --class os")
const older = `submenu 'Advanced options' $menuentry_id_option 'y' {\n\t${debian}}\n`
const xen = entry("Debian GNU/Linux, with Xen", "--class debian --class gnu-linux --class os --class xen")
const memtest = entry("Memory test", "--class memtest86")

const MENUS: readonly [what: string, menu: string, plain: string, xen: string][] = [
  ["Debian's", debian + older + xen, "0", "2"],
  ["one with something before Linux", memtest + older + debian + xen, "2", "3"],
  ["one that lists Xen first", xen + older + debian, "2", "0"],
  ["one whose entries are files of their own", `blscfg\n${xen}`, "0", "0"],
  ["one with something before such files", `${memtest}blscfg\n${xen}`, "1", "1"],
]
for (const [what, menu, plainNumber, xenNumber] of MENUS)
  test(`what GRUB boots when what is tried cannot be loaded is known by its number in the menu: ${what}`, async t => {
    const directory = await mkdtemp(join(tmpdir(), "grub-"))
    const config = join(directory, "grub.cfg")
    await writeFile(config, menu)
    const grub = grubOf({ ...hostFacts().boot.grub!, config, directory })
    const environment = async () => await must(["grub-editenv", join(directory, "grubenv"), "list"])
    await must(grub.fallBackToPlain)
    t.is(await environment(), `fallback=${plainNumber}\n`)
    await must(grub.fallBackToXen)
    t.is(await environment(), `fallback=${xenNumber}\n`)
    await must(grub.fallBackTo(undefined))
    t.is(await environment(), "")
    await must(grub.fallBackTo("3 1"))
    t.is(await environment(), "fallback=3 1\n")
    await rm(directory, { recursive: true })
  })

const ROOT = "9b80130a-36a4-4025-81a8-4af62030690b"
const xenEntry = (id: string) =>
  `menuentry 'Linux, with Xen' --class xen $menuentry_id_option '${id}-${ROOT}' {\n\tmultiboot2 /xen\n}\n`
const XENS: readonly [what: string, menu: string, id: string][] = [
  [
    "Debian's",
    `${debian}${older}${xenEntry("xen-gnulinux-simple")}submenu 'More' {\n\t${xenEntry("xen-gnulinux-6.1-advanced")}}\n`,
    "xen-gnulinux-simple",
  ],
  [
    "EL's, which has no submenus",
    debian +
      xenEntry("xen-gnulinux-6.1-recovery") +
      xenEntry("xen-gnulinux-6.1-advanced") +
      xenEntry("xen-gnulinux-5.14-advanced"),
    "xen-gnulinux-6.1-advanced",
  ],
]
for (const [what, menu, id] of XENS)
  test(`Xen's entry is found in the menu: ${what}`, async t => {
    const directory = await mkdtemp(join(tmpdir(), "grub-"))
    const config = join(directory, "grub.cfg")
    await writeFile(config, menu)
    const { bootXenOnce } = grubOf({ ...hostFacts().boot.grub!, config, directory })
    const [shell = "", option = "", script = "", ...words] = bootXenOnce
    t.is(
      await must([shell, option, script.replace("grub-reboot", "echo"), ...words.slice(0, 2), "once"]),
      `once ${id}-${ROOT}\n`,
    )
    await rm(directory, { recursive: true })
  })

/** What stands for grub-mkconfig: it writes over its output as that one does, and after half of it something happens. */
const WRITERS: readonly [what: string, happens: string, menu: string][] = [
  ["it takes its place", "", "half whole"],
  ["it fails, and the old one stays", "exit 3", "old"],
  ["it is killed, and the old one stays", "kill -s KILL $$", "old"],
  ["all is killed, as by a power cut, and the old one stays", "kill -s KILL $PPID $$", "old"],
]
for (const [what, happens, expected] of WRITERS)
  test(`a menu is written aside: ${what}`, async t => {
    const directory = await mkdtemp(join(tmpdir(), "grub-"))
    const [config, program] = [join(directory, "grub.cfg"), join(directory, "grub-mkconfig")]
    await writeFile(join(directory, "real.cfg"), "old", { mode: 0o600 })
    await symlink("real.cfg", config)
    await writeFile(program, `#!/bin/sh\nprintf half >"$2"\n${happens}\nprintf ' whole' >>"$2"\n`)
    await chmod(program, 0o755)
    const { regenerate } = grubOf({ ...hostFacts().boot.grub!, config, directory })
    const words = regenerate.command.map(word => (word === "grub-mkconfig" ? program : word))
    const { exit } = await exec(words)
    t.is(exit === 0, happens === "")
    t.is(await readFile(config, "utf8"), expected, "by the name that GRUB knows it by")
    t.is((await stat(config)).mode & 0o777, 0o600)
    const left = (await readdir(directory)).filter(
      name => !["grub.cfg", "grub-mkconfig", "real.cfg"].includes(name),
    )
    if (!happens.includes("PPID")) t.deepEqual(left, [])
    await rm(directory, { recursive: true })
  })
