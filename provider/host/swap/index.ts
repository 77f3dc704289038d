/** How a domain is replaced without a lost request: checked apart, switched under its clients, drained, put back. */
export { checkHealth, HealthError, type Place, watchHealth } from "./gate.ts"
export type { DomainState, Health } from "./health.ts"
export { STAGED_VIF_SCRIPT, stagingBridge } from "./names.ts"
export type { Port } from "./ports.ts"
export { type Addressing, refuseStaging, type Staging, StagingError, stage, unstage } from "./staging.ts"
export {
  observeFlows,
  type SwapOptions,
  type Switch,
  SwitchError,
  type SwitchResult,
  type SwitchWay,
  settled,
  switchPorts,
} from "./switch.ts"
