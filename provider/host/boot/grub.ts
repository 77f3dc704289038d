import type { Command } from "../../ssh/command.ts"
import type { BootEntry, GrubFacts, HostFacts } from "../facts/types.ts"
import { FILES_SH } from "../files.ts"
import { type RunAction, run } from "../step.ts"
import { assignment, setAssignments } from "./assignments.ts"
import { type Environment, setAtOnce } from "./environment.ts"

/** Debian reads /etc/default/grub.d/*.cfg after /etc/default/grub, in order: ours comes before Xen's `xen.cfg`. */
const OWN = "/etc/default/grub.d/pulumi-xen.cfg"
const MAIN = "/etc/default/grub"

/**
 * The number of the first such entry on the menu's upper level. Entries of 10_linux may be files of their own (Boot Loader
 * Specification), all of which stand where the menu says `blscfg`.
 */
const numberOf = (
  which: string,
): string => `awk -v files="$(ls /boot/loader/entries/*.conf 2>/dev/null | wc -l)" '
  ${which} { found = 1; exit }
  /^blscfg/ { number += files }
  /^(menuentry|submenu) / { number++ }
  END { print found ? number + 0 : 0 }'`
const ENTRY = "/^(menuentry|submenu) /"
const PLAIN = `/^blscfg/ || (${ENTRY} && /--class gnu-linux/ && !/--class xen/)`
const XEN = `${ENTRY} && /--class xen/`

/**
 * grub-mkconfig writes over the menu as it is in use: cut off in that, GRUB has half of one, and nothing boots that could
 * take it back. So it writes another file, which takes the menu's place when it is on the disk.
 */
const WRITE_MENU = `${FILES_SH}menu=$(readlink -f "$1") || exit
name_aside "$menu"
"$0" -o "$aside" && { [ ! -e "$menu" ] || chmod --reference="$menu" "$aside"; } && settle "$menu" || {
  code=$?
  rm -f "$aside" "$aside.new"
  exit "$code"
}`

/** GRUB with what can be done to it: everything is spelt as on this host. */
export interface Grub {
  readonly facts: GrubFacts
  /** Writes the menu anew from /etc/default/grub. */
  readonly regenerate: RunAction
  setDefault(entry: string): Command
  /** Sets variables of grubenv, for GRUB to see at once (`setAtOnce`). */
  setAtOnce(values: Environment): Command
  /** Boots an entry once, the next time. */
  bootOnce(entry: string): Command
  /** Boots the Xen entry once, the next time. Fails where the menu has none. */
  readonly bootXenOnce: Command
  /** GRUB sees it at once. Fails where the menu has no Xen entry. */
  readonly makeXenDefault: RunAction
  readonly forgetNext: Command
  /** Succeeds when no entry is left to be booted once. */
  readonly nothingNext: Command
  /**
   * Boots plain Linux when the default cannot be loaded, a module of it missing: without it GRUB waits at its menu for a
   * person. To be run when the menu is written, for GRUB 2.06 knows it by its number there alone. The menu takes all of
   * grubenv for its own variables (`load_env` of 00_header).
   */
  readonly fallBackToPlain: Command
  /** The same with Xen, where plain Linux is what is tried. */
  readonly fallBackToXen: Command
  /** `undefined`: to nothing. */
  fallBackTo(entries: string | undefined): Command
}

