/** How a host is asked and changed: facts, plans that are pure, and what carries them out. */
export { type ApplyOptions, apply, StepError } from "./apply.ts"
export { planDom0, rebootReasons } from "./boot/dom0.ts"
export { missingProof } from "./boot/proof.ts"
export { type Dom0Record, dom0Record } from "./boot/record.ts"
export { refuseDom0, refuseHost } from "./boot/refusals.ts"
export { planDom0Removal } from "./boot/removal.ts"
export type { Dom0Wanted } from "./boot/wanted.ts"
export { parseFacts } from "./facts/parse.ts"
export { type ProbeOptions, readFacts } from "./facts/probe.ts"
export { ProbeFormatError } from "./facts/sections.ts"
export type * from "./facts/types.ts"
export {
  type Guard,
  GuardArmedError,
  type GuardReport,
  GuardRevertedError,
  guardReport,
  takeBack,
} from "./guard/guard.ts"
export { type GuardedOptions, guarded, restartHost } from "./guard/guarded.ts"
export { HostLockedError, type LockOptions, withHostLock } from "./lock.ts"
export {
  planBridge,
  planBridgeRemoval,
  resolveBridge,
} from "./network/bridge.ts"
export { bridgeDrift } from "./network/drift.ts"
export { type BridgeRecord, bridgeRecord } from "./network/record.ts"
export { refuseBridge } from "./network/refusals.ts"
export type {
  Addressing,
  BridgeConfig,
  BridgeWanted,
  FamilyAddressing,
  StaticRoute,
} from "./network/wanted.ts"
export {
  packageNames,
  planPackages,
  planPackagesRemoval,
} from "./packages/plan.ts"
export { refusePackages } from "./packages/refusals.ts"
export type {
  PackageFile,
  PackagesWanted,
  PackageWanted,
  RepositoryKey,
  RepositoryWanted,
} from "./packages/wanted.ts"
export { type Refusal, type RefusalCode, RefusedError, refusal, refuse } from "./refusal.ts"
export { type Chapter, type RunbookOptions, runbook } from "./runbook/runbook.ts"
export type { Unknown } from "./runbook/shell.ts"
export type {
  Action,
  GuardHooks,
  Plan,
  RemoveAction,
  Risk,
  RunAction,
  Step,
  UploadAction,
  WriteAction,
} from "./step.ts"
