import { Unikernel } from "./components/unikernel.ts"
import { XenHost } from "./components/xenHost.ts"
import { labHosts } from "./hosts/lab.ts"
import * as pulumi from "./sdk/pulumi.ts"

const config = new pulumi.Config()
/** The web server that runs on every host; `pulumi config set kernel FILE` chooses another. */
const kernel = config.get("kernel") ?? "unikernels/hello/dist/hello.xen"
/** Its address on the lab's network, which a port of this machine leads to. */
const address = "10.0.2.20"

/** A machine in software emulation takes minutes to boot: this long it may take, in seconds, until it answers. */
const patient = { window: 240, dom0: { window: 1500 } }

/** The machines of the lab as Xen hosts, each with the web server on it, and where that answers. */
export const hello = Object.fromEntries(
  Object.values(labHosts()).map(machine => {
    const host = new XenHost(machine.name, { ...patient, ...machine })
    const www = new Unikernel(machine.name === "lab" ? "hello" : `hello-${machine.name}`, {
      name: "hello",
      host,
      kernel,
      arguments: [`--ipv4=${address}/24`, "--ipv4-gateway=10.0.2.2"],
      health: { http: { path: "/" }, timeout: 180 },
    })
    const { generation, digest, consoleLog } = www
    const way = machine.forwards.find(forward => forward.address === address)
    const url = way === undefined ? www.url : `http://127.0.0.1:${way.port}/`
    return [machine.name, { url, generation, digest, consoleLog }]
  }),
)
