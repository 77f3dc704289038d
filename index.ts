import * as pulumi from "@pulumi/pulumi"
import { XenHost } from "./components/xenHost.ts"
import { labHosts } from "./hosts/lab.ts"
import * as xen from "./sdk/index.ts"

const config = new pulumi.Config()
/** The unikernel that goes onto every host; `pulumi config set kernel FILE` chooses another. */
const source = config.get("kernel") ?? "unikernels/hello/dist/hello.xen"

/** A machine in software emulation takes minutes to boot: this long it may take, in seconds, until it answers. */
const patient = { window: 240, dom0: { window: 1500 } }

/** The machines of the lab as Xen hosts. */
const hosts = Object.values(labHosts()).map(machine => ({
  name: machine.name,
  host: new XenHost(machine.name, { ...patient, ...machine }),
}))

/** For each host, the kernel's file in the host's store. */
export const kernels = Object.fromEntries(
  hosts.map(({ name, host: { connection } }) => [
    name,
    new xen.Kernel(`kernel@${name}`, { connection, source }).path,
  ]),
)
