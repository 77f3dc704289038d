import { existsSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { parseGrubEnvironment, parseGrubMenu } from "../../../provider/host/facts/grub.ts"
import { must } from "../../host/helpers/run.ts"

/** What is booted: Linux, and Xen below it or not, each with its command line. */
export interface Booted {
  /** Words of Xen's command line; undefined: plain Linux. */
  readonly xen: string | undefined
  readonly linux: string
}

/**
 * Does with the disk under `root` what GRUB does in the menu that grub-mkconfig writes: the one-shot entry comes first
 * and is forgotten by that, then the saved one, or what the menu has fixed, and at last the first of all.
 */
export async function chooseEntry(root: string): Promise<Booted> {
  const text = await readFile(join(root, "boot/grub/grub.cfg"), "utf8")
  const menu = parseGrubMenu(text)
  const path = join(root, "boot/grub/grubenv")
  const environment = existsSync(path) ? parseGrubEnvironment(await readFile(path, "latin1")) : {}
  const next = environment.next_entry
  if (next && menu.clearsNext) await must(["chroot", root, "grub-editenv", "-", "unset", "next_entry"])
  const wanted = [next, menu.followsSaved ? environment.saved_entry : menu.fixedDefault]
  const entry = wanted.map(id => menu.entries.find(one => one.id === id)).find(Boolean) ?? menu.entries[0]
  if (entry?.linux === undefined) throw new Error("The menu boots no Linux.")
  return {
    xen: entry.xen ? xenWords(text, entry.id.split(">").at(-1)!) : undefined,
    linux: `BOOT_IMAGE=${entry.linux} ${entry.options}`,
  }
}

/** What stands after Xen's image in an entry, as Xen tells it. GRUB's variables there are empty where a BIOS boots. */
function xenWords(text: string, id: string): string {
  const body = text.slice(text.indexOf(`'${id}' {`))
  return (
    /^\s*multiboot2?\s+\S+[ \t]*(.*)$/m
      .exec(body)?.[1]
      ?.replace(/\$\{\w+\}/g, "")
      .trim() ?? ""
  )
}
