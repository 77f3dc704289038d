import { CfgSyntaxError } from "../errors.ts"
import { severityOf } from "../problem.ts"
import type { Document } from "../syntax/document.ts"
import { parse } from "../syntax/parse.ts"
import type { XenVersion } from "../version.ts"
import { checkFiles, type FileLookup } from "./files.ts"
import type { Finding } from "./finding.ts"
import { Reading } from "./reading.ts"
import { rules } from "./rules.ts"

export interface CheckOptions {
  /** The Xen release whose xl shall read the file; default: the newest known one. */
  readonly target?: XenVersion
  /** Asked for the files that the configuration names; without it none is looked for. */
  readonly exists?: FileLookup
}

/**
 * Looks for what xl would refuse, drop or skip in a configuration, in the order of the text. A text that is no
 * configuration gives one finding, `syntax`. Never throws for what it finds.
 */
export function check(input: string | Document, options: CheckOptions = {}): Finding[] {
  let document: Document
  try {
    document = typeof input === "string" ? parse(input) : input
  } catch (error) {
    if (!(error instanceof CfgSyntaxError)) throw error
    return [
      { code: "syntax", severity: severityOf("syntax"), message: error.problem, position: error.position },
    ]
  }
  const reading = new Reading(document, options.target)
  for (const rule of rules) rule(reading)
  if (options.exists) checkFiles(reading, options.exists)
  return reading.findings.sort((a, b) => a.position.offset - b.position.offset)
}
