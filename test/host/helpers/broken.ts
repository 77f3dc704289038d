import { run, type Step } from "../../../provider/host/step.ts"
import type { Random } from "./random.ts"

/** Breaks the step that makes the bridge xenbr0 on eth0, and never leaves it as it is. */
export type Sabotage = (step: Step, random: Random) => Step

const inFiles =
  (from: RegExp, to: string): Sabotage =>
  step => ({
    ...step,
    actions: step.actions.map(action =>
      action.kind === "write" && typeof action.content === "string" && !action.path.endsWith(".json")
        ? { ...action, content: action.content.replaceAll(from, to) }
        : action,
    ),
  })

const inCommands =
  (change: (commands: Step["actions"], random: Random) => Step["actions"]): Sabotage =>
  (step, random) => ({ ...step, actions: change(step.actions, random) })

/** At least one command, and any of the others. */
function withoutSome(actions: Step["actions"], random: Random): Step["actions"] {
  const first = random.pick(actions.filter(({ kind }) => kind === "run"))
  return actions.filter(one => one.kind !== "run" || (one !== first && random.below(2) === 1))
}

/** Broken configurations: what is made works, or does not, but nobody can come in, or it is not what was wanted. */
const EVERYWHERE: Readonly<Record<string, Sabotage>> = {
  "a wrong port": inFiles(/\beth0\b/g, "eth1"),
  "no address": inFiles(/192\.0\.2\.7\/24|\bdhcp$|DHCP=ipv4|method=(auto|manual)/gm, ""),
  "another MAC address": inFiles(/02:00:00:00:00:07/g, "02:00:00:00:00:08"),
  "empty files": inFiles(/^.+$/gm, "#"),
  "a command that fails": inCommands((actions, random) => random.insert(actions, run(["false"]))),
  "a command that hangs": inCommands((actions, random) => random.insert(actions, run(["sleep", "1000"]))),
  "commands left out": inCommands(withoutSome),
  "a bridge that is down": inCommands(actions => [...actions, run(["ip", "link", "set", "xenbr0", "down"])]),
}

/** With DHCP it is the server that says these. */
const STATIC: Readonly<Record<string, Sabotage>> = {
  "a wrong gateway": inFiles(/192\.0\.2\.1(?=\s|,|$)/gm, "192.0.2.99"),
  "another network's address": inFiles(/192\.0\.2\.7\/24/g, "203.0.113.7/24"),
}

/** What can be broken in a setting of settings.ts, by what it is called. */
export function brokenIn(setting: string): [what: string, sabotage: Sabotage][] {
  return Object.entries(setting.endsWith("static") ? { ...STATIC, ...EVERYWHERE } : EVERYWHERE)
}
