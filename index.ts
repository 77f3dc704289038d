import * as pulumi from "@pulumi/pulumi"
import { labHosts } from "./hosts/lab.ts"
import * as xen from "./sdk/index.ts"

const config = new pulumi.Config()
/** The unikernel that goes onto every host; `pulumi config set kernel FILE` chooses another. */
const source = config.get("kernel") ?? "unikernels/hello/dist/hello.xen"

/** For each host, the kernel's file in the host's store. */
export const kernels = Object.fromEntries(
  Object.values(labHosts()).map(({ name, host, port, user, hostKey, privateKeyPath }) => {
    const connection = { host, port, user, hostKey, privateKeyPath }
    return [name, new xen.Kernel(`kernel@${name}`, { connection, source }).path]
  }),
)
