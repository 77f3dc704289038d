import { createHash, randomBytes } from "node:crypto"
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type * as grpc from "@grpc/grpc-js"
import anyTest, { type ExecutionContext, type TestFn } from "ava"
import { type IsolatedHost, startIsolatedHost } from "../helpers/isolatedHost.ts"
import { pvhKernel } from "../helpers/kernels.ts"
import { startProvider, untilLogged } from "../helpers/providerProcess.ts"

const test = anyTest as TestFn<{ folder: string; host: IsolatedHost }>

test.beforeEach(async t => {
  t.context = { folder: await mkdtemp(join(tmpdir(), "interrupted-")), host: await startIsolatedHost() }
})
test.afterEach.always(async t => {
  await t.context.host.stop()
  await rm(t.context.folder, { recursive: true })
})

const urn = "urn:pulumi:s::p::xen:index:Kernel::large"
const half = /sending the kernel: [3-9]\d %/

async function largeKernel({ folder, host }: { folder: string; host: IsolatedHost }) {
  const bytes = pvhKernel(randomBytes(48 * 1024 ** 2))
  const source = join(folder, "large.xen")
  await writeFile(source, bytes)
  return {
    bytes,
    digest: createHash("sha256").update(bytes).digest("hex"),
    given: { connection: host.connection, source },
  }
}

async function kernelsOn(host: IsolatedHost): Promise<string[]> {
  return readdir(join(host.store, "kernels")).catch(() => [])
}

/** The next run's create, by a new provider: it must leave the kernel whole, and nothing beside it. */
async function converges(
  t: ExecutionContext<{ host: IsolatedHost }>,
  kernel: Awaited<ReturnType<typeof largeKernel>>,
) {
  const provider = await startProvider()
  t.teardown(() => provider.stop())
  const { inputs } = await provider.client.check(urn, kernel.given)
  t.is((await provider.client.create(urn, inputs)).id, kernel.digest)
  t.deepEqual(await kernelsOn(t.context.host), [kernel.digest])
  t.true(kernel.bytes.equals(await readFile(join(t.context.host.store, "kernels", kernel.digest))))
}

test.serial(
  "Ctrl-C in the middle of sending stops it, leaves no kernel under its name, and the next run sends it",
  async t => {
    const kernel = await largeKernel(t.context)
    const provider = await startProvider()
    const { inputs } = await provider.client.check(urn, kernel.given)
    const creating = t.throwsAsync(provider.client.create(urn, inputs))
    await untilLogged(provider.engine, half)
    await provider.client.cancel()
    t.regex(((await creating) as grpc.ServiceError).details, /^stopped on request/)
    t.false((await kernelsOn(t.context.host)).includes(kernel.digest))
    await provider.stop()
    t.is(provider.stderr(), "")
    await converges(t, kernel)
  },
)

test.serial(
  "a provider killed in the middle of sending leaves no torn kernel, and the next run sends it",
  async t => {
    const kernel = await largeKernel(t.context)
    const provider = await startProvider()
    const { inputs } = await provider.client.check(urn, kernel.given)
    const creating = t.throwsAsync(provider.client.create(urn, inputs))
    await untilLogged(provider.engine, half)
    await provider.stop("SIGKILL")
    await creating
    t.false((await kernelsOn(t.context.host)).includes(kernel.digest))
    await converges(t, kernel)
  },
)

test.serial("a timeout in the middle of sending says which limit, and the next run sends it", async t => {
  const kernel = await largeKernel(t.context)
  const provider = await startProvider()
  const { inputs } = await provider.client.check(urn, kernel.given)
  // The host stands still from the first byte on, as one does behind a network that is gone.
  process.kill(t.context.host.pid, "SIGSTOP")
  const creating = await t.throwsAsync(provider.client.create(urn, inputs, { timeout: 2 }))
  process.kill(t.context.host.pid, "SIGCONT")
  t.regex((creating as grpc.ServiceError).details, /^create did not finish within 2 seconds/)
  await provider.stop()
  await converges(t, kernel)
})
