import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises"
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
    const { bootXenOnce, makeXenDefault } = grubOf({ ...hostFacts().boot.grub!, config, directory })
    for (const command of [bootXenOnce, makeXenDefault.byHand!]) {
      const words = command.map(word => (/^grub-(reboot|set-default)$/.test(word) ? "echo" : word))
      t.is(await must(words), `--boot-directory=${tmpdir()} ${id}-${ROOT}\n`)
    }
    await must(makeXenDefault.command)
    t.is(await must(["grub-editenv", join(directory, "grubenv"), "list"]), `saved_entry=${id}-${ROOT}\n`)
    await rm(directory, { recursive: true })
  })

test("what is set at once is seen by GRUB, which reads no journal, though the power fails just then", async t => {
  const place = await mkdtemp(join(tmpdir(), "grub-"))
  const [disk, boot] = [join(place, "disk"), join(place, "boot")]
  await mkdir(boot)
  await must(["mke2fs", "-q", "-t", "ext4", disk, "16M"])
  const mount = ["mount", "-o", "loop", disk, boot]
  await must(mount)
  const umount = ["umount", boot]
  try {
    const directory = join(boot, "grub")
    const grub = grubOf({ ...hostFacts().boot.grub!, directory })
    const file = join(directory, "grubenv")
    await mkdir(directory)
    await must(["grub-editenv", file, "set", "saved_entry=Linux", "next_entry=Xen", "other=kept"])
    // As a machine leaves it that restarts.
    for (const command of [umount, mount]) await must(command)
    await must(grub.setAtOnce({ saved_entry: "Xen > 1", fallback: "0", next_entry: undefined }))
    const seen = join(place, "seen")
    await must(["sh", "-c", 'grub-fstest "$1" cat /grub/grubenv >"$2"', "sh", disk, seen])
    const list = await must(["grub-editenv", seen, "list"])
    t.deepEqual(list.trim().split("\n").sort(), ["fallback=0", "other=kept", "saved_entry=Xen > 1"])
    t.is(await must(["cat", file]), await readFile(seen, "utf8"), "and Linux sees the same")
  } finally {
    await must(umount)
    await rm(place, { recursive: true })
  }
})

const LEFT: readonly [what: string, prepare: (directory: string) => Promise<unknown>][] = [
  ["there is no grubenv", async () => {}],
  [
    "grubenv is a link, as to the EFI partition",
    async directory => {
      await must(["grub-editenv", join(directory, "real"), "create"])
      await symlink("real", join(directory, "grubenv"))
    },
  ],
]
for (const [what, prepare] of LEFT)
  test(`grubenv is set at once where ${what}`, async t => {
    const directory = await mkdtemp(join(tmpdir(), "grub-"))
    await prepare(directory)
    const links = await readdir(directory)
    const file = join(directory, "grubenv")
    await must(
      grubOf({ ...hostFacts().boot.grub!, directory }).setAtOnce({ saved_entry: "Xen", fallback: undefined }),
    )
    t.is(await must(["grub-editenv", file, "list"]), "saved_entry=Xen\n")
    t.deepEqual(await readdir(directory), links.length > 0 ? links : ["grubenv"])
    if (links.length > 0) t.true((await lstat(file)).isSymbolicLink())
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
