import { execFile, execFileSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import test, { type ExecutionContext } from "ava"
import { codeOf } from "../helpers/runbook.ts"

const script = fileURLToPath(new URL("../../scripts/runbook.ts", import.meta.url))
/** With the labs of this folder alone. */
const cache = mkdtempSync(join(tmpdir(), "runbook-"))
test.after.always(() => rmSync(cache, { recursive: true }))

const print = (...args: string[]) =>
  new Promise<{ exit: number; stdout: string; stderr: string }>(resolve => {
    const env = { ...process.env, PULUMI_XEN_CACHE: cache }
    execFile(process.execPath, [script, ...args], { env }, (error, stdout, stderr) =>
      resolve({ exit: Number(error?.code ?? 0), stdout, stderr }),
    )
  })

/** A machine of the lab, as `npm run lab -- up` leaves its record. */
function lab(name: string, record: object): void {
  mkdirSync(join(cache, "labs", name), { recursive: true })
  const machine = { name, flavour: "debian", uplink: "eth0", xenOptions: ["com1=115200,8n1"], forwards: [] }
  writeFileSync(join(cache, "labs", name, "lab.json"), JSON.stringify({ ...machine, ...record }))
}
lab("away", { host: "127.0.0.1", port: 1, user: "root", hostKey: `SHA256:${"A".repeat(43)}` })

lab("gone", {
  host: "127.0.0.1",
  port: 1,
  user: "root",
  packages: { repositories: [{ name: "builds", directory: join(cache, "gone") }] },
})

function inOrder(t: ExecutionContext, text: string, parts: readonly string[]): void {
  let from = 0
  for (const part of parts) {
    const at = text.indexOf(part, from)
    t.not(at, -1, `${part}\nis not in what follows:\n${text.slice(from, from + 4000)}`)
    from = at + part.length
  }
}

/** From a machine as it was rented to Xen as its default, with every way back. */
const wholeWay = [
  "## Packages",
  'gnulinux-simple-"$(grub-probe --target=fs_uuid /)"',
  "update-grub",
  "install xen-system-amd64 nftables logrotate",
  "## The bridge xenbr0",
  "/old/1",
  "$(cat /sys/class/net/eth0/address)",
  "pre-up ip link set dev xenbr0 address MAC-OF-eth0",
  "/back.sh",
  "/change.sh",
  "--on-active=180",
  "/change.sh",
  "over a **new** connection",
  "systemctl stop runbook-",
  "To take it back",
  "## Xen and dom0\n",
  '"savedEntry": "gnulinux-simple-UUID-OF-ROOT"',
  'XENCONSOLED_ARGS="--log=guest"',
  "/etc/logrotate.d/pulumi-xen",
  'XENDOMAINS_SAVE=""',
  'XENDOMAINS_RESTORE="false"',
  "systemd-tmpfiles --create",
  "GRUB_CMDLINE_XEN_DEFAULT=",
  "grub-reboot",
  "\nreboot\n",
  "**If it does not come back**",
  "boot_id",
  "grep control_d /proc/xen/capabilities",
  "xl info",
  "keep it:",
  "grub-set-default",
  "To take it back",
]

for (const name of ["bytemark", "away"]) {
  test(`npm run runbook -- ${name} --bare: the whole way, without a machine to ask`, async t => {
    const { exit, stdout, stderr } = await print(name, "--bare")
    t.deepEqual([exit, stderr], [0, ""])
    inOrder(t, stdout, [`# Runbook for ${name}\n`, "The machine was not asked.", ...wholeWay])
    t.false(stdout.includes("print this chapter again"))
  })

  test(`npm run runbook -- ${name} --bare: a shell can read every block, and every script and file it writes`, async t => {
    const blocks = codeOf((await print(name, "--bare")).stdout)
    t.true(blocks.length > 30)
    for (const block of blocks) {
      t.notThrows(() => execFileSync("sh", ["-n"], { input: block, stdio: "pipe" }), block)
      const [, written] = /\/dev\/stdin \S+\.sh <<'END'\n(.*)END\n$/s.exec(block) ?? []
      if (written) t.notThrows(() => execFileSync("sh", ["-n"], { input: written, stdio: "pipe" }), written)
    }
  })
}

test("each further bridge is planned on what the one before it has written", async t => {
  lab("inside", { host: "127.0.0.1", port: 1, user: "root", bridges: { inside0: {} } })
  const { exit, stdout, stderr } = await print("inside", "--bare")
  t.deepEqual([exit, stderr], [0, ""])
  const [, main = "", inside = ""] =
    /^## The bridge xenbr0\n(.*?)^## The bridge inside0\n(.*?)^## /ms.exec(stdout) ?? []
  t.regex(main, /^source \/etc\/network\/interfaces\.d\/pulumi-xen-\*$/m)
  t.true(inside.includes("iface inside0"))
  t.notRegex(inside, /iface eth0|source \//, "the uplink's stanza does not come back")
})

test("a directory of packages is looked into, and what its packages are is told", async t => {
  const builds = join(cache, "builds")
  mkdirSync(join(builds, "tree/DEBIAN"), { recursive: true })
  const control = "Package: px-hello\nVersion: 1.0\nArchitecture: all\nMaintainer: a\nDescription: b\n"
  writeFileSync(join(builds, "tree/DEBIAN/control"), control)
  execFileSync("dpkg-deb", ["--build", join(builds, "tree"), join(builds, "px-hello_1.0_all.deb")])
  const packages = { packages: ["px-hello"], repositories: [{ name: "builds", directory: builds }] }
  lab("built", { host: "127.0.0.1", port: 1, user: "root", packages })
  const { exit, stdout, stderr } = await print("built", "--bare")
  t.deepEqual([exit, stderr], [0, ""])
  inOrder(t, stdout, [
    `Send 1 of the 1 packages in ${builds} as the repository builds`,
    `Copy \`${builds}/px-hello_1.0_all.deb\``,
    "Package: px-hello",
    "px-hello=1.0",
  ])
})

test("what is in the way of the packages is said in their chapter", async t => {
  const repositories = [{ name: "own", url: "https://example.org/deb" }]
  lab("unsigned", { host: "127.0.0.1", port: 1, user: "root", packages: { repositories } })
  const { exit, stdout } = await print("unsigned", "--bare")
  t.is(exit, 0)
  const [chapter = ""] = /^## Packages\n.*?^## /ms.exec(stdout) ?? []
  t.regex(chapter, /This is in the way, and comes first:\*\*\n\n- The repository own has no key/)
})

/** Where Debian 12's Xen has the file that becomes /etc/default/xen. */
const brought = "/usr/share/xen-utils-common/default.xen"
if (/VERSION_ID="12"/.test(readFileSync("/etc/os-release", "utf8")) && existsSync(brought))
  test("the files that Debian's Xen brings are assumed as it brings them", t => {
    const assumed = new URL("../../scripts/runbook/debian/xen", import.meta.url)
    t.is(readFileSync(assumed, "utf8"), readFileSync(brought, "utf8"))
  })

/** [what is wrong, words, what is said] */
const wrong: [what: string, words: string[], says: RegExp][] = [
  [
    "a host that is not in the inventory",
    ["www7", "--bare"],
    /^There is no host www7 in the inventory\. There are: .*bytemark/,
  ],
  [
    "a directory of packages that is not there",
    ["gone", "--bare"],
    /^the directory of packages \S+ cannot be read: there is none; check the path/,
  ],
  [
    "a name that every object has",
    ["constructor", "--bare"],
    /^There is no host constructor in the inventory/,
  ],
  ["a host that does not answer", ["away"], /127\.0\.0\.1:1.*refused/],
]
for (const [what, words, says] of wrong)
  test(`npm run runbook -- ${words.join(" ")}: ${what} is a sentence, and exit code 1`, async t => {
    const { exit, stdout, stderr } = await print(...words)
    t.deepEqual([exit, stdout], [1, ""])
    t.regex(stderr, says)
    t.notRegex(stderr, /\n {4}at /)
  })
