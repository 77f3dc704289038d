import { dirname } from "node:path/posix"
import { quote } from "../../ssh/quote.ts"
import { hooksOf } from "../guard/guard.ts"
import type { Step } from "../step.ts"
import { type Block, commands, file, text } from "./blocks.ts"
import type { Shell } from "./shell.ts"

/** Seconds: a person is slower than a program. */
export const LEAST_WINDOW = 180

/** Where a step keeps its things, and what its units are called. */
export interface ByHand {
  readonly name: string
  readonly place: string
  readonly shell: Shell
}

/**
 * A change that drops the session it is made over, for a person in such a session: the files are laid aside, and the host
 * itself takes the old setting down and the new one up; unless the person comes in anew, it takes that back.
 */
export function detachedChange(step: Step, { name, place, shell }: ByHand): Block[] {
  const seconds = Math.max(LEAST_WINDOW, hooksOf(step).window)
  const unit = `runbook-${name}`
  const paths = pathsOf(step)
  const saved = paths.map(
    (path, at) => `{ [ ! -e ${quote(path)} ] || cp -p ${quote(path)} ${place}/old/${at + 1}; }`,
  )
  return [
    text(
      "**This can cut you off.** So the host makes the change by itself, whatever becomes of your session, and takes it " +
        `back by itself unless you come in anew within ${seconds} s. Have a console at hand all the same, and read to the ` +
        "end of this step before you begin.",
    ),
    text(
      "Save the files as they are. It stops where the folder is there already, for then an earlier attempt has saved them: " +
        "see that it was taken back, and move the folder away.",
    ),
    commands(
      [`mkdir -p ${dirname(place)} && mkdir ${place} ${place}/old ${place}/new`, ...saved].join(" &&\n"),
    ),
    text("Lay the new files aside:"),
    ...step.actions.flatMap(action => {
      if (action.kind !== "write") return []
      const aside = `${place}/new/${paths.indexOf(action.path) + 1}`
      return typeof action.content === "string"
        ? [file(shell.file(aside, action.content, action.mode))]
        : [text(`Write \`${aside}\`: (a secret, for \`${action.path}\`).`)]
    }),
    text("The way back, as a script:"),
    file(shell.file(`${place}/back.sh`, wayBack(step, place, shell), 0o700)),
    text("The change, as a script:"),
    file(shell.file(`${place}/change.sh`, change(step, place, shell), 0o700)),
    text(`Arm the way back. It begins in ${seconds} s unless you stop it:`),
    ...either(
      `systemd-run --unit=${unit} --on-active=${seconds} --timer-property=AccuracySec=1s ${RUN} ${place}/back.sh`,
      detached(`sh -c 'sleep ${seconds}; [ -e ${place}/kept ] || exec sh ${place}/back.sh'`),
    ),
    text("Make the change:"),
    ...either(`systemd-run ${RUN} ${place}/change.sh`, detached(`sh ${place}/change.sh`)),
    text(
      "Look, over a **new** connection: one that is still open proves nothing. The addresses must be on the bridge, and the " +
        "last command must succeed:",
    ),
    commands(`cat ${place}/change.log`, "ip -br addr", "ip route", "ip -6 route", ...checkOf(step, shell)),
    text("Only when you have come in anew, keep it:"),
    ...either(`systemctl stop ${unit}.timer`, `touch ${place}/kept`),
    text(
      `If you do not come in, wait: after ${seconds} s the old setting is back, and \`${place}/back.log\` tells how. A machine ` +
        "that was restarted meanwhile has forgotten the way back: go to its console, and take it back there.",
    ),
    text("To take it back, at any time:"),
    ...either(`systemd-run ${RUN} ${place}/back.sh`, detached(`sh ${place}/back.sh`)),
  ]
}

/** A DHCP client that a script has started goes on when the script ends. */
const RUN = "-p KillMode=process sh"

function detached(command: string): string {
  return `setsid nohup ${command} >/dev/null 2>&1 </dev/null &`
}

function either(withSystemd: string, without: string): Block[] {
  return [commands(withSystemd), text("Or, on a machine without systemd:"), commands(without)]
}

/** The files that are saved, in the order of their numbers. */
function pathsOf({ actions, guard }: Step): string[] {
  const touched = actions.flatMap(action =>
    action.kind === "write" || action.kind === "remove" ? [action.path] : [],
  )
  return [...new Set([...touched, ...(guard?.written ?? [])])]
}

/** As the guard does: up to what fails. */
function change(step: Step, place: string, shell: Shell): string {
  const paths = pathsOf(step)
  const lines = step.actions.flatMap(action => {
    if (action.kind === "run") return [shell.command(action.command, action.env)]
    if (action.kind === "remove") return [shell.command(["rm", "-f", action.path])]
    if (action.kind === "upload") return []
    const mode = (action.mode ?? 0o644).toString(8)
    return [`install -D -m ${mode} ${place}/new/${paths.indexOf(action.path) + 1} ${quote(action.path)}`]
  })
  return script([`exec >${place}/change.log 2>&1`, "set -ex", ...lines])
}

/** As the guard does: half a network is better than none, so it goes on when a command fails. */
function wayBack(step: Step, place: string, shell: Shell): string {
  const { before, after } = hooksOf(step)
  const files = pathsOf(step).map((path, at) => {
    const old = `${place}/old/${at + 1}`
    return `if [ -e ${old} ]; then cp -p ${old} ${quote(path)}; else rm -f ${quote(path)}; fi`
  })
  return script([
    `exec >${place}/back.log 2>&1`,
    "set -x",
    ...before.map(command => shell.command(command)),
    ...files,
    ...after.map(command => shell.command(command)),
    ...checkOf(step, shell).flatMap(check => [
      "tries=0",
      `until ${check}; do`,
      "  tries=$((tries + 1))",
      '  if [ "$tries" -ge 15 ]; then reboot; break; fi',
      "  sleep 2",
      "done",
    ]),
  ])
}

function checkOf({ guard }: Step, shell: Shell): string[] {
  return guard?.check ? [shell.command(guard.check)] : []
}

function script(lines: readonly string[]): string {
  return lines.map(line => `${line}\n`).join("")
}
