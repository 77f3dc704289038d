import { createHash } from "node:crypto"
import { mkdir, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import anyTest, { type TestFn } from "ava"
import {
  installAutostart,
  NO_SYSTEMD,
  removeAutostart,
  setAutostart,
} from "../../provider/host/autostart/autostart.ts"
import type { Properties } from "../../provider/rpc/value.ts"
import { type Connection, ConnectionPool } from "../../provider/ssh/index.ts"
import { pvhKernel } from "../helpers/kernels.ts"
import { ProviderUnderTest } from "../helpers/provider.ts"
import { SimulatedHost } from "../helpers/simulatedXen/host.ts"

interface World {
  host: SimulatedHost
  pool: ConnectionPool
  over: Connection
}
const test = anyTest as TestFn<World>

test.beforeEach(async t => {
  const host = await SimulatedHost.start()
  const pool = new ConnectionPool()
  t.context = { host, pool, over: await pool.get({ ...host.connection, agent: false, sshConfig: false }) }
})
test.afterEach.always(async t => {
  await t.context.pool.close()
  await t.context.host[Symbol.asyncDispose]()
})

const script = (name: string) =>
  readFile(fileURLToPath(new URL(`../../provider/host/autostart/${name}`, import.meta.url)), "utf8")

/** What the unit runs, in the host: `domains start` as a boot does it, `domains stop` as a shutdown. */
async function domains({ host }: World, verb: "start" | "stop"): Promise<{ stdout: string; stderr: string }> {
  await writeFile(host.file("/run/domains.sh"), await script("domains.sh"))
  const { exit, stdout, stderr } = await host.attempt(`sh /run/domains.sh ${verb}`)
  if (exit !== 0) throw new Error(`exit ${exit}: ${stderr}`)
  return { stdout, stderr }
}

/** A domain of the store as the resource leaves it; returns its UUID. */
async function stored(
  { host, over }: World,
  name: string,
  { order = 100, seconds = 5, last = 20, autostart = true, more = "" } = {},
): Promise<string> {
  const kernel = pvhKernel(`autostart ${name}`)
  const digest = createHash("sha256").update(kernel).digest("hex")
  const uuid = `00000000-0000-8000-8000-0000000000${last}`
  const folder = join(host.store, "domains", name)
  await mkdir(folder, { recursive: true })
  await mkdir(join(host.store, "kernels"), { recursive: true })
  await writeFile(join(host.store, "kernels", digest), kernel)
  await writeFile(
    join(folder, "0123456789ab.cfg"),
    `name = "${name}"\nuuid = "${uuid}"\ntype = "pvh"\nkernel = "/var/lib/pulumi-xen/kernels/${digest}"\nextra = "--ipv4=10.0.2.${last}/24 --ipv4-gateway=10.0.2.2 ${more}"\nmemory = 32\nvif = ["mac=00:16:3e:00:00:${last},bridge=xenbr0"]\n`,
  )
  await rm(join(folder, "current"), { force: true })
  await symlink("0123456789ab.cfg", join(folder, "current"))
  if (autostart) await over.run(setAutostart(name, { order, shutdownTimeout: seconds }))
  return uuid
}

const running = async ({ host }: World): Promise<string[]> =>
  (await host.inside("xl list"))
    .trim()
    .split("\n")
    .slice(2)
    .map(line => line.split(/\s+/)[0]!)

test("domains start with their host in order, each as its current generation and under its name", async t => {
  await stored(t.context, "last", { order: 200, last: 20 })
  await stored(t.context, "first", { order: 10, last: 21 })
  await stored(t.context, "never", { autostart: false, last: 22 })
  const { stdout } = await domains(t.context, "start")
  t.deepEqual(
    stdout.split("\n").filter(line => line.endsWith("started")),
    ["first: generation 0123456789ab started", "last: generation 0123456789ab started"],
  )
  t.deepEqual((await running(t.context)).sort(), ["first", "last"])
  t.regex(await t.context.host.fetch("10.0.2.21"), /first/)
  await t.context.host.inside("test -s /var/log/xen/console/guest-first.0123456789ab.log")
})

test("a domain that runs already is left alone, and starting twice changes nothing", async t => {
  await stored(t.context, "www")
  await domains(t.context, "start")
  const before = await t.context.host.inside("xl list -v")
  const { stdout } = await domains(t.context, "start")
  t.regex(stdout, /www: generation 0123456789ab runs already/)
  t.deepEqual(
    (await t.context.host.inside("xl list -v")).replace(/ +[0-9.]+ +/g, " "),
    before.replace(/ +[0-9.]+ +/g, " "),
  )
})

const broken: [what: string, spoil: (world: World) => Promise<unknown>, says: RegExp][] = [
  [
    "a kernel that was altered",
    ({ host }) =>
      host.inside("for kernel in /var/lib/pulumi-xen/kernels/*; do echo altered >>$kernel; break; done"),
    /^<3>broken: \/var\/lib\/pulumi-xen\/kernels\/[0-9a-f]{64} was altered$/m,
  ],
  [
    "a kernel that is missing",
    ({ host }) => host.inside("rm /var/lib/pulumi-xen/kernels/*"),
    /^<3>broken: \/var\/lib\/pulumi-xen\/kernels\/[0-9a-f]{64} is missing$/m,
  ],
  [
    "no current generation",
    ({ host }) => host.inside("rm /var/lib/pulumi-xen/domains/broken/current"),
    /^<3>broken: it has no current generation$/m,
  ],
  [
    "a bridge that is missing",
    ({ host }) => host.inside("sed -i s/xenbr0/xenbr9/ /var/lib/pulumi-xen/domains/broken/*.cfg"),
    /^<3>broken: generation 0123456789ab cannot be started$/m,
  ],
]
for (const [what, spoil, says] of broken) {
  test(`${what}: the journal is told, and the other domains start all the same`, async t => {
    await stored(t.context, "broken", { order: 1, last: 20 })
    await spoil(t.context)
    await stored(t.context, "www", { order: 2, last: 21 })
    const { stderr } = await domains(t.context, "start")
    t.regex(stderr, says)
    t.deepEqual(await running(t.context), ["www"])
  })
}

test("all stop together, each gracefully within its limit or for good; what is not of the store runs on", async t => {
  const { host } = t.context
  await stored(t.context, "good", { last: 20, seconds: 60 })
  await stored(t.context, "hung", { last: 21, seconds: 1, more: "--fail=hang" })
  await domains(t.context, "start")
  await host.inside(
    `cd /run && sed -e 's/"good"/"foreign"/; /^uuid/d; s/:20,/:29,/; s/10.0.2.20/10.0.2.29/' /var/lib/pulumi-xen/domains/good/*.cfg >foreign.cfg && xl create foreign.cfg`,
  )
  const { stdout } = await domains(t.context, "stop")
  t.regex(stdout, /^good: stopped$/m)
  t.regex(stdout, /^hung: destroyed after 1 s$/m)
  t.deepEqual(await running(t.context), ["foreign"])
})

test("stopping where nothing runs, and starting where there is no store, is nothing to do", async t => {
  t.deepEqual(await domains(t.context, "stop"), { stdout: "", stderr: "" })
  t.deepEqual(await domains(t.context, "start"), { stdout: "", stderr: "" })
})

test("a mark says order and limit, is written only where it differs, and goes again", async t => {
  const { over, host } = t.context
  const mark = join(host.store, "domains/www/autostart")
  await over.run(setAutostart("www", { order: 7, shutdownTimeout: 45 }))
  t.is(await readFile(mark, "utf8"), "7 45\n")
  const before = await host.inside(`stat -c %i ${"/var/lib/pulumi-xen/domains/www/autostart"}`)
  await over.run(setAutostart("www", { order: 7, shutdownTimeout: 45 }))
  t.is(await host.inside("stat -c %i /var/lib/pulumi-xen/domains/www/autostart"), before)
  await over.run(setAutostart("www", undefined))
  await over.run(setAutostart("www", undefined))
  await t.throwsAsync(readFile(mark), { code: "ENOENT" })
})

test("the unit is installed once, enabled, and taken away with the last domain that needs it", async t => {
  const { over, host } = t.context
  const { command, stdin } = installAutostart()
  t.is(
    (await over.run(command, { stdin, expect: [NO_SYSTEMD] })).exit,
    NO_SYSTEMD,
    "not where systemd does not manage services",
  )

  // A systemctl that remembers what it was told is all of systemd that the script sees.
  await host.inside(`
    mount -t tmpfs tmpfs /usr/local
    mkdir -p /usr/local/sbin /run/systemd/system /run/systemctl /etc/systemd/system
    cat >/usr/local/sbin/systemctl <<'END'
#!/bin/sh
echo "$*" >>/run/systemctl/log
case $1 in
  is-enabled) test -e /run/systemctl/enabled ;;
  is-active) test -e /run/systemctl/active ;;
  enable) : >/run/systemctl/enabled ;;
  start) : >/run/systemctl/active ;;
  disable) rm -f /run/systemctl/enabled ;;
esac
END
    chmod 755 /usr/local/sbin/systemctl`)
  const install = async () => (await over.run(command, { stdin })).stdout.trim()
  t.is(await install(), "installed")
  t.is(await readFile(host.file("/usr/local/lib/pulumi-xen/domains"), "utf8"), await script("domains.sh"))
  t.is(
    await readFile(host.file("/etc/systemd/system/pulumi-xen-domains.service"), "utf8"),
    await script("pulumi-xen-domains.service"),
  )
  t.is(await install(), "present")
  await host.inside("echo altered >>/etc/systemd/system/pulumi-xen-domains.service")
  t.is(await install(), "installed")

  // It was started beside domains that run: that start leaves them as they are.
  await stored(t.context, "www")
  await domains(t.context, "start")
  t.deepEqual(await running(t.context), [])
  await domains(t.context, "start")
  t.deepEqual(await running(t.context), ["www"])

  const remove = async () => (await over.run(removeAutostart)).stdout.trim()
  t.is(await remove(), "kept 1")
  await over.run(setAutostart("www", undefined))
  t.is(await remove(), "removed")
  t.is(await remove(), "absent")
  t.deepEqual(await running(t.context), ["www"], "nobody's domain is stopped by that")
})

test("a domain that a program deploys starts again after its host was off", async t => {
  const { host } = t.context
  await using provider = await ProviderUnderTest.start()
  const kernel = await provider.create("urn:pulumi:s::p::xen:index:Kernel::k", {
    connection: host.connection,
    sha256: await put(host, pvhKernel("boot")),
  })
  const urn = "urn:pulumi:s::p::xen:index:Domain::www"
  const given = {
    connection: host.connection,
    name: "www",
    kernel: kernel.outputs.path!,
    networks: [{ bridge: "xenbr0" }],
    arguments: ["--ipv4=10.0.2.20/24", "--ipv4-gateway=10.0.2.2"],
    addresses: ["10.0.2.20/24"],
    gateways: ["10.0.2.2"],
    health: { http: {}, settle: 0.1, interval: 0.1 },
    probation: 0,
    drain: 0,
  } as unknown as Properties
  const made = await provider.create(urn, given)
  await host.inside("xl destroy www")
  await domains(t.context, "start")
  t.regex(await host.fetch("10.0.2.20"), /www/)
  const read = await provider.client.read(urn, made.id, made)
  t.deepEqual(read.outputs.drift, [], "to a refresh it is the domain that was deployed")
})

async function put(host: SimulatedHost, bytes: Buffer): Promise<string> {
  const digest = createHash("sha256").update(bytes).digest("hex")
  await mkdir(join(host.store, "kernels"), { recursive: true })
  await writeFile(join(host.store, "kernels", digest), bytes)
  return digest
}
