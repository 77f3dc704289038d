import { createHash, randomBytes } from "node:crypto"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import test from "ava"
import { type TestMachine, TURN, xenMachine } from "../helpers/lab.ts"
import { make, newFolder, removeFolder } from "./support/build.ts"
import { consoleOf, create, put, start, stateOf, waitFor } from "./support/domains.ts"
import { grubDisk } from "./support/grubDisk.ts"
import { load } from "./support/requests.ts"

const address = "10.0.2.20"
const fixed = `--ipv4=${address}/24 --ipv4-gateway=10.0.2.2`
const mac = "00:16:3e:00:00:20"
const health = `curl -sf -m 5 http://${address}/health`
let folder: string
let machine: TestMachine
let name: string
let count = 0

const log = () => `/var/log/xen/console/guest-${name}.log`

test.before(async t => {
  t.timeout(TURN)
  folder = await newFolder()
  await make("all", folder)
  machine = await xenMachine({ forwards: [{ address, to: 80 }] })
  await put(machine, join(folder, "hello.xen"), "/root/hello.xen")
})

test.after.always(async () => {
  await machine?.[Symbol.asyncDispose]()
  await removeFolder(folder)
})

// A name for each test: consoles are logged by name, and the log of the test before is not ours.
test.beforeEach(() => {
  name = `hello-${++count}`
})

test.afterEach.always(() => machine.run(`xl destroy ${name} 2>/dev/null || true`))

test.serial(
  "in 16 MiB it answers ping, and 1,000 requests from outside the machine without a failure",
  async t => {
    await create(machine, { name, mac, args: fixed })
    await waitFor(machine, health)
    await machine.run(`ping -c 3 ${address}`)
    const url = `http://127.0.0.1:${machine.forward(address, 80)}/health`
    t.deepEqual((await load(url, 1000, 10, false)).failed, [])
    t.is((await stateOf(machine, name))?.memory, 16)
  },
)

test.serial("the console tells each step of the boot", async t => {
  await create(machine, { name, mac, args: `${fixed} --version-text="a b"` })
  await waitFor(machine, `grep -q serving ${log()}`)
  const steps = (await consoleOf(machine, name)).split(/\r?\n/).map(line => line.split(/[: (]/)[0])
  t.deepEqual(steps, ["hello", "boot", "arguments", "name", "network", "address", "serving", ""])
})

test.serial("it hashes its disk, whose last page is not whole", async t => {
  const bytes = randomBytes(3_000_320)
  await writeFile(join(folder, "data"), bytes)
  await put(machine, join(folder, "data"), "/root/data.img")
  await create(machine, { name, mac, args: fixed, disk: "/root/data.img" })
  await waitFor(machine, health)
  const digest = createHash("sha256").update(bytes).digest("hex")
  t.is(
    await machine.run(`curl -sf -m 60 http://${address}/disk`),
    `sha256: ${digest}\nbytes: ${bytes.length}\n`,
  )
})

test.serial(
  "hello.xl boots as make left it; without an address hello asks DHCP and tells what it got",
  async t => {
    name = "hello"
    await put(machine, join(folder, "hello.xl"), "/root/hello.xl")
    await start(machine, "hello.xl")
    await waitFor(machine, `grep -q 'dhcp: address' ${log()}`)
    const [, leased] = /dhcp: address (\S+)/.exec(await consoleOf(machine, name))!
    t.is(await machine.run(`curl -sf -m 5 http://${leased}/health`), "ok\n")
    t.is((await stateOf(machine, name))?.memory, 32)
  },
)

test.serial("xl shutdown ends it in good order", async t => {
  await create(machine, { name, mac, args: fixed })
  await waitFor(machine, health)
  await machine.run(`xl shutdown -w ${name}`)
  t.regex(await consoleOf(machine, name), /control\/shutdown: poweroff\r?\nstopping\r?\n$/)
})

/** What is to be seen in dom0, sooner or later; the flags of `xl list` are running, blocked, paused, shut down, crashed, dying. */
const failures: [string, string, (name: string) => string][] = [
  [
    "exit",
    "stops at once as if all were well, so that it is soon gone",
    name => `! xl domid ${name} 2>/dev/null`,
  ],
  ["crash", "crashes, and is kept for a look at it", name => `xl list ${name} | grep -q -e '---sc-'`],
  ["hang", "runs on and never serves", name => `xl list ${name} | grep -q -e '[r-][b-]----'`],
  ["mute", "boots and never answers", () => `grep -q '^address: ' ${log()}`],
]

for (const [how, what, seen] of failures) {
  test.serial(`--fail=${how} ${what}`, async t => {
    await create(machine, { name, mac, args: `${fixed} --fail=${how}` })
    await waitFor(machine, `grep -q 'fail: ${how}' ${log()}`)
    await waitFor(machine, seen(name))
    await t.notThrowsAsync(machine.run(`! ${health}`))
    const said = await consoleOf(machine, name)
    t.notRegex(said, /serving/)
    if (how === "crash") t.regex(said, /fault at rip 0x1[0-9a-f]{5}\r?\n/)
  })
}

test.serial("it does not serve before --start-delay is over, and serves then", async t => {
  const uptime = async () => Number.parseFloat(await machine.run("cat /proc/uptime"))
  const begun = await uptime()
  await create(machine, { name, mac, args: `${fixed} --start-delay=20000` })
  await waitFor(machine, health)
  const waited = (await uptime()) - begun
  t.true(waited >= 20, `${waited} s`)
})

test.serial("the same file boots as an HVM guest from a GRUB disk", async t => {
  await put(machine, await grubDisk(folder, join(folder, "hello.xen"), fixed), "/root/grub.img")
  const config = [
    `name = '${name}'`,
    "type = 'hvm'",
    "memory = 64",
    "disk = [ '/root/grub.img,raw,hda,rw' ]",
    `vif = [ 'bridge=xenbr0,mac=${mac},type=vif' ]`,
    "vnc = 0",
  ]
  await machine.run(`cat > /root/hvm.cfg <<'END'\n${config.join("\n")}\nEND`)
  await start(machine, "hvm.cfg")
  await waitFor(machine, health, 300)
  t.regex(await consoleOf(machine, name), /boot: multiboot \(HVM\)/)
})
