import type { HostFacts } from "../facts/types.ts"
import { noted, type Originals, setFiles } from "../originals.ts"
import { recordPath, recordText, removeRecord, writeRecord } from "../records.ts"
import { type Action, type Plan, run, type Step, step } from "../step.ts"
import { runsAs } from "./found.ts"
import { type Grub, grubFiles, grubOf, isPlain, plainEntry, xenEntry } from "./grub.ts"
import { proofCommands } from "./proofByHand.ts"
import { changed, DOM0_RECORD, type Dom0Record, dom0Record, filesNow } from "./record.ts"
import { serviceFiles, servicesTakeEffect } from "./services.ts"
import { trialGuard, trialUndo } from "./trial.ts"
import { type Dom0Wanted, linuxOptions, xenOptions } from "./wanted.ts"

/**
 * The image that GRUB would boot, where an update of packages has put another Xen there since this one was booted: the
 * toolstack is the new one's, and nobody has seen that it boots.
 */
function replacedImage({ xen, boot }: HostFacts): string | undefined {
  const booted = boot.grub && xenEntry(boot.grub)?.hypervisor
  // Where /boot is a file system of its own, GRUB names the image without it.
  return xen?.replaced.find(image => booted !== undefined && image.endsWith(booted))
}

/** Why the machine must restart to be as wanted, in words; `[]` when it need not. */
export function rebootReasons(facts: HostFacts, wanted: Dom0Wanted): string[] {
  if (!facts.xen) return ["Xen is not running"]
  const { xen } = facts
  const record = dom0Record(facts)
  // What somebody else has set up is not restarted for words that mean the same, or for what only its next start needs.
  const isOthers = record?.adopted ?? true
  const own = linuxOptions(facts, { memory: wanted.memory })
  const compare = (
    what: string,
    running: string,
    options: readonly string[],
    former: readonly string[] = [],
  ) => {
    const words = running.split(/\s+/)
    const runs = (word: string) =>
      words.includes(word) || (isOthers && (own.includes(word) || runsAs(word, xen)))
    return [
      ...options.filter(word => !runs(word)).map(word => `${what} runs without ${word}`),
      ...former
        .filter(word => !options.includes(word) && words.includes(word))
        .map(word => `${what} still runs with ${word}`),
    ]
  }
  const image = replacedImage(facts)
  return [
    ...(image === undefined ? [] : [`Xen ${xen.version} runs, and ${image} is another one`]),
    ...compare("Xen", xen.commandLine, xenOptions(wanted), record?.xenOptions),
    ...compare("dom0's kernel", facts.boot.commandLine, linuxOptions(facts, wanted), record?.linuxOptions),
  ]
}

/** The least that makes this machine a Xen host as wanted. Xen's packages must be there. */
export function planDom0(facts: HostFacts, wanted: Dom0Wanted): Plan {
  const grub = facts.boot.grub && grubOf(facts.boot.grub)
  const fallback = plainEntry(facts)
  if (!grub || !fallback) return []
  const record = dom0Record(facts)
  const options = { xen: xenOptions(wanted), linux: linuxOptions(facts, wanted) }
  const menuFiles = grubFiles(grub.facts, options)
  const services = serviceFiles(facts, wanted)
  const files = Object.keys({ ...menuFiles, ...services })
  const next: Dom0Record = {
    xenOptions: options.xen,
    linuxOptions: options.linux,
    originals: noted(record?.originals, filesNow(facts, files)),
    savedEntry: record?.savedEntry ?? plainSaved(grub) ?? fallback.id,
    adopted: record?.adopted ?? facts.xen !== undefined,
  }
  const recordFile = { [recordPath(DOM0_RECORD)]: recordText(next) }
  const before = Object.entries(record?.originals ?? {})
  const now = filesNow(
    facts,
    before.map(([path]) => path),
  )
  // What went away with its package stays away.
  const dropped = before.filter(([path]) => !files.includes(path) && now[path] !== null)
  // Before all else, and not taken back with a trial that fails: how the machine was is known only now.
  const untouched: Dom0Record = { ...next, xenOptions: [], linuxOptions: [] }
  return [
    ...(record
      ? []
      : [
          step("Note how the machine was before", [writeRecord(DOM0_RECORD, untouched)], {
            undo: [removeRecord(DOM0_RECORD)],
          }),
        ]),
    ...servicesStep(
      facts,
      "Log the guests' consoles, let guests shut down instead of being saved, watch over dom0",
      changed(facts, services),
    ),
    ...servicesStep(
      facts,
      "Give back what is no longer wanted of Xen's services",
      changed(facts, Object.fromEntries(dropped)),
    ),
    ...menuSteps(facts, grub, fallback.id, changed(facts, { ...menuFiles, ...recordFile }), wanted),
  ]
}

