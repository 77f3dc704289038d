import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import test from "ava"
import { acceleratorArguments, probeAccelerator, xenOptionsFor } from "../../scripts/lab/accelerator.ts"

const program = async (script: string) => {
  const directory = await mkdtemp(join(tmpdir(), "lab-qemu-"))
  const file = join(directory, "qemu")
  await writeFile(file, `#!/bin/sh\n${script}\n`)
  await chmod(file, 0o755)
  return { file, [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) }
}

for (const [title, script, kind] of [
  ["a QEMU that aborts on KVM", "exit 134", "tcg"],
  ["a machine on KVM that hangs before it says anything", "exec sleep 100", "tcg"],
  [
    "a machine on KVM whose firmware speaks and whose boot loader hangs",
    "echo SeaBIOS; exec sleep 100",
    "tcg",
  ],
  ["a machine on KVM that boots", "echo lab-probe-speaks; exec sleep 100", "kvm"],
] as const) {
  test(`${title} means ${kind}`, async t => {
    await using qemu = await program(script)
    const found = await probeAccelerator({ device: "/dev/null", qemu: qemu.file, timeout: 1_000 })
    t.is(found.kind, kind)
    t.is(found.reason, kind === "tcg" ? "/dev/null is there, but a machine on it does not boot" : undefined)
  })
}

test("without /dev/kvm no machine is started, and the reason is kept", async t => {
  const found = await probeAccelerator({ device: "/dev/no-kvm-here", qemu: "/no/qemu/here" })
  t.deepEqual(found, { kind: "tcg", reason: "/dev/no-kvm-here: ENOENT" })
})

test("the disk that probes KVM does boot: in software emulation it speaks", async t => {
  // The same machine, with only the accelerator exchanged.
  await using qemu = await program(
    'set -- $(echo "$@" | sed "s/-accel kvm -cpu host/-accel tcg -cpu max/"); exec qemu-system-x86_64 "$@"',
  )
  t.is((await probeAccelerator({ device: "/dev/null", qemu: qemu.file, timeout: 120_000 })).kind, "kvm")
})

test("Xen is told what it needs in software emulation, and nothing under KVM", t => {
  t.deepEqual(xenOptionsFor({ kind: "tcg" }), ["smap=0", "smep=0", "xsave=0"])
  t.deepEqual(xenOptionsFor({ kind: "kvm" }), [])
  t.true(acceleratorArguments({ kind: "tcg" }).join(" ").startsWith("-accel tcg"))
})
