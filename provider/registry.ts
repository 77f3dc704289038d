import packageManifest from "../package.json" with { type: "json" }
import { bridge } from "./resources/bridge.ts"
import { connectionDefaults, Hosts } from "./resources/connection.ts"
import { disk } from "./resources/disk.ts"
import { dom0 } from "./resources/dom0.ts"
import { domain } from "./resources/domain.ts"
import { getHost } from "./resources/getHost.ts"
import { inspectKernel, kernel } from "./resources/kernel.ts"
import { packages } from "./resources/packages.ts"
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
      "xen:index:Packages": packages(hosts),
      "xen:index:Bridge": bridge(hosts),
      "xen:index:Dom0": dom0(hosts),
      "xen:index:Kernel": kernel(hosts),
      "xen:index:Domain": domain(hosts),
      "xen:index:Disk": disk(hosts),
    },
    functions: {
      "xen:index:getHost": getHost(hosts),
      "xen:index:inspectKernel": inspectKernel,
    },
    configure: config => hosts.configure(config as Known<typeof connectionDefaults>),
    close: () => hosts.close(),
  }
}
