import { hooksOf } from "../guard/guard.ts"
import type { Action, Step } from "../step.ts"
import { type Block, blockOf, commands, file, text } from "./blocks.ts"
import { type ByHand, LEAST_WINDOW } from "./detached.ts"
import type { Shell } from "./shell.ts"

const BOOT_ID = "/proc/sys/kernel/random/boot_id"

/** A restart that needs no guard. */
export function restart(step: Step, by: ByHand): Block[] {
  return [
    text("**The machine restarts.**"),
    ...blocksOf(step.actions, by.shell),
    ...restartNow(by),
    text("When it answers again, look whether it has restarted:"),
    commands(hasRestarted(by)),
    ...(step.undo.length > 0 ? [text("To take it back:"), ...blocksOf(step.undo, by.shell)] : []),
  ]
}

/** A menu entry is booted once, is looked at over a new connection, and only then becomes the default. */
export function trialBoot(step: Step, by: ByHand): Block[] {
  const { keep = [], proof = [] } = hooksOf(step)
  const { shell } = by
  return [
    text(
      "**The machine restarts, and may not come up as it should.** The new entry is booted this one time; the default stays " +
        "what it is until you make the new entry the default. Read to the end of this step before you begin.",
    ),
    ...blocksOf(step.actions, shell),
    ...restartUnlessKept(step, by),
    text("Restart:"),
    ...restartNow(by),
    text(
      "**If it does not come back**, wait some minutes. The entry was for one boot only: whatever restarts the machine, be " +
        "it a panic, the unit above, or you at the provider's panel, boots Linux without Xen, and you can come in and take " +
        "the step back.",
    ),
    text("When it answers, look, over a new connection. Each of these must succeed:"),
    commands(hasRestarted(by), ...proof.map(command => shell.command(command))),
    text("Only when all of them have succeeded, keep it:"),
    ...blocksOf(keep, shell),
    commands(...disarm(step, by)),
    text("To take it back, whatever runs:"),
    ...blocksOf(step.undo, shell),
    commands(...disarm(step, by)),
    text("Then, if the new entry still runs, restart once more:"),
    commands("reboot"),
  ]
}

function blocksOf(actions: readonly Action[], shell: Shell): Block[] {
  return actions.flatMap(action => blockOf(action, shell))
}

function restartNow({ place }: ByHand): Block[] {
  return [commands(`mkdir -p ${place}`, `cat ${BOOT_ID} >${place}/boot_id`, "reboot")]
}

function hasRestarted({ place }: ByHand): string {
  return `[ "$(cat ${BOOT_ID})" != "$(cat ${place}/boot_id)" ]`
}

const unitOf = ({ name }: ByHand): string => `runbook-${name}.service`
const unitFile = (by: ByHand): string => `/etc/systemd/system/${unitOf(by)}`

/** A machine that comes up and cannot be reached is left by nobody but itself. */
function restartUnlessKept(step: Step, by: ByHand): Block[] {
  const { trial, window } = hooksOf(step)
  if (!trial) return []
  const seconds = Math.max(LEAST_WINDOW, window)
  const { place, shell } = by
  const script = [
    // Before the restart, and where another entry was booted, there is nothing to leave.
    `${hasRestarted(by)} || exit 0`,
    `${shell.command(trial)} || exit 0`,
    `sleep ${seconds}`,
    `systemctl disable ${unitOf(by)}`,
    "reboot",
    "",
  ].join("\n")
  const unit = `[Unit]
Description=Restarts the machine unless somebody comes in

[Service]
ExecStart=/bin/sh ${place}/restart.sh

[Install]
WantedBy=multi-user.target
`
  return [
    text(
      `A machine that comes up and cannot be reached shall restart by itself, ${seconds} s after its start, unless you come in ` +
        "and keep it. Where there is no systemd, leave this out and have a console at hand:",
    ),
    file(shell.file(`${place}/restart.sh`, script, 0o700)),
    file(shell.file(unitFile(by), unit)),
    commands("systemctl daemon-reload", `systemctl enable ${unitOf(by)}`),
  ]
}

function disarm(step: Step, by: ByHand): string[] {
  if (!hooksOf(step).trial) return []
  // Where it was left out there is nothing to stop.
  return [`systemctl disable --now ${unitOf(by)} || true`, `rm -f ${unitFile(by)}`]
}
