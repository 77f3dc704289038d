import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { labsDirectory } from "../scripts/lab/paths.ts"

/** A machine of the lab (`npm run lab -- up`), as an ordinary program's inventory has it. */
export type LabHost = {
  name: string
  flavour: string
  host: string
  port: number
  user: string
  /** The one host key that the machine shows: `ssh-ed25519 AAAA…`. */
  hostKey: string
  /** File of the private key that opens it. */
  privateKeyPath: string
  /** The interface that holds the machine's address. */
  uplink: string
  /** What Xen needs on its command line on this machine, for example in software emulation. */
  xenOptions: string[]
  /** Ports of 127.0.0.1 that lead to addresses behind the machine: `port` here to `to` at `address`. */
  forwards: { port: number; address: string; to: number }[]
  /** Flavour `rpm`: where its packages of Xen come from. */
  packages?: { repositories: { name: string; url: string; key: { armoured: string; fingerprint: string } }[] }
  /** All RPM repositories that the lab serves to a machine of flavour `rpm`, those with faults among them. */
  repositories?: RpmRepositories
}

/** URLs as the machine sees them, for tests of what is to be refused. */
export type RpmRepositories = {
  /** Xen, signed with `key`. */
  signed: string
  /** The public key in ASCII armour. */
  key: string
  /** The same packages without a signature, and metadata without one: to be refused. */
  unsigned: string
  /** Signed packages of which one was altered afterwards: to be refused. */
  altered: string
}

/** The labs that were brought up on this machine, by name. */
export function labHosts(): Record<string, LabHost> {
  let names: string[]
  try {
    names = readdirSync(labsDirectory())
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {}
    throw error
  }
  return Object.fromEntries(names.flatMap(name => (read(name) ? [[name, read(name)!]] : [])))
}

/** One lab's machine; the error says how to start it. */
export function labHost(name = "lab"): LabHost {
  const host = read(name)
  if (!host)
    throw new Error(`There is no lab named ${name}: start it with \`npm run lab -- up --name ${name}\`.`)
  return host
}

function read(name: string): LabHost | undefined {
  try {
    return JSON.parse(readFileSync(join(labsDirectory(), name, "lab.json"), "utf8"))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}
