import packageManifest from "../package.json" with { type: "json" }
import { connectionDefaults, Hosts } from "./resources/connection.ts"
import type { Known } from "./rpc/declare.ts"
import type { Lazy, Registry } from "./rpc/resource.ts"

/**
 * The table of contents of the `xen` package. A resource's code is loaded when one of its kind comes: a program has few
 * kinds, and of the two providers that `pulumi up --refresh` starts, one checks the configuration and no more.
 */
export function xenRegistry(): Registry {
  const hosts = new Hosts()
  return {
    name: "xen",
    version: packageManifest.version,
    description: "Xen hosts and unikernels: kernels, domains and the machines they run on.",
    config: connectionDefaults,
    resources: {
      "xen:index:Packages": once(async () => (await import("./resources/packages.ts")).packages(hosts)),
      "xen:index:Bridge": once(async () => (await import("./resources/bridge.ts")).bridge(hosts)),
      "xen:index:Dom0": once(async () => (await import("./resources/dom0.ts")).dom0(hosts)),
      "xen:index:Kernel": once(async () => (await import("./resources/kernel.ts")).kernel(hosts)),
      "xen:index:Domain": once(async () => (await import("./resources/domain.ts")).domain(hosts)),
      "xen:index:Disk": once(async () => (await import("./resources/disk.ts")).disk(hosts)),
    },
    functions: {
      "xen:index:getHost": once(async () => (await import("./resources/getHost.ts")).getHost(hosts)),
      "xen:index:inspectKernel": once(async () => (await import("./resources/kernel.ts")).inspectKernel),
    },
    configure: config => hosts.configure(config as Known<typeof connectionDefaults>),
    close: () => hosts.close(),
  }
}

function once<T>(load: Lazy<T>): Lazy<T> {
  let loading: Promise<T> | undefined
  return () => (loading ??= load())
}
