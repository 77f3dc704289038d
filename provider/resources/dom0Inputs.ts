import { dom0Found } from "../host/boot/found.ts"
import type { Dom0Wanted } from "../host/boot/wanted.ts"
import type { HostFacts } from "../host/index.ts"
import {
  choice,
  type Fields,
  flag,
  incidental,
  integer,
  type Known,
  list,
  map,
  optional,
  text,
  withDefault,
} from "../rpc/declare.ts"
import { connection } from "./connection.ts"
import { given } from "./given.ts"

const word = {
  pattern: /[A-Za-z0-9_.,:;=+@%/-]+/,
  says: "a single word for a command line, without blanks, quotes or $",
}

/** How systemd names a machine: machine-id(5). */
export const machineIdRule = {
  pattern: /[0-9a-f]{32}/,
  says: "the machine's id, as /etc/machine-id has it",
}

/** Seconds. */
const defaultWindow = 300

/** What a program says of dom0. */
export const inputs = {
  connection,
  memory: integer("MiB for dom0, fixed: it neither grows nor shrinks", { min: 1 }),
  vcpus: optional(integer("virtual CPUs of dom0; by default all", { min: 1 })),
  xenOptions: withDefault(
    list("words for Xen's command line beside these, such as loglvl=all", text("option", word)),
    [],
  ),
  linuxOptions: withDefault(
    list("words for dom0's kernel beside what plain Linux is given", text("option", word)),
    [],
  ),
  consoleLog: withDefault(
    flag("whether the guests' consoles are logged, from the first byte, with rotation"),
    true,
  ),
  watchdog: withDefault(flag("whether Xen restarts the machine when dom0 hangs for two minutes"), true),
  packages: optional(
    map(
      "the versions of Packages: when they change, the host is asked whether another Xen was installed",
      text("version"),
    ),
  ),
  hvm: withDefault(flag("whether PVH and HVM guests must be possible, which needs VT-x or AMD-V"), false),
  window: withDefault(
    incidental(integer("seconds after a trial boot in which the host must answer", { min: 30, max: 3600 })),
    defaultWindow,
  ),
  reboot: withDefault(
    incidental(choice("refuse: what needs a restart is refused and nothing is changed", ["allow", "refuse"])),
    "allow",
  ),
} as const satisfies Fields

export type Inputs = Known<typeof inputs>

/** The same in the words of the host's plans. */
export const wantedOf = ({ connection: _, packages: __, ...rest }: Inputs): Dom0Wanted => given(rest)

/** What a program has to say for a machine to stay as it is: for `pulumi import`. `undefined` where there is no Xen. */
export function inputsOf(facts: HostFacts): Omit<Inputs, "connection"> | undefined {
  const found = dom0Found(facts)
  if (found === undefined) return undefined
  const { xenOptions = [], linuxOptions = [] } = found
  const defaults = {
    consoleLog: true,
    watchdog: true,
    hvm: false,
    reboot: "allow" as const,
    window: defaultWindow,
  }
  return { ...defaults, ...found, xenOptions, linuxOptions }
}
