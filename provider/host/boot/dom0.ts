import type { Command } from "../../ssh/command.ts"
import type { HostFacts } from "../facts/types.ts"
import { readRecord, recordPath, recordText, removeRecord, writeRecord } from "../records.ts"
import { type Action, type Plan, remove, run, type Step, step, write } from "../step.ts"
import { type Grub, grubFiles, grubOf, plainEntry, xenEntry } from "./grub.ts"
import { proofCommands } from "./proofByHand.ts"
import { MAKE_CONSOLE_FOLDER, RESTART_CONSOLED, serviceFiles } from "./services.ts"
import { DOM0_RECORD, type Dom0Record, type Dom0Wanted, linuxOptions, xenOptions } from "./wanted.ts"

/**
 * To be applied before Xen's packages are installed: from then on GRUB boots what it boots now, whatever a
 * package adds to the menu. Debian's Xen makes itself the default when it is installed, untried.
 */
export function planBootHold(facts: HostFacts): Plan {
  const grub = facts.boot.grub && grubOf(facts.boot.grub)
  const entry = plainEntry(facts)
  if (!grub || !entry || facts.xen || dom0Record(facts)) return []
  const wanted = grubFiles(grub.facts, {})
  const changed = Object.entries(wanted).filter(([path, content]) => grub.facts.defaults[path] !== content)
  const saved = grub.facts.environment.saved_entry
  if (changed.length === 0 && grub.facts.followsSaved && isPlain(grub, saved)) return []
  const id = isPlain(grub, saved) ? saved! : entry.id
  return [
    step(
      `Keep "${titleOf(grub, id)}" the entry that boots`,
      [
        run(grub.setDefault(id)),
        ...changed.map(([path, content]) => write(path, content)),
        run(grub.regenerate),
      ],
      {
        undo: putBack(
          facts,
          changed.map(([path]) => path),
          grub,
        ),
        note: "Xen becomes the default only when it has proven itself.",
      },
    ),
  ]
}

function isPlain({ facts }: Grub, id: string | undefined): boolean {
  return facts.entries.some(entry => entry.id === id && !entry.xen && !entry.recovery)
}

function titleOf({ facts }: Grub, id: string): string {
  return facts.entries.find(entry => entry.id === id)?.title ?? id
}

export function dom0Record(facts: HostFacts): Dom0Record | undefined {
  return readRecord<Dom0Record>(facts.files, DOM0_RECORD)
}

/** A file as it is, wherever the facts have it. */
function present(facts: HostFacts, path: string): string | undefined {
  return facts.boot.grub?.defaults[path] ?? facts.files[path]
}

function putBack(facts: HostFacts, paths: readonly string[], grub: Grub): Action[] {
  const files = paths.map(path => {
    const content = present(facts, path)
    return content === undefined ? remove(path) : write(path, content)
  })
  return [...files, run(grub.regenerate)]
}

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
  const record = dom0Record(facts)
  const compare = (
    what: string,
    running: string,
    options: readonly string[],
    former: readonly string[] = [],
  ) => {
    const words = running.split(/\s+/)
    return [
      ...options.filter(word => !words.includes(word)).map(word => `${what} runs without ${word}`),
      ...former
        .filter(word => !options.includes(word) && words.includes(word))
        .map(word => `${what} still runs with ${word}`),
    ]
  }
  const { version } = facts.xen
  const image = replacedImage(facts)
  return [
    ...(image === undefined ? [] : [`Xen ${version} runs, and ${image} is another one`]),
    ...compare("Xen", facts.xen.commandLine, xenOptions(wanted), record?.xenOptions),
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
  const originals: Record<string, string | null> = { ...record?.originals }
  for (const path of [...Object.keys(menuFiles), ...Object.keys(services)])
    if (!(path in originals)) originals[path] = present(facts, path) ?? null
  const next: Dom0Record = {
    xenOptions: options.xen,
    linuxOptions: options.linux,
    originals,
    savedEntry: record?.savedEntry ?? plainSaved(grub) ?? fallback.id,
    adopted: record?.adopted ?? facts.xen !== undefined,
  }
  const recordFile = { [recordPath(DOM0_RECORD)]: recordText(next) }
  const differs = ([path, content]: [string, string]) => present(facts, path) !== content
  const changedServices = Object.entries(services).filter(differs)
  const changedMenu = Object.entries({ ...menuFiles, ...recordFile }).filter(differs)
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
    ...(changedServices.length > 0 ? [servicesStep(facts, changedServices)] : []),
    ...menuSteps(facts, grub, fallback.id, changedMenu, wanted),
  ]
}

function plainSaved(grub: Grub): string | undefined {
  const saved = grub.facts.environment.saved_entry
  return isPlain(grub, saved) ? saved : undefined
}

function servicesStep(facts: HostFacts, files: readonly [string, string][]): Step {
  const daemon = files.some(([path]) => path === "/etc/default/xen" || path === "/etc/sysconfig/xencommons")
  const consoles = files.some(([path]) => path.startsWith("/etc/tmpfiles.d/"))
  return step(
    "Log the guests' consoles, let guests shut down instead of being saved, watch over dom0",
    [
      ...files.map(([path, content]) => write(path, content)),
      ...(consoles ? [run(MAKE_CONSOLE_FOLDER)] : []),
      ...(daemon && facts.xen ? [run(RESTART_CONSOLED)] : []),
    ],
    {
      undo: files.map(([path]) => {
        const content = present(facts, path)
        return content === undefined ? remove(path) : write(path, content)
      }),
      note: `Writes ${files.map(([path]) => path).join(", ")}.`,
    },
  )
}