function plainSaved({ facts }: Grub): string | undefined {
  const saved = facts.environment.saved_entry
  return isPlain(facts, saved) ? saved : undefined
}

function servicesStep(facts: HostFacts, title: string, files: Originals): Step[] {
  const paths = Object.keys(files)
  if (paths.length === 0) return []
  return [
    step(title, [...setFiles(files), ...servicesTakeEffect(facts, files)], {
      undo: setFiles(filesNow(facts, paths)),
      note: `Changes ${paths.join(", ")}.`,
    }),
  ]
}

function menuSteps(
  facts: HostFacts,
  grub: Grub,
  fallback: string,
  files: Readonly<Record<string, string>>,
  wanted: Dom0Wanted,
): Step[] {
  const reasons = rebootReasons(facts, wanted)
  const paths = Object.keys(files)
  const writes = setFiles(files)
  if (reasons.length > 0) return [trialStep(facts, grub, fallback, writes, reasons, wanted)]
  const notDefault = xenEntry(grub.facts)?.id !== grub.facts.environment.saved_entry
  const menuChanged = paths.some(path => path.startsWith("/etc/default/"))
  return [
    ...(paths.length > 0
      ? [
          step("Write down what Xen and dom0 run with", [
            ...writes,
            ...(menuChanged ? [grub.regenerate] : []),
          ]),
        ]
      : []),
    // It runs, and with the options that are wanted: that is the proof.
    ...(notDefault ? [step("Make Xen the entry that boots", [grub.makeXenDefault])] : []),
  ]
}

/**
 * GRUB boots Xen once; the default stays plain Linux until somebody has come in. Plain Linux is also what is booted,
 * then and ever after, when Xen's entry cannot be loaded.
 */
function trialStep(
  facts: HostFacts,
  grub: Grub,
  fallback: string,
  writes: readonly Action[],
  reasons: readonly string[],
  wanted: Dom0Wanted,
): Step {
  // A Xen that was replaced cannot be gone back to.
  const isReplaced = replacedImage(facts) !== undefined
  const { environment } = grub.facts
  const former = {
    ...environment,
    saved_entry: isReplaced ? fallback : (environment.saved_entry ?? fallback),
  }
  const paths = writes.flatMap(action => (action.kind === "write" ? [action.path] : []))
  return {
    title: trialTitle(facts),
    note: `${reasons.map(reason => `${reason[0]!.toUpperCase()}${reason.slice(1)}.`).join(" ")}`,
    risk: "boot",
    actions: [
      run(grub.setDefault(fallback)),
      ...writes,
      grub.regenerate,
      run(grub.fallBackToPlain),
      run(grub.bootXenOnce),
    ],
    undo: [
      ...trialUndo(grub, former).map(command => run(command)),
      ...setFiles(filesNow(facts, paths)),
      grub.regenerate,
    ],
    guard: {
      ...trialGuard(grub, former, wanted.window),
      // The old menu itself, and not another one: to write one takes up to minutes, and can fail.
      written: [grub.facts.config],
      proof: proofCommands(facts, wanted, grub),
      keep: [grub.makeXenDefault],
      trial: ["sh", "-c", '[ "$(cat /sys/hypervisor/type 2>/dev/null)" = xen ]'],
      restart: facts.xen && !isReplaced ? "always" : "after-trial",
    },
  }
}

function trialTitle(facts: HostFacts): string {
  if (!facts.xen) return "Restart into Xen"
  if (replacedImage(facts) !== undefined) return "Restart into the Xen that was installed"
  return "Restart with other options for Xen and dom0"
}
