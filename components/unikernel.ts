import { existsSync } from "node:fs"
import { type ConnectionArgs, Disk, type DiskArgs, Domain, type DomainArgs, Kernel } from "../sdk/index.ts"
import * as pulumi from "../sdk/pulumi.ts"

/** Where a unikernel runs: a XenHost, or a machine that has been one all along. */
export interface UnikernelHost {
  readonly connection: pulumi.Input<ConnectionArgs>
  /** The bridge of its first interface. Default: xenbr0. */
  readonly bridge?: pulumi.Input<string>
}

/** A disk of a unikernel: an image of files and secrets, or a volume. */
export interface UnikernelDisk extends Omit<DiskArgs, "connection"> {
  /** The kernel's own name for it: X of @BLOCK:X@ in a skeleton. */
  name?: pulumi.Input<string>
  /** What the guest may do. Default: `ro` for an image, `rw` for a volume. */
  access?: pulumi.Input<"ro" | "rw">
}

export interface UnikernelArgs
  extends Omit<DomainArgs, "connection" | "name" | "kernel" | "kinds" | "skeleton" | "expects" | "disks"> {
  /** Where it runs. */
  host: UnikernelHost
  /** Name of the domain. Default: the component's own. */
  name?: pulumi.Input<string>
  /** The kernel, as a build leaves it: a file, an https address with `sha256`, or an asset. */
  kernel: pulumi.Input<string | pulumi.asset.Asset>
  /** SHA-256 that the kernel must have. */
  sha256?: pulumi.Input<string>
  /**
   * Skeleton of the configuration. Default: the one that the build left beside the kernel (`NAME.xl.hbs`, else
   * `NAME.xl.in`, else a whole `NAME.xl`); where there is none, or with `builtin`, the configuration follows from the other arguments alone.
   */
  skeleton?: pulumi.Input<string | pulumi.asset.Asset>
  /** Disks by what the guest sees them as: `{ xvdb: { files, secrets } }`; or one that was made before. */
  disks?: { [vdev: string]: UnikernelDisk | Disk }
}

/**
 * A unikernel that serves: its kernel and disks in the host's store, and the domain that runs them. Another kernel, or
 * another content of a disk, is another generation, which takes the address only when it was seen to be healthy.
 */
export class Unikernel extends pulumi.ComponentResource {
  /** Where it is asked, when its address is known: of its health check's port, else of port 80. */
  readonly url: pulumi.Output<string | undefined>
  /** What serves: 12 hexadecimal digits. */
  readonly generation: pulumi.Output<string>
  /** SHA-256 of the kernel. */
  readonly digest: pulumi.Output<string>
  /** Its console's log, on the host. */
  readonly consoleLog: pulumi.Output<string>
  /** The parts, for what is to depend on them. */
  readonly kernel: Kernel
  readonly disks: { readonly [vdev: string]: Disk }
  readonly domain: Domain

  constructor(name: string, args: UnikernelArgs, options: pulumi.ComponentResourceOptions = {}) {
    super("xen:index:Unikernel", name, {}, options)
    const { host, name: domainName = name, kernel: source, sha256, skeleton: _, disks = {}, ...rest } = args
    const { connection } = host
    const child = { parent: this }

    this.kernel = new Kernel(name, { connection, source, ...(sha256 !== undefined && { sha256 }) }, child)
    this.disks = mapValues(disks, (disk, vdev) =>
      disk instanceof Disk ? disk : new Disk(`${name}-${vdev}`, diskArgs(disk, connection), child),
    )
    const wanted: DomainArgs = {
      networks: [{ bridge: host.bridge ?? "xenbr0" }],
      ...addressing(rest),
      ...rest,
      ...heldAt(name, this),
      connection,
      name: domainName,
      kernel: this.kernel.path,
      kinds: this.kernel.kinds,
      ...besideKernel(args),
      disks: Object.entries(this.disks).map(([vdev, disk]) => attached(vdev, disk, disks[vdev]!)),
    }
    this.domain = new Domain(name, wanted, child)

    this.url = pulumi
      .all([this.domain.addresses, rest.health])
      .apply(([[address], health]) =>
        address === undefined ? undefined : urlOf(address, health?.http?.port),
      )
    this.generation = this.domain.generation
    this.digest = this.kernel.digest
    this.consoleLog = this.domain.consoleLog
    const { url, generation, digest, consoleLog } = this
    this.registerOutputs({ url, generation, digest, consoleLog })
  }
}

/**
 * What a build leaves beside its kernel: `dist/www.xen`, packed or not, has `dist/www.xl.in`, which is the configuration's
 * skeleton and says what devices the kernel was built for. Another skeleton is held against that.
 */
function besideKernel({ kernel, skeleton }: UnikernelArgs): Pick<DomainArgs, "skeleton" | "expects"> {
  const isFile = typeof kernel === "string" && !/^[a-z]+:\/\//.test(kernel)
  const base = isFile ? kernel.replace(/\.(gz|bz2|xz|zst)$/, "").replace(/\.(xen|pvh|elf)$/, "") : undefined
  const [template, plain, whole] = ["xl.hbs", "xl.in", "xl"].map(suffix => {
    const path = `${base}.${suffix}`
    return base !== undefined && existsSync(path) ? path : undefined
  })
  const chosen = skeleton === "builtin" ? undefined : (skeleton ?? template ?? plain ?? whole)
  return {
    ...(chosen !== undefined && { skeleton: chosen }),
    ...(plain !== undefined && { expects: plain }),
  }
}

function diskArgs(
  { name: _, access: __, ...disk }: UnikernelDisk,
  connection: UnikernelHost["connection"],
): DiskArgs {
  return { ...disk, connection }
}

type DomainDisk = Extract<NonNullable<DomainArgs["disks"]>, readonly unknown[]>[number]

function attached(vdev: string, disk: Disk, given: UnikernelDisk | Disk): DomainDisk {
  const { name = undefined, access = undefined, volume = undefined } = given instanceof Disk ? {} : given
  return {
    vdev,
    path: disk.path,
    access: access ?? (volume === undefined ? "ro" : "rw"),
    ...(name !== undefined && { name }),
  }
}

/** MirageOS's arguments say the address; what says it is not said twice. */
function addressing({
  arguments: words,
}: Pick<DomainArgs, "arguments">): Pick<DomainArgs, "addresses" | "gateways"> {
  if (words === undefined) return {}
  const valuesOf = (option: RegExp) =>
    pulumi.output(words).apply(all => all.flatMap(word => option.exec(word)?.[1] ?? []))
  return {
    addresses: valuesOf(/^--ipv[46]=(.+)$/),
    gateways: valuesOf(/^--ipv[46]-gateway=(.+)$/),
  }
}

/** `npm run rollback` holds a unikernel at an earlier generation by the stack's configuration. */
function heldAt(name: string, resource: pulumi.Resource): Pick<DomainArgs, "generation"> {
  const generation = new pulumi.Config("rollback").get(name)
  if (generation === undefined) return {}
  void pulumi.log.warn(
    `held at generation ${generation} by rollback:${name} of the stack's configuration; npm run rollback -- ${name} --release lets it go`,
    resource,
  )
  return { generation }
}

function urlOf(address: string, port = 80): string {
  const bare = address.replace(/\/\d+$/, "")
  const host = bare.includes(":") ? `[${bare}]` : bare
  return `http://${host}${port === 80 ? "" : `:${port}`}/`
}

function mapValues<T, R>(
  from: { [key: string]: T },
  change: (value: T, key: string) => R,
): { [key: string]: R } {
  return Object.fromEntries(Object.entries(from).map(([key, value]) => [key, change(value, key)]))
}
