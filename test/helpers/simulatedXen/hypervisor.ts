import { createHash } from "node:crypto"
import { appendFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { resolve } from "node:path"
import { type Disk, vdevNumber } from "xlcfg"
import { type Ending, Guest } from "./guest.ts"
import type { Wanted, WantedVif } from "./wanted.ts"

/** Milliseconds for which a domain that has ended is still seen. */
const LINGER = 200

/** xen/include/public/sched.h */
export const shutdownReasons = { poweroff: 0, reboot: 1, crash: 3 } as const

/** The machine below: where its files lie for us, and what it has. */
export interface Hardware {
  /** A path of the host as one of this machine, symbolic links followed as the host would. */
  readonly file: (path: string) => string
  /** The host's network namespace, as a file. */
  readonly namespace: string
  /** The program of guests. */
  readonly guest: string
  /** MiB. */
  readonly memory: number
  readonly dom0Memory: number
  readonly cpus: number
  /** Xen's command line. Default: dom0's memory alone. */
  readonly commandLine?: string
}

/** A port of a domain, as it was asked for; where the port is joined to now, only the network knows. */
export interface Vif extends WantedVif {
  readonly device: number
  readonly name: string
}

export interface Domain {
  readonly id: number
  name: string
  readonly uuid: string
  /** As it was started. */
  readonly wanted: Wanted
  /** What it starts with when it restarts by itself: `xl config-update` changes it, and no list shows it. */
  saved: Wanted
  /** MiB. */
  memory: number
  vcpus: number
  paused: boolean
  /** Whether it has run at all. */
  begun: boolean
  /** How the guest has ended, where the domain is kept. */
  ended: Ending | undefined
  readonly vifs: Vif[]
  readonly disks: Disk[]
  readonly started: number
  /** Where the xl process that watches over the domain writes what it sees and does. */
  readonly monitor: string
  readonly guest: Guest
}

/** What keeps a domain from being made, by its step, with what its message is about. */
export class CannotStart extends Error {
  readonly step:
    | "name"
    | "memory"
    | "kernel"
    | "format"
    | "disk"
    | "vdev"
    | "shared"
    | "script"
    | "bridge"
    | "port"
  readonly id: number
  readonly what: string

  constructor(step: CannotStart["step"], id: number, what: string) {
    super(`domain ${id}: ${step}: ${what}`)
    this.step = step
    this.id = id
    this.what = what
  }
}

/** Xen with its tool stack's knowledge: which domains there are, and what each of them has. */
export class Hypervisor {
  readonly hardware: Hardware
  readonly domains = new Map<number, Domain>()
  /** Names and memory of domains that are being made. */
  readonly #coming = new Map<number, { name: string; memory: number }>()
  #last = 0

  constructor(hardware: Hardware) {
    this.hardware = hardware
  }

  get freeMemory(): number {
    const taken = [...this.domains.values()].map(({ wanted, memory }) => needOf(wanted, memory))
    const coming = [...this.#coming.values()].map(({ memory }) => memory)
    const { memory, dom0Memory } = this.hardware
    // What Xen itself takes of a machine of the lab.
    return [...taken, ...coming].reduce((free, used) => free - used, memory - dom0Memory - 44)
  }

  find(word: string): Domain | undefined {
    const named = [...this.domains.values()].find(({ name }) => name === word)
    return named ?? (/^\d+$/.test(word) ? this.domains.get(Number(word)) : undefined)
  }

  /** Makes a domain that is halted: `unpause` lets it go. What is wrong leaves nothing behind. */
  async create(wanted: Wanted): Promise<Domain> {
    // A number is used up by a creation that fails, too.
    const id = ++this.#last
    const names = [...this.domains.values(), ...this.#coming.values()].map(({ name }) => name)
    if (names.includes(wanted.name) || wanted.name === "Domain-0")
      throw new CannotStart("name", id, wanted.name)
    const need = needOf(wanted, wanted.memory)
    if (need > this.freeMemory) throw new CannotStart("memory", id, wanted.name)
    this.#coming.set(id, { name: wanted.name, memory: need })
    try {
      const domain = await this.#build(id, wanted)
      this.domains.set(id, domain)
      return domain
    } finally {
      this.#coming.delete(id)
    }
  }

  async #build(id: number, wanted: Wanted): Promise<Domain> {
    const { file, namespace, guest: program } = this.hardware
    const kernel = file(wanted.kernel)
    if (!existsSync(kernel)) throw new CannotStart("kernel", id, wanted.kernel)
    const image = readFileSync(kernel)
    if (image.subarray(0, 4).toString("latin1") !== "\x7fELF")
      throw new CannotStart("format", id, wanted.kernel)
    const log = file(`/var/log/xen/console/guest-${wanted.name}.log`)
    const monitor = file(`/var/log/xen/xl-${wanted.name}.log`)
    const domain: Domain = {
      ...{ id, name: wanted.name, uuid: wanted.uuid, wanted, saved: wanted },
      ...{ memory: wanted.memory, vcpus: wanted.vcpus, paused: true, begun: false, ended: undefined },
      ...{ vifs: [], disks: [], started: Date.now(), monitor },
      guest: await Guest.start({
        ...{ program, namespace, name: wanted.name, log, args: wanted.cmdline ?? "" },
        kernel: createHash("sha256").update(image).digest("hex"),
        onEnd: ending => this.#ended(domain, ending),
      }),
    }
    try {
      for (const disk of wanted.disks) await this.attachDisk(domain, disk)
      for (const vif of wanted.vifs) await this.attach(domain, vif)
    } catch (error) {
      await domain.guest.destroy()
      throw error
    }
    if (existsSync(monitor)) writeFileSync(`${monitor}.1`, readFileSync(monitor))
    rmSync(monitor, { force: true })
    note(domain, `Waiting for domain ${domain.name} (domid ${id}) to die [pid ${process.pid}]`)
    return domain
  }

  /** Lets a domain go: for the first time, or on after `pause`. */
  async unpause(domain: Domain): Promise<void> {
    domain.paused = false
    domain.guest.unpause()
    if (domain.begun) return
    domain.begun = true
    await domain.guest.run()
  }

  pause(domain: Domain): void {
    domain.paused = true
    domain.guest.pause()
  }

  /** Joins a new port to its bridge. */
  async attach(domain: Domain, vif: WantedVif): Promise<void> {
    const script = vif.script && this.hardware.file(resolve("/etc/xen/scripts", vif.script))
    if (script && !isProgram(script)) throw new CannotStart("script", domain.id, script)
    const device = firstFree(domain.vifs.map(({ device }) => device))
    const name = vif.vifname ?? `vif${domain.id}.${device}`
    const trouble = await domain.guest.attach(name, vif.bridge, vif.mac)
    if (trouble === "no such bridge") throw new CannotStart("bridge", domain.id, vif.bridge)
    if (trouble !== undefined) throw new CannotStart("port", domain.id, `vif${domain.id}.${device} ${name}`)
    domain.vifs.push({ ...vif, device, name })
  }

  async detach(domain: Domain, vif: Vif): Promise<void> {
    await domain.guest.detach(vif.name)
    domain.vifs.splice(domain.vifs.indexOf(vif), 1)
  }

  async attachDisk(domain: Domain, disk: Disk): Promise<void> {
    const target = disk.target ?? ""
    if (vdevNumber(disk.vdev) === undefined) throw new CannotStart("vdev", domain.id, disk.vdev)
    if (!existsSync(this.hardware.file(target))) throw new CannotStart("disk", domain.id, target)
    if (this.#conflicts(domain, disk)) throw new CannotStart("shared", domain.id, disk.vdev)
    if (domain.disks.length === 0) await domain.guest.disk(this.hardware.file(target))
    domain.disks.push(disk)
  }

  /** The block script's rule: what somebody writes nobody else has; what is read, all may read. */
  #conflicts(domain: Domain, { target, access = "rw" }: Disk): boolean {
    const others = [...this.domains.values()].filter(other => other !== domain)
    const same = others.flatMap(({ disks }) => disks).filter(disk => disk.target === target)
    return same.some(other => access === "rw" || (other.access ?? "rw") === "rw")
  }

  async destroy(domain: Domain): Promise<void> {
    note(domain, `Domain ${domain.id} has been destroyed.`)
    await this.#remove(domain)
  }

  async #remove(domain: Domain): Promise<void> {
    this.domains.delete(domain.id)
    await domain.guest.destroy()
  }

  /** As for a domain that `xl` monitors: its configuration says what becomes of it. */
  #ended(domain: Domain, ending: Ending): void {
    if (!this.domains.has(domain.id)) return
    domain.ended = ending
    const code = shutdownReasons[ending]
    note(domain, `Domain ${domain.id} has shut down, reason code ${code} 0x${code.toString(16)}`)
    note(domain, `Action for shutdown reason code ${code} is ${domain.saved.actions[ending]}`)
    if (this.isGoing(domain)) setTimeout(() => void this.#takeAway(domain), LINGER)
  }

  /** Whether the process that watches over an ended domain will take it away. */
  isGoing({ ended, saved }: Domain): boolean {
    const action = ended && saved.actions[ended]
    return action === "destroy" || action === "restart"
  }

  async #takeAway(domain: Domain): Promise<void> {
    if (!this.domains.has(domain.id)) return
    const restarts = domain.ended !== undefined && domain.saved.actions[domain.ended] === "restart"
    note(domain, `Domain ${domain.id} needs to be cleaned up: destroying the domain`)
    note(domain, restarts ? "Done. Rebooting now" : "Done. Exiting now")
    await this.#remove(domain)
    if (restarts) await this.unpause(await this.create({ ...domain.saved, name: domain.name }))
  }

  /** The power fails. */
  async end(): Promise<void> {
    await Promise.all([...this.domains.values()].map(domain => this.destroy(domain)))
  }
}

/** A line of the xl process that watches over a domain (xl_vmcontrol.c, create_domain). */
function note({ monitor }: Domain, line: string): void {
  appendFileSync(monitor, `${line}\n`)
}

/** MiB that a domain takes of the machine: its own, and Xen's tables for it (libxl__domain_need_memory_calculate). */
function needOf({ type, maxmem, maxvcpus }: Wanted, memory: number): number {
  const shadow = type === "pv" ? 0 : (4 * (256 * maxvcpus + 2 * maxmem)) / 1024
  return Math.ceil((memory + shadow) / 2) * 2
}

const isProgram = (file: string): boolean => existsSync(file) && (statSync(file).mode & 0o111) !== 0

function firstFree(taken: readonly number[]): number {
  let free = 0
  while (taken.includes(free)) free++
  return free
}
