import { type ConnectionArgs, sealConnection } from "./connection.ts"
import * as pulumi from "./pulumi.ts"

/** A package by name. */
export interface PackageArgs {
  /** Name, as the package tool lists it. */
  name: pulumi.Input<string>
  /** Version, as the package tool writes it. Default: the newest that is offered when it is installed. */
  version?: pulumi.Input<string>
  /** Whether upgrades leave it alone. Default: false. */
  hold?: pulumi.Input<boolean>
}

/** The key that a repository's packages are signed with. */
export interface RepositoryKeyArgs {
  /** The public key in ASCII armour. */
  armoured: pulumi.Input<string>
  /** Its fingerprint, as read in another place than the key. */
  fingerprint: pulumi.Input<string>
}

/** A package repository to add. An address without a key is refused, unless it says `allowUnsigned`. */
export interface RepositoryArgs {
  /** Lower-case letters, digits and hyphens: its files on the host are named from it. */
  name: pulumi.Input<string>
  /** `https://…`, `http://…`, or `file://…` for one that lies on the host. Either this or `directory`. */
  url?: pulumi.Input<string>
  /**
   * Directory of this machine with `.deb` or `.rpm` files, which are sent to the host and made a repository there. They
   * are trusted by the SHA-256 that they have here. A package that it holds in one version is wanted in that one.
   */
  directory?: pulumi.Input<string>
  /** SHA-256 of the directory's packages by file name. Default: what they have now. */
  contents?: pulumi.Input<{ [file: string]: pulumi.Input<string> }>
  /** apt: suites. Default: `./`, a flat repository. */
  suites?: pulumi.Input<pulumi.Input<string>[]>
  /** apt: components. */
  components?: pulumi.Input<pulumi.Input<string>[]>
  key?: pulumi.Input<RepositoryKeyArgs>
  /** Whether packages without a signature are taken from this repository. Default: false. */
  allowUnsigned?: pulumi.Input<boolean>
}

/** A package file of this machine, to be sent to the host. */
export interface PackageFileArgs {
  /** Name of the package in it. */
  name: pulumi.Input<string>
  /** Path on this machine. */
  source: pulumi.Input<string>
  /** SHA-256 of the file, in lower-case hex. */
  sha256: pulumi.Input<string>
}

export interface PackagesArgs {
  /** How the host is reached over SSH. */
  connection: pulumi.Input<ConnectionArgs>
  /** Whether Xen is wanted, by the names that the host's distribution gives it. Default: false. */
  xen?: pulumi.Input<boolean>
  /** Packages beside these: a name, or a name with version and hold. */
  packages?: pulumi.Input<pulumi.Input<string | PackageArgs>[]>
  /** Repositories to add. */
  repositories?: pulumi.Input<pulumi.Input<RepositoryArgs>[]>
  /** Packages to send and install, such as a release RPM. */
  files?: pulumi.Input<pulumi.Input<PackageFileArgs>[]>
}

/** Packages on a host by apt, dnf, yum or zypper. Deleted, it removes just what it added. */
export class Packages extends pulumi.CustomResource {
  /** The host's package tool. */
  declare readonly manager: pulumi.Output<"apt" | "dnf" | "yum" | "zypper">
  /** Installed versions of what is wanted, by name. */
  declare readonly versions: pulumi.Output<{ [name: string]: string }>
  /** Every package that was added, with what came along. */
  declare readonly added: pulumi.Output<string[]>
  /** What has to be done for the packages to be as wanted again; empty as it should be. */
  declare readonly drift: pulumi.Output<string[]>

  constructor(name: string, args: PackagesArgs, options?: pulumi.CustomResourceOptions) {
    const inputs = { ...args, connection: sealConnection(args?.connection) }
    const outputs = { manager: undefined, versions: undefined, added: undefined, drift: undefined }
    super("xen:index:Packages", name, { ...inputs, ...outputs }, options)
  }
}
