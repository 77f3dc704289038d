export type { ConnectionArgs, JumpHostArgs } from "./connection.ts"
export {
  type InspectKernelArgs,
  type InspectKernelResult,
  inspectKernel,
  inspectKernelOutput,
} from "./inspectKernel.ts"
export { type BootKind, Kernel, type KernelArgs } from "./kernel.ts"
export { Provider, type ProviderArgs } from "./provider.ts"
