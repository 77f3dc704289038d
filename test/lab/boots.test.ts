import test from "ava"
import { type Boot, bootsIn } from "../helpers/boots.ts"

const XEN =
  "  Booting `Debian GNU/Linux, with Xen hypervisor'\r\n\r\nLoading Xen 4.17-amd64 ...\r\nLoading Linux 6.1.0-57-amd64 ..."
const LINUX = "  Booting `Debian GNU/Linux'\r\n\r\nLoading Linux 6.1.0-57-amd64 ..."
const KERNEL = "[    0.000000] Booting paravirtualized kernel on bare hardware"

const cases: [sentence: string, console: string[], boots: Boot[]][] = [
  ["a machine that was restored has booted nothing yet", ["root login"], []],
  [
    "each entry that GRUB boots is one, whatever kernels say of booting",
    [LINUX, KERNEL, XEN, KERNEL],
    ["Linux", "Xen"],
  ],
  ["a restart too many is seen", [XEN, XEN], ["Xen", "Xen"]],
  [
    "an entry of which a file is missing, and the one after it, are two",
    [XEN, "error: file not found", LINUX],
    ["Xen", "Linux"],
  ],
]
for (const [sentence, console, boots] of cases) {
  test(sentence, t => t.deepEqual(bootsIn(console.join("\r\n")), boots))
}
