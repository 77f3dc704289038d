import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import anyTest, { type TestFn } from "ava"
import type { Properties } from "../../provider/rpc/value.ts"
import { bootsDuring } from "../helpers/boots.ts"
import { type TestMachine, TURN, xenMachine } from "../helpers/lab.ts"
import { failureOf, type Made, ProviderUnderTest } from "../helpers/provider.ts"
import { eventually } from "./helpers/midway.ts"

// One machine goes through all of it, in the order of the file: it is restored with Xen running.
const test = anyTest.serial as TestFn
let machine: TestMachine
let provider: ProviderUnderTest
let made: Made
let foreign: string

const urn = "urn:pulumi:s::p::xen:index:Dom0::www1"
const restart = 15 * 60_000

const connection = () => {
  const { host, port, user, hostKey, privateKeyPath } = machine.host
  return { host, port, user, hostKey, privateKeyPath, connectTimeout: 60_000 }
}
/** In software emulation dom0 takes minutes for GRUB's menu alone, and that is part of the time. */
const want = (memory = 768): Properties => ({
  connection: connection(),
  memory,
  xenOptions: [...machine.host.xenOptions, "com1=115200,8n1", "console=com1"],
  linuxOptions: ["net.ifnames=0", "console=hvc0"],
  window: 1500,
})

const bootId = () => machine.run("cat /proc/sys/kernel/random/boot_id")
const watchdogs = () =>
  machine.run("for one in /sys/class/watchdog/*; do echo ${one##*/} $(cat $one/identity $one/state); done")
const hypervisor = async () => (await machine.run("cat /sys/hypervisor/type 2>/dev/null || echo none")).trim()
/** What a Dom0 changes. Guards that are done leave their units. */
const CONFIGURATION = `
cat /etc/default/grub.d/* /etc/default/xen /etc/default/xendomains
grep -c ^menuentry /boot/grub/grub.cfg
find /etc -name '*pulumi-xen*' ! -name 'pulumi-xen-guard-*'
find /var/lib/pulumi-xen -type f ! -name lock ! -path '*/guard/*' 2>/dev/null || :`

test.before(async t => {
  t.timeout(TURN)
  machine = await xenMachine()
  provider = await ProviderUnderTest.start()
})
test.after.always(async () => {
  await provider?.[Symbol.asyncDispose]()
  await machine?.[Symbol.asyncDispose]()
})

test("a Xen that was set up by hand is taken over as it runs: nothing restarts, and its watchdog is set at once", async t => {
  t.timeout(restart)
  const before = await bootId()
  foreign = await machine.run(CONFIGURATION)
  made = await provider.create(urn, want(1024))
  t.like(made.outputs, { guard: "none", drift: [] })
  t.regex(await watchdogs(), /xen_wdt active/)
  made = await provider.update(urn, made, { ...want(1024), watchdog: false })
  t.notRegex(await watchdogs(), /xen_wdt active/)
  t.is(await machine.run("find /etc -path '*/system.conf.d/pulumi-xen.conf'"), "")
  made = await provider.update(urn, made, want(1024))
  t.regex(await watchdogs(), /xen_wdt active/)
  t.is(await bootId(), before)
})

test("other memory for dom0 restarts the machine, once", async t => {
  t.timeout(2 * restart)
  const { boots, result } = await bootsDuring(machine, () => provider.update(urn, made, want()))
  made = result
  t.deepEqual(boots, ["Xen"])
  t.like(made.outputs, { guard: "confirmed", drift: [] })
  t.regex(await machine.run("xl list"), /Domain-0\s+0\s+768/)
  const again = await provider.update(urn, made, want())
  t.deepEqual(again.outputs, made.outputs, "the second time nothing is done")
})

test("a refresh finds nothing, and an import reads what a program has to say", async t => {
  const clean = await provider.client.read(urn, made.id, made)
  t.deepEqual(clean.outputs, made.outputs)
  const { host, port, privateKeyPath, hostKey } = machine.host
  const directory = await mkdtemp(join(tmpdir(), "import-"))
  const knownHosts = join(directory, "known_hosts")
  await writeFile(knownHosts, `[${host}]:${port} ${hostKey}\n`)
  await provider.client.configure({ privateKeyPath, knownHosts: [knownHosts] })
  const found = await provider.client.read(urn, `ssh://root@${host}:${port}/dom0/${made.id}`)
  const { connection: _, window: __, ...inputs } = found.inputs
  t.like(made.inputs, inputs)
  t.deepEqual({ ...found.outputs, guard: "confirmed" }, made.outputs)
  const other = "0".repeat(32)
  const failed = await failureOf(provider.client.read(urn, `ssh://root@${host}:${port}/dom0/${other}`))
  t.regex(failed.says, /The machine that answers is [0-9a-f]{32}, and this resource is of 0{32}/)
  await rm(directory, { recursive: true })
})

/** The same Xen under another build id: what a package's update looks like, and boots. */
const UPDATE = `
  id=$(xl info | sed -n 's/^build_id *: *//p')
  other=$(echo "$id" | tr 0-9a-f 1-9a-f0)
  export id other
  zcat /boot/xen-4.17-amd64.gz |
    perl -0777 -pe 'BEGIN { ($a, $b) = map { pack "H*", $ENV{$_} } "id", "other" } s/\\Q$a\\E/$b/g' |
    gzip >/boot/new && mv /boot/new /boot/xen-4.17-amd64.gz
  echo "$other"`

test("a Xen that was installed since the boot is seen, and booted on trial where the packages' versions say so", async t => {
  t.timeout(2 * restart)
  const other = (await machine.run(UPDATE)).trim()
  const told = provider.engine.lines.length
  const found = await provider.client.read(urn, made.id, made)
  t.deepEqual(found.outputs.drift, ["Restart into the Xen that was installed"])
  t.true(provider.engine.lines.slice(told).some(({ message }) => /is not as wanted/.test(message)))
  const wanted = { ...want(), packages: { "xen-system-amd64": "4.17.7-2" } }
  const { boots, result } = await bootsDuring(machine, () => provider.update(urn, made, wanted))
  made = result
  t.deepEqual(boots, ["Xen"])
  t.like(made.outputs, { guard: "confirmed", drift: [] })
  t.is(await machine.run("xl info | sed -n 's/^build_id *: *//p'"), `${other}\n`)
  const clean = await provider.client.read(urn, made.id, made)
  t.deepEqual(clean.outputs, made.outputs)
})

test("a dom0 that hangs is restarted by Xen, and comes back", async t => {
  t.timeout(2 * restart)
  const before = await bootId()
  t.regex(await watchdogs(), /xen_wdt active/)
  // Ahead of the two minutes that a real dom0 is given. Nobody feeds the watchdog when the first process stands still.
  await machine.run(`
    manager="org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager"
    busctl get-property $manager RuntimeWatchdogUSec | grep -qx "t 120000000"
    busctl set-property $manager RuntimeWatchdogUSec t 30000000
    setsid python3 -c "import ctypes, time; ctypes.CDLL(None).ptrace(16, 1, 0, 0); time.sleep(3600)" >/dev/null 2>&1 </dev/null &`)
  await eventually("Xen to restart the machine", 900, async () => (await bootId()) !== before)
  t.regex(await machine.console(), /watchdog rebooting machine/i)
  t.is(await hypervisor(), "xen")
})

test("a Xen that was there before stays when it is given back, with its own options, and nothing restarts", async t => {
  t.timeout(restart)
  const before = await bootId()
  await provider.client.delete(urn, made.id, made)
  t.is(await bootId(), before)
  t.is(await machine.run(CONFIGURATION), foreign)
})
