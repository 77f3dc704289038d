export type * from "./facts/types.ts"
export { type Refusal, type RefusalCode, RefusedError, refusal, refuse } from "./refusal.ts"
export type { Action, Plan, RemoveAction, Risk, RunAction, Step, UploadAction, WriteAction } from "./step.ts"
