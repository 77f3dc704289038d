/**
 * `npm run quickstart`: the whole way on this machine, from a clone. A rented machine stands in the lab, and
 * `pulumi up` makes a Xen host of it and has a unikernel serve on it. `-- --down` takes all of it away again.
 */
import { mkdir, rm } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { $ } from "zx"
import { labHost } from "../hosts/lab.ts"
import { LabError } from "./lab/errors.ts"
import { defaultHardware, down, up } from "./lab/labs.ts"
import { step } from "./lab/progress.ts"
import { releaseDeadLocks } from "./stack/lock.ts"
import { askPulumi, localEnvironment, localState, PulumiError, showPulumi } from "./stack/pulumi.ts"

const name = "lab"
process.chdir(fileURLToPath(new URL("..", import.meta.url)))
// Also for one who has a Pulumi login of another kind: the lab's stack is no business of it.
Object.assign(process.env, localEnvironment)

const { values } = parseArgs({ options: { down: { type: "boolean", default: false } } })
try {
  process.exitCode = await (values.down ? takeDown() : bringUp())
} catch (error) {
  if (!(error instanceof LabError || error instanceof PulumiError)) throw error
  console.error(`quickstart: ${error.message}`)
  process.exitCode = 1
}

async function bringUp(): Promise<number> {
  const hardware = await defaultHardware()
  const isEmulated = hardware.accelerator.kind === "tcg"
  console.log(`This will, on this machine alone:
  1. start a bare Debian machine in QEMU              (3 minutes at the first time, seconds later)
  2. build the unikernel hello, a web server in C     (seconds)
  3. pulumi up: install Xen on the machine, move its network onto a bridge, boot Xen on trial, prove it,
     and have hello serve on it                       (${isEmulated ? "10 to 15 minutes: there is no KVM here, so the machine is emulated" : "3 to 5 minutes"})
A second time it finds everything as it should be, within seconds. Take it away with: npm run quickstart -- --down
`)
  const { did } = await up({ name, flavour: "debian", hardware, boot: false })
  const happened = { created: "started", started: "started again", nothing: "running already" }[did]
  console.log(`1. The machine is ${happened}: npm run lab -- ssh`)

  await step("Building hello", () => $({ quiet: true })`make -s -C unikernels/hello`)
  console.log("2. The unikernel is built: unikernels/hello/dist/hello.xen")

  await mkdir(localState, { recursive: true })
  await releaseDeadLocks(localState)
  await askPulumi(["stack", "select", "--create", name])
  console.log("3. pulumi up")
  const exit = await showPulumi(["up", "--yes", "--skip-preview", "--stack", name])
  if (exit !== 0) {
    console.error("The machine still answers (npm run lab -- ssh), and another run goes on from here.")
    return exit
  }
  await show()
  return 0
}

/** Asks the unikernel itself, from outside of the machine. */
async function show(): Promise<void> {
  const outputs = JSON.parse(await askPulumi(["stack", "output", "hello", "--json", "--stack", name]))
  const { url, generation } = outputs[name] as { url: string; generation: string }
  const text = await ask(url)
  const { host, port } = labHost(name)
  console.log(`
The unikernel answers at ${url} (generation ${generation}, on the Xen host ${host}:${port}):

${text.trim().replace(/^/gm, "    ")}

Try next:
  npm run status                                     what runs, and how it is
  npm run logs -- hello                              its console, from the first byte
  make -B -C unikernels/hello VERSION=2.0.0 && npm run quickstart
                                                     another version, without a lost request
  npm run rollback -- hello                          and back
  npm run lab -- ssh xl list                         Xen's own view of it
  npm run quickstart -- --down                       take everything away`)
}

async function ask(url: string): Promise<string> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(60_000) })
    return await answer.text()
  } catch (error) {
    const cause = (error as Error).cause ?? error
    throw new LabError("ask the unikernel", `${url} does not answer: ${cause}`, "Look at: npm run status")
  }
}

async function takeDown(): Promise<number> {
  await releaseDeadLocks(localState)
  const stacks = JSON.parse(await askPulumi(["stack", "ls", "--json"]).catch(() => "[]"))
  // The machine goes as a whole: what was put onto it need not be taken off first.
  if (stacks.some((stack: { name: string }) => stack.name === name))
    await askPulumi(["stack", "rm", name, "--yes", "--force"])
  await down(name, { remove: true })
  await rm(localState, { recursive: true, force: true })
  console.log(
    "The machine, its disk and the state are gone. What the lab keeps in ~/.cache/pulumi-xen stays.",
  )
  return 0
}
