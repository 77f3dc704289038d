/**
 * What programs and components use of @pulumi/pulumi. Its root loads, beside these, the TypeScript compiler and npm's
 * resolver of dependencies, for functions that become resources and for the automation API: of a run of a program
 * that would be a third. Whoever needs more imports the root as well; what is here is the same as there.
 */
export * as asset from "@pulumi/pulumi/asset/asset.js"
export { Config } from "@pulumi/pulumi/config.js"
export type { InvokeOptions, InvokeOutputOptions } from "@pulumi/pulumi/invoke.js"
export * as log from "@pulumi/pulumi/log/index.js"
export {
  all,
  concat,
  type Input,
  type Inputs,
  interpolate,
  Output,
  type OutputInstance,
  output,
  secret,
} from "@pulumi/pulumi/output.js"
export {
  ComponentResource,
  type ComponentResourceOptions,
  CustomResource,
  type CustomResourceOptions,
  ProviderResource,
  Resource,
  type ResourceOptions,
} from "@pulumi/pulumi/resource.js"
export * as runtime from "@pulumi/pulumi/runtime/invoke.js"
