export { deviceAgreement, devicesOfManifest, devicesOfSkeleton, type ExpectedDevice } from "./agreement.ts"
export { type CheckOptions, check } from "./check/check.ts"
export type { FileLookup } from "./check/files.ts"
export { describe, type Finding } from "./check/finding.ts"
export { checkHost, type HostFile, type HostFinding, type HostOptions } from "./check/host.ts"
export { configOf } from "./config.ts"
export { type CpuTerm, parseCpus, printCpus } from "./devices/cpus.ts"
export { type Disk, type DiskFormat, parseDisk, printDisk } from "./devices/disk.ts"
export { macFromName, normalizeMac, xenOui } from "./devices/mac.ts"
export {
  type Channel,
  type P9,
  parseChannel,
  parseP9,
  parseUsbController,
  parseUsbDevice,
  printChannel,
  printP9,
  printUsbController,
  printUsbDevice,
  type UsbController,
  type UsbDevice,
} from "./devices/others.ts"
export { type Pci, parsePci, printPci } from "./devices/pci.ts"
export { vdevNumber } from "./devices/vdev.ts"
export { addressesOf, parseVif, printVif, type Vif } from "./devices/vif.ts"
export type { VirtualNode } from "./devices/vnuma.ts"
export { CfgSyntaxError, type Position, SkeletonError, ValueError, XlcfgError } from "./errors.ts"
export { explain } from "./explain.ts"
export { format } from "./format.ts"
export { generate, literalOf } from "./generate.ts"
export type { GuestType, Key } from "./keys/key.ts"
export {
  type DomainConfig,
  groups,
  isKey,
  type KeyName,
  keyOf,
  keys,
  nearestKey,
  type ValueOf,
} from "./keys/table.ts"
export { type Change, type Migration, migrate } from "./migrate.ts"
export { type ProblemCode, problemCodes, type Severity, severityOf } from "./problem.ts"
export { builtinSkeleton } from "./skeleton/builtin.ts"
export { checkNames, renderSkeleton, type SkeletonValues, skeletonVariables } from "./skeleton/render.ts"
export type { Document, Setting } from "./syntax/document.ts"
export { toInteger, toLong } from "./syntax/number.ts"
export { parse } from "./syntax/parse.ts"
export { quote } from "./syntax/quote.ts"
export type { Assignment, Comment, Literal, Value, ValueNode } from "./syntax/tree.ts"
export { isXenVersion, type XenVersion, xenVersions } from "./version.ts"
