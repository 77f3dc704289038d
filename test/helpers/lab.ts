import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { LabHost } from "../../hosts/lab.ts"
import type { FlavourName } from "../../scripts/lab/flavours.ts"
import { bareImage, type Image, snapshot } from "../../scripts/lab/image.ts"
import { bootInstance, createInstance, doorOf, type Home, type Instance } from "../../scripts/lab/instance.ts"
import { defaultHardware } from "../../scripts/lab/labs.ts"
import { lockOneOf } from "../../scripts/lab/lock.ts"
import { type Door, reboot, runScript } from "../../scripts/lab/shell.ts"
import { xenImage } from "../../scripts/lab/xen.ts"
import { type Boot, bootsIn } from "./boots.ts"

/** What a test wants of its machine. */
export type MachineWish = {
  /** Addresses and ports behind the machine to be reached from here; each gets a free port of 127.0.0.1. */
  forwards?: { address: string; to: number }[]
  /** Boot from the disk (half a minute and more) and not from the snapshot (seconds). */
  boot?: boolean
}

/** Milliseconds, for `t.timeout` of the hook that gets a file's machine: others may have theirs for that long. */
export const TURN = 60 * 60_000

let turn: Promise<unknown> | undefined

/**
 * Waits until fewer than two other test files have machines, and keeps the place until this process ends. On two cores a
 * third emulated machine makes all of them so slow that the time limits of Xen's own tools run out.
 */
export function machineTurn(): Promise<unknown> {
  turn ??= lockOneOf(["test-machine-1", "test-machine-2"])
  return turn
}

/** A machine of one test's own, on a fresh disk; it ends with `await using`, and with the process at the latest. */
export class TestMachine implements AsyncDisposable {
  readonly #home: Home
  #instance: Instance

  constructor(home: Home, instance: Instance) {
    this.#home = home
    this.#instance = instance
  }

  /** The inventory's data of it: host, port, user, hostKey, privateKeyPath, uplink, xenOptions, forwards. */
  get host(): LabHost {
    return this.#instance.record
  }

  /** The port of 127.0.0.1 that leads to `to` at `address`; it was wished for. */
  forward(address: string, to: number): number {
    const found = this.host.forwards.find(forward => forward.address === address && forward.to === to)
    if (!found) throw new Error(`No forward to ${address}:${to} was wished for.`)
    return found.port
  }

  /** Runs a POSIX script as root (`sh -eu`) and returns its output; a failure is an error with its stderr. */
  run(script: string): Promise<string> {
    return runScript(`run a script on ${this.host.name}`, this.#door, script)
  }

  /** Reboots in good order and waits for the next boot's sshd. */
  reboot(): Promise<void> {
    return reboot(this.#instance.machine, this.#door)
  }

  /** Cuts the power: what was not flushed is lost. */
  powerCut(): Promise<void> {
    return this.#instance.machine.powerCut()
  }

  /** Switches the machine on again after a power cut; it boots from its disk. Port and keys stay. */
  async boot(): Promise<void> {
    this.#instance = await bootInstance(this.#home, this.#instance.record)
  }

  /** All that the serial line said since the machine was created. */
  console(): Promise<string> {
    return readFile(join(this.#home.directory, "console.log"), "latin1")
  }

  /** What GRUB has booted since the machine was created, the oldest first. */
  async boots(): Promise<readonly Boot[]> {
    return bootsIn(await this.console())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#instance.machine.powerCut()
    await rm(this.#home.directory, { recursive: true })
  }

  get #door() {
    return doorOf(this.#instance.record, this.#home.directory)
  }
}

/**
 * A Debian machine with Xen running (4 GiB, dom0 has 1 GiB), bridge `xenbr0` on eth0, guests' consoles in
 * /var/log/xen/console/guest-NAME.log. It is restored from a snapshot in about three seconds; the very first call
 * on a machine makes the snapshot, which takes some minutes. Each call gives a machine of its own:
 *
 *     await using host = await xenMachine({ forwards: [{ address: "10.0.2.20", to: 80 }] })
 *     await host.run("xl list")
 *     await fetch(`http://127.0.0.1:${host.forward("10.0.2.20", 80)}/`)
 *
 * The network is QEMU's: dom0 has 10.0.2.15/24 by DHCP, the gateway and resolver are 10.0.2.2 and 10.0.2.3, guests
 * on the bridge may take 10.0.2.16 and up, by DHCP or statically.
 */
export async function xenMachine(wish: MachineWish = {}): Promise<TestMachine> {
  await machineTurn()
  return await machineFrom(await xenImage(await defaultHardware()), "debian", wish)
}

/** A bare machine as it was rented: the flavour's own kernel, network and packages. */
export async function bareMachine(
  flavour: FlavourName = "debian",
  wish: MachineWish = {},
): Promise<TestMachine> {
  await machineTurn()
  const bare = await bareImage(flavour, await defaultHardware())
  return await machineFrom(wish.boot ? bare : await snapshot(bare), flavour, wish)
}

const INSTALL = `
export DEBIAN_FRONTEND=noninteractive
echo XEN_OVERRIDE_GRUB_DEFAULT=0 > /etc/default/grub.d/plain.cfg
apt-get -qq update
apt-get -qq install --no-install-recommends xen-system-amd64 nftables logrotate > /dev/null
apt-get clean
`

/** A bare Debian machine on which Xen's packages are installed, and nothing else was done: it runs and boots plain Linux. */
export async function installedMachine(wish: MachineWish = {}): Promise<TestMachine> {
  await machineTurn()
  const bare = await bareImage("debian", await defaultHardware())
  const provision = {
    name: "installed",
    inputs: [INSTALL],
    apply: (_: unknown, door: Door) => runScript("install Xen's packages", door, INSTALL).then(() => {}),
  }
  return await machineFrom(await snapshot(bare, provision), "debian", wish)
}

async function machineFrom(image: Image, flavour: string, wish: MachineWish): Promise<TestMachine> {
  const directory = await mkdtemp(join(tmpdir(), "lab-test-"))
  const home: Home = { name: image.name, directory, tied: true }
  const forwards = (wish.forwards ?? []).map(forward => ({ port: 0, ...forward }))
  try {
    const { memory, ...cold } = image
    return new TestMachine(home, await createInstance(home, wish.boot ? cold : image, { flavour, forwards }))
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    throw error
  }
}
