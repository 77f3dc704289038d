import type { HostFacts } from "../facts/types.ts"
import { type Refusal, refusal } from "../refusal.ts"
import { rebootReasons } from "./dom0.ts"
import { plainEntry } from "./grub.ts"
import type { Dom0Wanted } from "./wanted.ts"

/** MiB that Xen itself and the smallest guest need beside dom0, and that a Linux dom0 boots with. */
const XEN_OVERHEAD = 192
const LEAST_DOM0 = 256
/** MiB that Xen's images and a new menu take in /boot. */
const BOOT_NEEDED = 32

/** What must not be attempted, all of it at once, before anything is changed. */
export function refuseDom0(facts: HostFacts, wanted: Dom0Wanted): Refusal[] {
  return [
    ...refuseHost(facts),
    ...refuseInput(facts, wanted),
    ...refuseBoot(facts),
    ...refuseReboot(facts, wanted),
  ]
}

/** What Xen's packages would meet midway: they write images into /boot and a menu, and dom0 is to be tried afterwards. */
export function refuseXenPackages(facts: HostFacts): Refusal[] {
  return [...refuseArchitecture(facts.os), ...refuseBoot(facts)]
}

function refuseArchitecture({ architecture }: HostFacts["os"]): Refusal[] {
  if (architecture === "x86_64") return []
  return [
    refusal(
      "os",
      `This machine is ${architecture}.`,
      "Use an x86_64 machine: Xen is installed and booted on no other here.",
    ),
  ]
}

/** What makes a machine unfit, whatever is wanted of it. */
export function refuseHost({ user, os, boot, packages }: HostFacts): Refusal[] {
  const found: (Refusal | false)[] = [
    !user.root &&
      !user.sudo &&
      refusal(
        "root",
        `${user.name} is not root here and sudo asks for a password or refuses.`,
        "Connect as root, or let the user run sudo without a password.",
      ),
    packages.manager === undefined &&
      refusal(
        "os",
        `${os.prettyName || "This system"} has none of apt, dnf, yum and zypper.`,
        "Take a machine with Debian, EL or SUSE, or install one of them on it.",
      ),
    ...refuseArchitecture(os),
    boot.init !== "systemd" &&
      refusal(
        "init",
        "The host does not run systemd, so a failed boot could not be taken back.",
        "Upgrade the host, or go by the runbook (npm run runbook).",
      ),
  ]
  return found.filter(one => one !== false)
}

function refuseInput({ cpu, memory, xen, packages }: HostFacts, wanted: Dom0Wanted): Refusal[] {
  const machine = xen?.totalMemory ?? memory.total
  const words = [...(wanted.xenOptions ?? []), ...(wanted.linuxOptions ?? [])]
  const hvm = xen ? xen.virtCaps.includes("hvm") : cpu.virtualisation !== undefined
  const found: (Refusal | false)[] = [
    wanted.memory > machine - XEN_OVERHEAD &&
      refusal(
        "memory",
        `dom0 is to have ${wanted.memory} MiB, but the machine has ${machine} MiB.`,
        `Give dom0 at most ${machine - XEN_OVERHEAD} MiB, and leave the guests theirs.`,
      ),
    wanted.memory < LEAST_DOM0 &&
      refusal(
        "memory",
        `dom0 is to have ${wanted.memory} MiB, and would not boot.`,
        `Give it at least ${LEAST_DOM0} MiB.`,
      ),
    wanted.vcpus !== undefined &&
      !(Number.isInteger(wanted.vcpus) && wanted.vcpus >= 1) &&
      refusal("input", `dom0 is to have ${wanted.vcpus} virtual CPUs.`, "Give it 1 or more."),
    wanted.hvm === true &&
      !hvm &&
      refusal(
        "cpu",
        "PVH and HVM guests are wanted, but the CPU has neither VT-x nor AMD-V, or the firmware has it off.",
        "Turn it on in the firmware, or run PV guests.",
      ),
    xen === undefined &&
      packages.xen.every(one => one.installed === undefined && one.available === undefined) &&
      refusal(
        "no-xen-package",
        "Neither is Xen installed nor do the repositories offer it.",
        "Add a repository that has it (Packages), or refresh the package lists.",
      ),
  ]
  return [
    ...found.filter(one => one !== false),
    ...words
      .filter(word => !/^[A-Za-z0-9_.,:;=+@%/-]+$/.test(word))
      .map(word =>
        refusal(
          "input",
          `${JSON.stringify(word)} is no single word for a command line.`,
          "Give each option as a word of its own, without blanks, quotes or $.",
        ),
      ),
  ]
}

function refuseBoot(facts: HostFacts): Refusal[] {
  const { boot, xen, guards } = facts
  const grub = boot.grub
  if (!grub)
    return [
      refusal(
        "boot-loader",
        "No GRUB menu was found in /boot/grub or /boot/grub2.",
        "Only GRUB can boot Xen once and fall back; install it, or go by the runbook.",
      ),
    ]
  const found: (Refusal | false)[] = [
    !grub.environmentWritable &&
      refusal(
        "grubenv",
        `GRUB cannot take back a one-shot boot here: ${grub.environmentProblem}.`,
        `Put ${grub.directory} on a plain ext4, XFS or FAT file system, or create grubenv (grub-editenv ${grub.directory}/grubenv create).`,
      ),
    grub.environmentWritable &&
      grub.entries.length > 0 &&
      !grub.clearsNext &&
      refusal(
        "grubenv",
        `The menu ${grub.config} does not clear a one-shot entry: Xen would boot for ever.`,
        "Write the menu with grub-mkconfig.",
      ),
    plainEntry(facts) === undefined &&
      refusal(
        "boot-loader",
        `The menu ${grub.config} has no entry without Xen to fall back to.`,
        "Install a kernel and write the menu with grub-mkconfig.",
      ),
    xen === undefined &&
      boot.bootFree < BOOT_NEEDED &&
      refusal(
        "boot-full",
        `/boot has ${boot.bootFree} MiB left, and Xen's images and its menu take up to ${BOOT_NEEDED}.`,
        `Remove old kernels until ${BOOT_NEEDED} MiB are free.`,
      ),
    guards.some(({ name, state }) => name === "dom0" && state === "reverting") &&
      refusal("guard-armed", "The host is just taking a trial boot back.", "Run again in a minute."),
  ]
  return found.filter(one => one !== false)
}

function refuseReboot(facts: HostFacts, wanted: Dom0Wanted): Refusal[] {
  const reasons = wanted.reboot === "refuse" ? rebootReasons(facts, wanted) : []
  if (reasons.length === 0) return []
  return [
    refusal(
      "reboot",
      `The machine would have to restart (${reasons.join("; ")}), and restarts are refused.`,
      'Say reboot: "allow", or leave the options as they run.',
    ),
  ]
}
