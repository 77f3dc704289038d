import { domainName, generationName } from "../host/domain/names.ts"
import {
  asset,
  choice,
  either,
  type Fields,
  flag,
  incidental,
  integer,
  type Known,
  list,
  madeFrom,
  map,
  number,
  object,
  optional,
  replaces,
  text,
  withDefault,
} from "../rpc/declare.ts"
import { connection } from "./connection.ts"

const oneLine = { pattern: /[^\0\r\n]+/, says: "one line" }
const address = {
  pattern: /[0-9A-Fa-f:.]+(\/\d{1,3})?/,
  says: "an IPv4 or IPv6 address, with its prefix length if it is known: 192.0.2.7/24",
}
const seconds = (description: string) => integer(`seconds: ${description}`, { min: 0, max: 86_400 })

const network = object("network interface", "DomainNetwork", {
  bridge: text("bridge of the host that it joins", oneLine),
  mac: optional(
    text("MAC address; by default one that is derived from the domain's name, and stays", {
      pattern: /[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}/,
      says: "a MAC address such as 00:16:3e:12:34:56",
    }),
  ),
  name: optional(text("the kernel's own name for it: X of @NETWORK:X@ in a skeleton", oneLine)),
})

const disk = object("disk", "DomainDisk", {
  path: incidental(text("file or block device on the host, as Disk.path gives it", oneLine)),
  vdev: incidental(text("what the guest sees it as: xvda, xvdb, …", oneLine)),
  access: incidental(optional(choice("what the guest may do; by default ro", ["ro", "rw"]))),
  format: incidental(
    optional(choice("what is in the file; by default raw", ["raw", "qcow", "qcow2", "vhd", "qed"])),
  ),
  name: incidental(optional(text("the kernel's own name for it: X of @BLOCK:X@ in a skeleton", oneLine))),
  digest: optional(
    text(
      "of its content, where the path stays when the content changes: another content is another generation",
      oneLine,
    ),
  ),
})

const health = object("when a domain counts as healthy: all that is given must hold", "DomainHealth", {
  http: optional(
    object("a request over HTTP", "DomainHealthHttp", {
      port: optional(integer("TCP port; by default 80", { min: 1, max: 65535 })),
      path: optional(text("by default /", oneLine)),
      status: optional(integer("status that must be answered; by default 200", { min: 100, max: 599 })),
      body: optional(text("regular expression that the body must match")),
    }),
  ),
  tcp: optional(
    object("a connection that must be accepted", "DomainHealthTcp", {
      port: integer("TCP port", { min: 1, max: 65535 }),
    }),
  ),
  ping: optional(flag("whether it must answer a ping")),
  console: optional(text("regular expression that its console must match")),
  settle: optional(number("seconds after which it must still run; by default 3", { min: 0, max: 3600 })),
  interval: optional(number("seconds between two looks; by default 0.5", { min: 0.1, max: 60 })),
  timeout: optional(number("seconds until all must hold; by default 60", { min: 1, max: 3600 })),
})

const value = either(
  "text, number or truth",
  text("text"),
  either("number or truth", number("number"), flag("truth")),
)

/** What an absent input means; an import, which cannot read these from a running domain, takes them too. */
export const defaults = {
  addresses: [] as readonly string[],
  gateways: [] as readonly string[],
  drain: 10,
  probation: 10,
  shutdownTimeout: 30,
  autostart: true,
  order: 100,
  keep: 5,
}

