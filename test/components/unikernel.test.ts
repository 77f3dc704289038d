import { createHash } from "node:crypto"
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import anyTest, { type TestFn } from "ava"
import { pvhKernel } from "../helpers/kernels.ts"
import { PulumiStack } from "../helpers/pulumiStack.ts"
import { SimulatedHost } from "../helpers/simulatedXen/host.ts"

const test = anyTest as TestFn<{ host: SimulatedHost; stack: PulumiStack }>

test.beforeEach(async t => {
  t.context = { host: await SimulatedHost.start(), stack: await PulumiStack.create("unikernels") }
})
test.afterEach.always(async t => {
  await t.context.host[Symbol.asyncDispose]()
  await t.context.stack.remove()
})

const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")
const up = ["up", "--yes", "--skip-preview"]
const address = "10.0.2.20"
/** Short times: a simulated guest is there at once. */
const quick = { health: { http: { path: "/health" }, settle: 0.2, interval: 0.1 }, drain: 1, probation: 0 }
const addressed = { arguments: [`--ipv4=${address}/24`, "--ipv4-gateway=10.0.2.2"] }

interface Shown {
  url: string
  generation: string
  digest: string
  consoleLog: string
}
const shown = async (stack: PulumiStack, name: string): Promise<Shown> => {
  const { stdout } = await stack.succeed(["stack", "output", "outputs", "--json"])
  return JSON.parse(stdout)[name]
}

test("a kernel with its skeleton becomes a domain that serves: created, unchanged, updated, rolled back, let go", async t => {
  const { host, stack } = t.context
  const folder = join(stack.project, "dist")
  await mkdir(folder)
  const kernel = join(folder, "www.xen")
  await writeFile(kernel, pvhKernel("v1"))
  await writeFile(
    join(folder, "www.xl.in"),
    `name = "@NAME@"\nkernel = "@KERNEL@"\ntype = "pvh"\nmemory = @MEMORY@\nvif = [ "bridge=@NETWORK:service@" ]\non_crash = "preserve"\n`,
  )
  const wanted = {
    hosts: { a: { connection: host.connection } },
    unikernels: { www: { host: "a", kernel, memory: 48, ...addressed, ...quick } },
  }
  await stack.configure({ wanted })

  const preview = await stack.succeed(["preview", "--diff"])
  // Pulumi cuts a long text of something new short in its diff; beside it the whole is told.
  t.regex(preview.stdout + preview.stderr, /configuration of www:\n(.*\n)*memory = 48\n/)
  await stack.succeed(up)
  const first = await shown(stack, "www")
  t.like(first, { url: `http://${address}/`, digest: digestOf(pvhKernel("v1")) })
  t.regex(first.consoleLog, new RegExp(`guest-www\\.${first.generation}\\.log$`))
  t.regex(await host.fetch(address), /www/)

  t.regex((await stack.succeed(up)).stdout, /\d+ unchanged/)
  t.deepEqual(await shown(stack, "www"), first)

  await writeFile(kernel, pvhKernel("v2"))
  await stack.succeed(up)
  const second = await shown(stack, "www")
  t.not(second.generation, first.generation)
  t.true((await host.fetch(address)).includes(second.digest))

  await stack.configure({ "rollback:www": first.generation })
  const back = await stack.succeed(up)
  t.regex(back.stdout, new RegExp(`held at generation ${first.generation} by rollback:www`))
  t.is((await shown(stack, "www")).generation, first.generation)
  t.true((await host.fetch(address)).includes(first.digest))
  await stack.succeed(up)
  t.true((await host.fetch(address)).includes(first.digest), "the next update does not undo it")

  await stack.succeed(["config", "rm", "rollback:www"])
  await stack.succeed(up)
  t.true((await host.fetch(address)).includes(second.digest))

  await stack.succeed(["destroy", "--yes", "--skip-preview"])
  t.deepEqual(await readdir(join(host.store, "kernels")), [])
  t.deepEqual(await readdir(join(host.store, "domains")).catch(() => []), [])
})