function menuSteps(
  facts: HostFacts,
  grub: Grub,
  fallback: string,
  files: readonly [string, string][],
  wanted: Dom0Wanted,
): Step[] {
  const reasons = rebootReasons(facts, wanted)
  const writes = files.map(([path, content]) => write(path, content))
  if (reasons.length > 0) return [trialStep(facts, grub, fallback, writes, reasons, wanted)]
  const notDefault = xenEntry(grub.facts)?.id !== grub.facts.environment.saved_entry
  const menuChanged = files.some(([path]) => path.startsWith("/etc/default/"))
  return [
    ...(files.length > 0
      ? [
          step("Write down what Xen and dom0 run with", [
            ...writes,
            ...(menuChanged ? [run(grub.regenerate)] : []),
          ]),
        ]
      : []),
    // It runs, and with the options that are wanted: that is the proof.
    ...(notDefault ? [step("Make Xen the entry that boots", [run(grub.makeXenDefault)])] : []),
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
  const former = isReplaced ? fallback : (grub.facts.environment.saved_entry ?? fallback)
  const back = [grub.setDefault(former), grub.fallBackTo(grub.facts.environment.fallback), grub.forgetNext]
  const paths = writes.flatMap(action => (action.kind === "write" ? [action.path] : []))
  return {
    title: trialTitle(facts),
    note: `${reasons.map(reason => `${reason[0]!.toUpperCase()}${reason.slice(1)}.`).join(" ")}`,
    risk: "boot",
    actions: [
      run(grub.setDefault(fallback)),
      ...writes,
      run(grub.regenerate),
      run(grub.fallBackToPlain),
      run(grub.bootXenOnce),
    ],
    undo: [...back.map(command => run(command)), ...putBack(facts, paths, grub)],
    guard: {
      ...trialGuard(back, wanted.window),
      // The old menu itself, and not another one: to write one takes up to minutes, and can fail.
      written: [grub.facts.config],
      proof: proofCommands(facts, wanted, grub),
      keep: [grub.makeXenDefault],
      trial: ["sh", "-c", '[ "$(cat /sys/hypervisor/type 2>/dev/null)" = xen ]'],
      restart: facts.xen && !isReplaced ? "always" : "after-trial",
    },
  }
}

/** What a boot on trial has in common, whatever is booted. */
function trialGuard(back: readonly Command[], window = 300) {
  return { name: "dom0", window, grace: 600, before: [], after: back, afterBoot: back }
}

function trialTitle(facts: HostFacts): string {
  if (!facts.xen) return "Restart into Xen"
  if (replacedImage(facts) !== undefined) return "Restart into the Xen that was installed"
  return "Restart with other options for Xen and dom0"
}

/**
 * Back to plain Linux: a restart out of Xen, and then the files and GRUB's default as they were. A Xen that was there before
 * stays, and has its old options from the next restart on.
 */
export function planDom0Removal(facts: HostFacts, window?: number): Plan {
  const record = dom0Record(facts)
  const grub = facts.boot.grub && grubOf(facts.boot.grub)
  if (!record || !grub) return []
  const saved = isPlain(grub, record.savedEntry)
    ? record.savedEntry
    : (plainEntry(facts)?.id ?? record.savedEntry)
  // Debian's Xen would make itself the default again; it stays held until its packages are gone too.
  const files = Object.entries(record.originals).map(([path, content]) =>
    content === null ? remove(path) : write(path, content),
  )
  return [
    ...(facts.xen && !record.adopted ? [leaveStep(grub, saved, window)] : []),
    step("Give GRUB and Xen's services their old configuration back", [
      run(grub.setDefault(saved)),
      run(grub.fallBackTo(undefined)),
      ...files,
      run(grub.regenerate),
      remove(recordPath(DOM0_RECORD)),
    ]),
  ]
}

/**
 * GRUB boots plain Linux once, as it booted Xen once: who knows what has become of it meanwhile. Xen is the default until
 * somebody has come in, and what is booted when the kernel cannot be loaded.
 */
function leaveStep(grub: Grub, plain: string, window?: number): Step {
  const { saved_entry: former, fallback } = grub.facts.environment
  const back = [
    ...(former === undefined ? [] : [grub.setDefault(former)]),
    ...[grub.fallBackTo(fallback), grub.forgetNext],
  ]
  return {
    title: "Restart into plain Linux",
    note: "Xen stays the default until plain Linux has answered.",
    risk: "boot",
    actions: [run(grub.fallBackToXen), run(grub.bootOnce(plain))],
    undo: back.map(command => run(command)),
    guard: {
      ...trialGuard(back, window),
      keep: [grub.setDefault(plain), grub.fallBackTo(undefined)],
      trial: ["sh", "-c", '[ "$(cat /sys/hypervisor/type 2>/dev/null)" != xen ]'],
      restart: "after-trial",
    },
  }
}