export const inputs = {
  connection,
  name: replaces(text("name of the domain, unique on its host", domainName)),
  kernel: optional(
    incidental(
      text("kernel's file on the host, as Kernel.path gives it, or its digest in the store", oneLine),
    ),
  ),
  kinds: optional(
    incidental(
      list(
        "ways in which Xen can start the kernel, as Kernel.kinds gives them: the type follows from them",
        choice("kind", ["pv", "pvh", "multiboot1", "linux"]),
      ),
    ),
  ),
  skeleton: optional(
    incidental(
      either(
        "skeleton of the configuration, as a build leaves it: NAME.xl.in or NAME.xl.hbs, or a whole NAME.xl",
        text("file", oneLine),
        asset("asset"),
      ),
    ),
  ),
  expects: optional(
    incidental(
      text(
        "what the kernel's build says of its devices, NAME.xl.in or a manifest.json of Solo5: each of them must be there",
        oneLine,
      ),
    ),
  ),
  variables: optional(
    incidental(
      map(
        "values of the skeleton's variables beside those that are known",
        either("text or number", text("text"), number("number")),
      ),
    ),
  ),
  type: optional(
    incidental(choice("kind of guest; by default what the kernel can be", ["pv", "pvh", "hvm"])),
  ),
  memory: optional(incidental(integer("MiB; by default what the skeleton says, else 32", { min: 1 }))),
  maxmem: optional(
    incidental(integer("MiB that it can get without a restart; by default memory", { min: 1 })),
  ),
  vcpus: optional(incidental(integer("virtual CPUs; by default 1", { min: 1, max: 512 }))),
  maxvcpus: optional(
    incidental(
      integer("virtual CPUs that it can get without a restart; by default vcpus", { min: 1, max: 512 }),
    ),
  ),
  arguments: optional(
    incidental(
      list(
        "arguments of the kernel, one by one: --ipv4=192.0.2.7/24; quoted where they need it",
        text("argument"),
      ),
    ),
  ),
  networks: optional(incidental(list("network interfaces, in their order", network))),
  disks: optional(list("disks", disk)),
  config: optional(
    incidental(map("further keys of xl.cfg(5)", either("value", value, list("list", text("item"))))),
  ),
  configuration: madeFrom(
    ["kernel", "skeleton", "variables", "arguments", "networks", "config", "memory", "type", "configuration"],
    optional(
      text(
        "the whole configuration, checked and in its canonical form: computed from what else is given; " +
          "or given in full, in the place of a skeleton",
      ),
    ),
  ),
  generation: optional(
    text(
      "an earlier generation that the host's store still has: it serves again, whatever else is given",
      generationName,
    ),
  ),
  addresses: withDefault(
    list(
      "addresses that the domain will have, for the health check and the switch",
      text("address", address),
    ),
    defaults.addresses,
  ),
  gateways: withDefault(
    list("its gateways, whose place is taken while it is checked apart", text("gateway", address)),
    defaults.gateways,
  ),
  health: optional(incidental(health)),
  strategy: optional(
    incidental(
      choice(
        "how an update is made: swap (both run, the new one is checked apart, no request is lost; the default where it " +
          "can be), or recreate (stop, start, check, and back if the check fails)",
        ["swap", "recreate"],
      ),
    ),
  ),
  drain: withDefault(incidental(seconds("for connections that are open at a switch")), defaults.drain),
  probation: withDefault(
    incidental(seconds("after a switch, in which the old generation can come back")),
    defaults.probation,
  ),
  shutdownTimeout: withDefault(
    seconds("for a graceful shutdown; then it is destroyed"),
    defaults.shutdownTimeout,
  ),
  autostart: withDefault(flag("whether it starts with its host"), defaults.autostart),
  order: withDefault(integer("its place in the order of starts", { min: 0, max: 100_000 }), defaults.order),
  keep: withDefault(
    incidental(integer("generations that the store keeps", { min: 1, max: 100 })),
    defaults.keep,
  ),
} as const satisfies Fields

export type Inputs = Known<typeof inputs>

export const outputs = {
  name: text("name of the domain"),
  generation: madeFrom(
    [],
    text("what serves: 12 hexadecimal digits of its configuration's and disks' SHA-256"),
  ),
  uuid: madeFrom([], optional(text("UUID of the running domain"))),
  configurationDigest: madeFrom([], text("SHA-256 of the configuration")),
  kernelDigest: madeFrom([], optional(text("SHA-256 of the kernel's file on the host"))),
  macs: list("MAC addresses, in the order of the interfaces", text("MAC address")),
  addresses: list("addresses that it has", text("address")),
  strategy: madeFrom(
    [],
    choice("how its last change was made", ["none", "create", "live", "swap", "recreate"]),
  ),
  consoleLog: madeFrom([], text("its console, on the host")),
  state: madeFrom([], choice("what it does", ["running", "paused", "shutdown", "crashed", "dying", "gone"])),
  drift: madeFrom(
    [],
    list("how it differs from what it should be; empty as it should be", text("difference")),
  ),
} as const satisfies Fields

export type Outputs = Known<typeof outputs>
