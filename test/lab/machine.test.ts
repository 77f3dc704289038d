import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import test from "ava"
import { MachineStopped, PortTaken } from "../../scripts/lab/errors.ts"
import { findMachine, type MachineSpec, qemuArguments, startMachine } from "../../scripts/lab/machine.ts"
import { freePort, requireFree } from "../../scripts/lab/ports.ts"

const spec: MachineSpec = {
  directory: "/lab",
  disk: "disk.qcow2",
  format: "qcow2",
  memory: 64,
  cpus: 1,
  accelerator: { kind: "tcg" },
  forwards: [{ port: 2222, address: "10.0.2.15", to: 22 }],
}

/** The argument that begins so. */
const argument = (args: string[], start: string) => args.find(arg => arg.startsWith(start))

const place = async () => {
  const directory = await mkdtemp(join(tmpdir(), "lab-machine-"))
  return { directory, [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) }
}

test("each forward is a port of 127.0.0.1 alone", t => {
  const forwards = [...spec.forwards, { port: 8080, address: "10.0.2.20", to: 80 }]
  const network = argument(qemuArguments({ ...spec, forwards }), "user,")
  t.is(network, "user,id=net,hostfwd=tcp:127.0.0.1:2222-10.0.2.15:22,hostfwd=tcp:127.0.0.1:8080-10.0.2.20:80")
})

test("paths with commas, blanks and quotes reach QEMU and its shell as they are", t => {
  const args = qemuArguments({ ...spec, disk: "a,b", packages: ["/no de", "it's,it"], memoryState: "/m 'x" })
  t.regex(argument(args, "id=disk,")!, /,file=a,,b,/)
  t.true(argument(args, "user,")!.endsWith(`cmd:'/no de' 'it'\\''s,,it'`))
  t.is(argument(args, "exec:"), `exec:cat '/m '\\''x'`)
})

test("a saved machine and a fresh one have the same devices", t => {
  const devices = (args: string[]) => args.filter((_, index) => args[index - 1] === "-device")
  t.deepEqual(devices(qemuArguments(spec)), devices(qemuArguments({ ...spec, memoryState: "/memory" })))
})

for (const [title, pid] of [
  ["no pid file", undefined],
  ["a pid file of a process that is gone", "4194304"],
  ["a pid file whose number was given to another process", `${process.pid}`],
  ["an empty pid file", ""],
  ["a pid file of rubbish", "../../etc"],
] as const) {
  test(`${title} is no machine`, async t => {
    await using here = await place()
    if (pid !== undefined) await writeFile(join(here.directory, "qemu.pid"), pid)
    t.is(await findMachine(here.directory), undefined)
  })
}

test("a process that works in the machine's directory and is no QEMU is no machine", async t => {
  await using here = await place()
  const child = spawn("sleep", ["100"], { cwd: here.directory })
  await once(child, "spawn")
  await writeFile(join(here.directory, "qemu.pid"), `${child.pid}`)
  t.is(await findMachine(here.directory), undefined)
  child.kill()
})

test("a machine that QEMU refuses to start is an error with QEMU's words and leaves no process", async t => {
  await using here = await place()
  const error = await t.throwsAsync(startMachine({ ...spec, directory: here.directory }, { tied: true }), {
    instanceOf: MachineStopped,
  })
  t.regex(
    error!.message,
    /^start the machine: QEMU ended with exit code 1, saying:\n.*disk\.qcow2.*No such file/s,
  )
  t.is(await findMachine(here.directory), undefined)
})

test("a saved memory that does not fit is an error, and the machine is gone", async t => {
  await using here = await place()
  await writeFile(join(here.directory, "disk"), Buffer.alloc(2 ** 20))
  await writeFile(join(here.directory, "memory"), "this is no memory")
  const port = await freePort()
  const broken: MachineSpec = {
    ...spec,
    directory: here.directory,
    disk: "disk",
    format: "raw",
    forwards: [{ port, address: "10.0.2.15", to: 22 }],
    memoryState: join(here.directory, "memory"),
  }
  await t.throwsAsync(startMachine(broken, { tied: true }), { instanceOf: MachineStopped })
  t.is(await findMachine(here.directory), undefined)
})

test("a machine starts, is found by its directory, and is gone after a power cut", async t => {
  await using here = await place()
  await writeFile(join(here.directory, "disk"), Buffer.alloc(2 ** 20))
  const forwards = [{ port: await freePort(), address: "10.0.2.15", to: 22 }]
  const machine = await startMachine(
    { ...spec, directory: here.directory, disk: "disk", format: "raw", forwards },
    { tied: true },
  )
  t.is((await findMachine(here.directory))?.pid, machine.pid)
  t.is(await machine.state(), "running")
  await machine.powerCut()
  t.is(await findMachine(here.directory), undefined)
})

for (const [title, tied] of [
  ["a machine of a build dies with the process that builds, even by kill -9", true],
  ["a lab's machine outlives the command that started it", false],
] as const) {
  test(title, async t => {
    await using here = await place()
    await writeFile(join(here.directory, "disk"), Buffer.alloc(2 ** 20))
    const forwards = [{ port: await freePort(), address: "10.0.2.15", to: 22 }]
    const wanted: MachineSpec = { ...spec, directory: here.directory, disk: "disk", format: "raw", forwards }
    const program = `
      import { startMachine } from ${JSON.stringify(join(import.meta.dirname, "../../scripts/lab/machine.ts"))}
      const machine = await startMachine(${JSON.stringify(wanted)}, { tied: ${tied} })
      console.log(machine.pid)
      setInterval(() => {}, 1000)
    `
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      stdio: ["ignore", "pipe", "inherit"],
    })
    await once(child.stdout, "data")
    const machine = await findMachine(here.directory)
    child.kill("SIGKILL")
    await once(child, "exit")
    if (tied) {
      while (await machine!.running()) await sleep(10)
    }
    t.is((await findMachine(here.directory))?.pid, tied ? undefined : machine!.pid)
    await machine!.powerCut()
  })
}

test("a taken port is named", async t => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as { port: number }
  const error = await t.throwsAsync(requireFree("start the lab x", port), { instanceOf: PortTaken })
  t.is(
    error?.message,
    `start the lab x: port ${port} of 127.0.0.1 is in use. Choose another one with --forward, or stop its owner`,
  )
  server.close()
  await t.notThrowsAsync(requireFree("start the lab x", await freePort()))
})
