export {
  Bridge,
  type BridgeAddressingArgs,
  type BridgeArgs,
  type FamilyAddressingArgs,
  type StaticRouteArgs,
} from "./bridge.ts"
export type { ConnectionArgs, JumpHostArgs } from "./connection.ts"
export { Disk, type DiskArgs, filesOf, type VolumeArgs } from "./disk.ts"
export { Dom0, type Dom0Args } from "./dom0.ts"
export {
  Domain,
  type DomainArgs,
  type DomainDiskArgs,
  type DomainHealthArgs,
  type DomainHealthHttpArgs,
  type DomainHealthTcpArgs,
  type DomainNetworkArgs,
} from "./domain.ts"
export {
  type GetHostArgs,
  type GetHostResult,
  getHost,
  getHostOutput,
  type HostBoot,
  type HostDisk,
  type HostLink,
  type HostLogicalVolume,
  type HostNetwork,
  type HostOs,
  type HostRoute,
  type HostVolumeGroup,
  type HostXen,
} from "./getHost.ts"
export {
  type InspectKernelArgs,
  type InspectKernelResult,
  inspectKernel,
  inspectKernelOutput,
} from "./inspectKernel.ts"
export { type BootKind, Kernel, type KernelArgs } from "./kernel.ts"
export {
  type PackageArgs,
  type PackageFileArgs,
  Packages,
  type PackagesArgs,
  type RepositoryArgs,
  type RepositoryKeyArgs,
} from "./packages.ts"
export { Provider, type ProviderArgs } from "./provider.ts"
