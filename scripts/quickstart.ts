/**
 * `npm run quickstart`: the whole way on this machine, from a clone. A rented machine stands in the lab, a unikernel
 * is built, and `pulumi up` puts it into the machine's store. `-- --down` takes all of it away again.
 */
import { mkdir, rm } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { $ } from "zx"
import { labHost } from "../hosts/lab.ts"
import { LabError } from "./lab/errors.ts"
import { defaultHardware, down, up } from "./lab/labs.ts"
import { step } from "./lab/progress.ts"

const root = fileURLToPath(new URL("..", import.meta.url))
const state = join(root, ".pulumi-state")
const name = "lab"

/** A local state, without an account; there is no secret in it that a passphrase could protect. */
const environment = {
  ...process.env,
  PULUMI_BACKEND_URL: `file://${state}`,
  PULUMI_CONFIG_PASSPHRASE: "",
  PULUMI_SKIP_UPDATE_CHECK: "1",
}
const pulumi = $({ cwd: root, env: environment, stdio: "inherit", verbose: false })
const quiet = $({ cwd: root, env: environment, quiet: true })

const { values } = parseArgs({ options: { down: { type: "boolean", default: false } } })
try {
  await (values.down ? takeDown() : bringUp())
} catch (error) {
  if (!(error instanceof LabError)) throw error
  console.error(`quickstart: ${error.message}`)
  process.exitCode = 1
}

async function bringUp(): Promise<void> {
  console.log(`This will, on this machine alone:
  1. start a bare Debian machine in QEMU          (3 minutes at the first time, seconds later)
  2. build the unikernel hello                    (seconds)
  3. pulumi up: put it into the machine's store   (seconds)
Take it away again with: npm run quickstart -- --down
`)
  const hardware = await defaultHardware()
  const { did } = await up({ name, flavour: "debian", hardware, forwards: [], boot: false })
  const happened = { created: "started", started: "started again", nothing: "running already" }[did]
  console.log(`1. The machine is ${happened}: npm run lab -- ssh`)

  await step("Building hello", () => quiet`make -s -C unikernels/hello`)
  console.log("2. The unikernel is built: unikernels/hello/dist/hello.xen")

  await mkdir(state, { recursive: true })
  await quiet`pulumi stack select --create ${name}`
  console.log("3. pulumi up")
  await pulumi`pulumi up --yes --skip-preview --stack ${name}`

  const { host, port } = labHost(name)
  const { stdout } = await quiet`pulumi stack output kernels --json --stack ${name}`
  console.log(`
The kernel is on ${host}:${port}, under its own SHA-256: ${JSON.parse(stdout)[name]}
Try next:
  npm run quickstart                        nothing to do: nothing is sent
  npm run lab -- ssh ls /var/lib/pulumi-xen/kernels
  npm run lab -- status`)
}

async function takeDown(): Promise<void> {
  const stacks = await $({ cwd: root, env: environment, quiet: true, nothrow: true })`pulumi stack ls --json`
  const exists =
    stacks.exitCode === 0 && JSON.parse(stacks.stdout).some((stack: { name: string }) => stack.name === name)
  if (exists) {
    // The machine goes as a whole: what was put onto it need not be taken off first.
    await quiet`pulumi stack rm ${name} --yes --force`
  }
  await down(name, { remove: true })
  await rm(state, { recursive: true, force: true })
  console.log(
    "The machine, its disk and the state are gone. What the lab keeps in ~/.cache/pulumi-xen stays.",
  )
}