test("files and a key become a disk; another content is another generation, and the key is in no output and no state", async t => {
  const { host, stack } = t.context
  const kernel = await stack.write("www.xen", pvhKernel("tls"))
  const key =
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF\n-----END PRIVATE KEY-----\n"
  await stack.secret("key", key)
  const configure = (tls: string) =>
    stack.configure({
      wanted: {
        hosts: { a: { connection: host.connection } },
        unikernels: { www: { host: "a", kernel, tls, ...addressed, ...quick } },
      },
    })
  await configure("certificate 1")
  const outcomes = [await stack.succeed(["preview", "--diff"]), await stack.succeed(up)]
  const first = await shown(stack, "www")
  const [image] = await readdir(join(host.store, "disks"))
  t.true((await readFile(join(host.store, "disks", image!))).includes("MC4CAQAwBQYDK2VwBCIEIJ"))
  const config = await readFile(join(host.store, `domains/www/${first.generation}.cfg`), "utf8")
  t.true(config.includes(`/var/lib/pulumi-xen/disks/${image}`) && config.includes("vdev=xvdb"), config)

  await configure("certificate 2")
  outcomes.push(await stack.succeed(up))
  const second = await shown(stack, "www")
  t.not(second.generation, first.generation)
  t.is(
    (await readdir(join(host.store, "disks"))).length,
    2,
    "the earlier generation can still be rolled back to",
  )
  await stack.configure({ "rollback:www": first.generation })
  outcomes.push(await stack.succeed(up))
  t.is((await shown(stack, "www")).generation, first.generation)

  const everything = [...outcomes.map(({ stdout, stderr }) => stdout + stderr), await stack.stateText()].join(
    "\n",
  )
  t.false(everything.includes("MC4CAQAwBQYDK2VwBCIEIJ"))
  t.true(everything.includes(image!), "what the domain is made of can be read all the same")
})

test("two hosts and several unikernels come up in one update, each with an address of its own", async t => {
  const { host, stack } = t.context
  await using other = await SimulatedHost.start()
  const kernel = await stack.write("www.xen", pvhKernel("many"))
  const unikernel = (on: string, last: number, more: object = {}) => ({
    host: on,
    kernel,
    arguments: [`--ipv4=10.0.2.${last}/24`, "--ipv4-gateway=10.0.2.2"],
    ...quick,
    ...more,
  })
  const unikernels = {
    www: unikernel("a", 20),
    mail: unikernel("a", 21),
    mirror: unikernel("b", 20, { name: "www" }),
  }
  const hosts = { a: { connection: host.connection }, b: { connection: other.connection } }
  await stack.configure({ wanted: { hosts, unikernels } })
  await stack.succeed(up)
  t.deepEqual(
    await Promise.all(
      [host.fetch("10.0.2.20"), host.fetch("10.0.2.21"), other.fetch("10.0.2.20")].map(async text =>
        (await text).includes(digestOf(pvhKernel("many"))),
      ),
    ),
    [true, true, true],
  )
  t.is((await readdir(join(host.store, "kernels"))).length, 1, "one kernel, however many domains run it")
})

test("a skeleton that lacks a device is found before anything is sent", async t => {
  const { host, stack } = t.context
  const kernel = await stack.write("www.xen", pvhKernel("devices"))
  await stack.write(
    "www.xl.in",
    `name = "@NAME@"\nkernel = "@KERNEL@"\ntype = "pvh"\nmemory = @MEMORY@\ndisk = [ "format=raw, vdev=xvdb, access=rw, target=@BLOCK:tls@" ]\nvif = [ "bridge=@NETWORK:service@" ]\n`,
  )
  await stack.configure({
    wanted: {
      hosts: { a: { connection: host.connection } },
      unikernels: { www: { host: "a", kernel, ...addressed, ...quick } },
    },
  })
  const { exit, stdout } = await stack.run(["preview"])
  t.not(exit, 0)
  t.regex(stdout, /BLOCK:tls/)
  t.deepEqual(await readdir(host.store).catch(() => []), [])
})
