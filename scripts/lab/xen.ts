import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { xenOptionsFor } from "./accelerator.ts"
import { bareImage, type Hardware, type Image, type Provision, snapshot } from "./image.ts"
import { reboot, runScript } from "./shell.ts"

/**
 * The snapshot of a Debian machine with Xen running: bridge `xenbr0` on eth0, guests' consoles logged under
 * /var/log/xen/console. It is made by a plain script, so that what is tested on it owes nothing to our own Xen host.
 */
export async function xenImage(hardware: Hardware): Promise<Image> {
  const script = await readFile(join(import.meta.dirname, "xen.sh"), "utf8")
  const options = xenOptionsFor(hardware.accelerator).join(" ")
  const provision: Provision = {
    name: "xen",
    inputs: [script, options],
    async apply(machine, door) {
      await runScript("install Xen", door, `XEN_OPTIONS='${options}'\n${script}`)
      await reboot(machine, door)
      await runScript("see Xen run", door, "grep -q control_d /proc/xen/capabilities && xl info > /dev/null")
    },
  }
  return await snapshot(await bareImage("debian", hardware), provision)
}
