import { readFileSync } from "node:fs"
import type { Command } from "../../ssh/command.ts"
import { FILES_SH } from "../files.ts"
import { storeDirectory } from "../kernels.ts"

const read = (name: string) => readFileSync(new URL(name, import.meta.url), "utf8")
const DOMAINS_SH = read("domains.sh")
const UNIT = read("pulumi-xen-domains.service")
const INSTALL_SH = `${FILES_SH}${read("install.sh")}`
const REMOVE_SH = read("remove.sh")

/** How a domain starts and stops with its host. */
export interface Autostart {
  /** Domains start in this order, then by name. */
  readonly order: number
  /** Seconds for a graceful shutdown; a domain that still runs then is destroyed. */
  readonly shutdownTimeout: number
}

/** Exit code of `installAutostart`: the host's services are not managed by systemd. */
export const NO_SYSTEMD = 3

/**
 * Puts the unit that starts and stops the store's domains with their host in place; nothing is touched where it is so
 * already. Answers `installed` or `present`. Domains that run go on as they are.
 */
export function installAutostart(): { readonly command: Command; readonly stdin: string } {
  return { command: ["sh", "-c", INSTALL_SH, "sh"], stdin: `${DOMAINS_SH}--- unit\n${UNIT}` }
}

/** Takes the unit away when no domain needs it any more: the last act of a domain's removal. */
export const removeAutostart: Command = ["sh", "-c", REMOVE_SH, "sh", storeDirectory]

const SET_SH = `${FILES_SH}
mark=$1/autostart
if [ -z "$2" ]; then rm -f -- "$mark"; exit; fi
printf '%s\\n' "$2" | cmp -s - "$mark" || printf '%s\\n' "$2" | replace "$mark" 644`

/** Says whether, and in which order, a domain starts with its host. */
export function setAutostart(domain: string, wanted: Autostart | undefined): Command {
  const line = wanted === undefined ? "" : `${wanted.order} ${wanted.shutdownTimeout}`
  return ["sh", "-c", SET_SH, "sh", `${storeDirectory}/domains/${domain}`, line]
}
