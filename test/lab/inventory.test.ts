import { execFile } from "node:child_process"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import test from "ava"
import { partsOf } from "../../components/xenHost.ts"
import type { LabHost } from "../../hosts/lab.ts"
import { rpmInventory } from "../../scripts/lab/instance.ts"

/** As much of a machine's entry as both flavours have. */
const machine: LabHost = {
  name: "www1",
  flavour: "debian",
  host: "127.0.0.1",
  port: 2222,
  user: "root",
  hostKey: "ssh-ed25519 AAAA",
  privateKeyPath: "/keys/id_ed25519",
  uplink: "eth0",
  xenOptions: ["smap=0"],
  forwards: [{ port: 8080, address: "10.0.2.20", to: 80 }],
}

test("a machine of the lab is an ordinary host to XenHost: its connection, its uplink, its Xen options", t => {
  const { bridge, dom0 } = partsOf(machine)
  const { host, port, user, hostKey, privateKeyPath } = machine
  t.deepEqual(bridge, {
    connection: { host, port, user, hostKey, privateKeyPath },
    name: "xenbr0",
    uplink: "eth0",
  })
  t.deepEqual(dom0.xenOptions, ["smap=0"])
})

test("one of flavour rpm brings the signed repository with its key, as gpg reads it, and no other", async t => {
  const directory = await mkdtemp(join(tmpdir(), "lab-gpg-"))
  t.teardown(async () => {
    await promisify(execFile)("gpgconf", ["--homedir", directory, "--kill", "all"])
    await rm(directory, { recursive: true })
  })
  const gpg = async (...args: string[]) =>
    (await promisify(execFile)("gpg", ["--homedir", directory, "--batch", "--passphrase", "", ...args]))
      .stdout
  const file = join(directory, "RPM-GPG-KEY-lab")
  await gpg("--quick-generate-key", "lab@example.org", "rsa2048", "sign", "never")
  await gpg("--armor", "--output", file, "--export")
  const fingerprint = /^fpr:+([0-9A-F]{40}):$/m.exec(await gpg("--with-colons", "--list-keys"))![1]!

  const inventory = await rpmInventory(directory)
  const host: LabHost = { ...machine, flavour: "rpm", ...inventory }
  const { packages } = partsOf(host)
  const key = { armoured: await readFile(file, "utf8"), fingerprint }
  t.deepEqual(packages.repositories, [{ name: "lab", url: inventory.repositories!.signed, key }])
  t.true(packages.xen)
})
