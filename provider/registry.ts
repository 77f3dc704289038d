import packageManifest from "../package.json" with { type: "json" }
import { connectionDefaults, Hosts } from "./resources/connection.ts"
import { inspectKernel, kernel } from "./resources/kernel.ts"
import type { Known } from "./rpc/declare.ts"
import type { Registry } from "./rpc/resource.ts"

/** The table of contents of the `xen` package. */
export function xenRegistry(): Registry {
  const hosts = new Hosts()
  return {
    name: "xen",
    version: packageManifest.version,
    description: "Xen hosts and unikernels: kernels, domains and the machines they run on.",
    config: connectionDefaults,
    resources: {
      "xen:index:Kernel": kernel(hosts),
    },
    functions: {
      "xen:index:inspectKernel": inspectKernel,
    },
    configure: config => hosts.configure(config as Known<typeof connectionDefaults>),
    close: () => hosts.close(),
  }
}