export function grubOf(facts: GrubFacts): Grub {
  const { prefix, config, directory } = facts
  const onDebian = prefix === "grub"
  const environment = [`${prefix}-editenv`, `${directory}/grubenv`] as const
  const at = `--boot-directory=${directory.replace(/\/[^/]+$/, "")}`
  // The id is read from the menu as it is then: it exists only after the menu was written with Xen in it. Without submenus,
  // as EL has it, there is no entry called simple, and the first of all versions is the newest.
  const withXenEntry = (command: Command, name = ""): Command => {
    const id = `sed -n "/-recovery-/d; s/^menuentry .*menuentry_id_option '\\(xen-gnulinux-[^']*\\)'.*/\\1/p" "$1" | head -n 1`
    const script = `entry=$(${id}); [ -n "$entry" ] || { echo "the menu $1 has no Xen entry" >&2; exit 1; }; shift; exec "$@" ${name}"$entry"`
    return ["sh", "-c", script, "sh", config, ...command]
  }
  const fallBackToFirst = (which: string): Command => [
    ...["sh", "-c", `number=$(${numberOf(which)} "$1") && shift && exec "$@" fallback="$number"`],
    ...["sh", config, ...environment, "set"],
  ]
  return {
    facts,
    regenerate: run(["sh", "-c", WRITE_MENU, `${prefix}-mkconfig`, config], {
      byHand: onDebian ? ["update-grub"] : [`${prefix}-mkconfig`, "-o", config],
    }),
    setDefault: entry => [`${prefix}-set-default`, at, entry],
    bootOnce: entry => [`${prefix}-reboot`, at, entry],
    setAtOnce: values => setAtOnce(environment, values),
    bootXenOnce: withXenEntry([`${prefix}-reboot`, at]),
    makeXenDefault: run(withXenEntry(setAtOnce(environment, {}), "saved_entry="), {
      byHand: withXenEntry([`${prefix}-set-default`, at]),
    }),
    forgetNext: [...environment, "unset", "next_entry"],
    nothingNext: ["sh", "-c", '! "$@" list | grep "^next_entry=."', "sh", ...environment],
    fallBackToPlain: fallBackToFirst(PLAIN),
    fallBackToXen: fallBackToFirst(XEN),
    fallBackTo: entries => [
      ...environment,
      ...(entries === undefined ? ["unset", "fallback"] : ["set", `fallback=${entries}`]),
    ],
  }
}

/** What is set in /etc/default/grub; `undefined` leaves GRUB's own default. */
export interface GrubOptions {
  readonly xen?: readonly string[]
  readonly linux?: readonly string[]
}

/**
 * The files that make GRUB follow its saved entry and give Xen its options. Where there is a grub.d, in a file
 * of our own; else in lines of /etc/default/grub.
 */
export function grubFiles(facts: GrubFacts, { xen, linux }: GrubOptions): Record<string, string> {
  const values = {
    GRUB_DEFAULT: "saved",
    ...(xen ? { GRUB_CMDLINE_XEN_DEFAULT: xen.join(" ") } : {}),
    ...(linux
      ? { GRUB_CMDLINE_LINUX_XEN_REPLACE_DEFAULT: ["$GRUB_CMDLINE_LINUX_DEFAULT", ...linux].join(" ") }
      : {}),
  }
  if (facts.prefix !== "grub") return { [MAIN]: setAssignments(facts.defaults[MAIN] ?? "", values) }
  const lines = Object.entries(values).map(([name, value]) => assignment(name, value))
  return {
    [OWN]: [
      "# Written by pulumi-xen. What is changed here by hand is overwritten.",
      "# Debian's xen.cfg would make Xen the default at once: first it must prove that it boots.",
      "XEN_OVERRIDE_GRUB_DEFAULT=0",
      ...lines,
      "",
    ].join("\n"),
  }
}

/** The entry that boots the kernel that runs now, or would without Xen: what a failed trial falls back to. */
export function plainEntry({ boot, os }: HostFacts): BootEntry | undefined {
  const plain = boot.grub?.entries.filter(({ xen, recovery, linux }) => !xen && !recovery && linux) ?? []
  return plain.find(({ linux }) => linux?.endsWith(`-${os.kernel}`)) ?? plain[0]
}

/** Xen's own entry, the first that is no recovery. */
export function xenEntry({ entries }: GrubFacts): BootEntry | undefined {
  return entries.find(({ xen, recovery }) => xen && !recovery)
}

/** Whether the id is that of an entry which boots Linux without Xen, and is no recovery. */
export function isPlain({ entries }: GrubFacts, id: string | undefined): boolean {
  return entries.some(entry => entry.id === id && !entry.xen && !entry.recovery)
}
